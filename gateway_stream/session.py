"""One agent's session: what its requests share, and the conversation that it holds.

A session is a view of a client, not a connection: it may be made by the thousand and needs no closing.
All its requests have one place in the fair queue, one identity, one count and one budget, however many
run at once.

**Single requests.** `Session.stream` and `Session.complete` ask what they are told and know nothing of each other.

**The conversation.** `Session.ask` and `Session.answer` send the history and what is said now. What was said and
its answer enter the history together, once the answer is whole. An answer that was cut, left or refused
leaves the history as it was: half an answer would be taken for a whole one by every request after it, and a
tool call without its result is refused by most vendors. So it can be asked again as it stands. Google's
chats keep such a history beside another (``get_history(curated=True)``); pydantic-ai adds an answer
when its stream has finished. One question at a time: the next one is built on its answer.

The history is a plain list, to be filled, cut and looked at as any other. Its turns carry what vendors want
back unread, and that survives `Session.dump` and `Session.load` byte for byte.

A session belongs to one event loop at a time.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeAlias, TypedDict, Unpack

import msgspec

from gateway_stream.budget import Spent, estimate
from gateway_stream.errors import ConfigError
from gateway_stream.events import Usage
from gateway_stream.ledger import Ledger, Tally
from gateway_stream.options import build_request
from gateway_stream.request import Message, Part, TextPart
from gateway_stream.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway_stream.attempts import Fallback
    from gateway_stream.auth.services import Auth
    from gateway_stream.budget import Budget
    from gateway_stream.client import Client
    from gateway_stream.net.retry import Retry, RetryPolicy
    from gateway_stream.net.watchdog import Timeouts
    from gateway_stream.options import Conversation, RequestOptions
    from gateway_stream.request import Request
    from gateway_stream.stream import EventStream
    from gateway_stream.turn import PartialTurn

__all__ = ["Said", "Session"]

Said: TypeAlias = str | Message | Part | Sequence[str | Part]
"""What is said next: text, a message, or the parts of the user's message, such as tool results."""

_FORMAT: Final = 1


class Session:
    """Requests and conversation of one agent or user. Made by `Client.session`.

    Attributes:
        history: what was said so far, messages and turns; yours to change between two questions.
    """

    def __init__(
        self,
        client: Client,
        name: str | None = None,
        *,
        weight: float = 1.0,
        auth: Auth | None = None,
        budget: Budget | None = None,
    ) -> None:
        # A made client has loaded both; importing this module need not.
        from gateway_stream.auth.services import as_source  # noqa: PLC0415
        from gateway_stream.net.admission import Flow  # noqa: PLC0415

        self.history: list[Message | Turn] = []
        self._turns = 0  # whole answers ever, for the ids of calls, though the history be cut
        self._client = client
        self._source = None if auth is None else as_source(auth)
        self._flow = Flow(name, weight)
        self._ledger = Ledger(budget)
        self._asking: weakref.ref[_Observer] | None = None

    def __repr__(self) -> str:
        name = f" {self._flow.name!r}" if self._flow.name else ""
        return f"<Session{name}: {len(self.history)} in its history, {self.requests} asked>"

    # Single requests.

    def stream(
        self,
        request: Request | str,
        messages: Conversation | None = None,
        *,
        family: str | None = None,
        timeouts: Timeouts | None = None,
        retry: Retry | RetryPolicy | None = None,
        fallback: Fallback = (),
        **options: Unpack[RequestOptions],
    ) -> EventStream:
        """As `Client.stream`, with what this session's requests share.

        Raises:
            BudgetExceeded: the session's budget does not hold the request. While the answer is read:
                nor does it hold the answer.
        """
        asked = build_request(request, messages, options)
        ways = _Ways(family=family, timeouts=timeouts, retry=retry, fallback=fallback)
        return self._send(asked, _Observer(self._tally(asked)), ways, _caller())

    async def complete(
        self,
        request: Request | str,
        messages: Conversation | None = None,
        *,
        family: str | None = None,
        timeouts: Timeouts | None = None,
        retry: Retry | RetryPolicy | None = None,
        fallback: Fallback = (),
        **options: Unpack[RequestOptions],
    ) -> Turn:
        """As `Client.complete`, with what this session's requests share.

        Raises:
            BudgetExceeded: the session's budget does not hold the request, or its answer.
            GatewayError: the answer is not whole.
        """
        asked = build_request(request, messages, options)
        ways = _Ways(family=family, timeouts=timeouts, retry=retry, fallback=fallback)
        async with self._send(asked, _Observer(self._tally(asked)), ways, _caller()) as stream:
            return await stream.turn()

    # The conversation.

    def ask(
        self,
        model: str,
        said: Said | None = None,
        *,
        family: str | None = None,
        timeouts: Timeouts | None = None,
        retry: Retry | RetryPolicy | None = None,
        fallback: Fallback = (),
        **options: Unpack[RequestOptions],
    ) -> EventStream:
        """Go on with the conversation, and read the answer as it comes.

        Args:
            model: who is to answer. It may be another one each time.
            said: what is said now; left out, the model goes on from the history as it is.
            family: as for `Client.stream`, like all that follow.
            timeouts: likewise.
            retry: likewise.
            fallback: likewise.
            options: likewise. They hold for this answer: ``system`` and ``tools`` are no part of the history.

        Raises:
            BudgetExceeded: as in `stream`.
            ConfigError: another question of this conversation is not answered yet, or nothing is said.
            TypeError: an unknown option, or something that cannot be said.
        """
        ways = _Ways(family=family, timeouts=timeouts, retry=retry, fallback=fallback)
        return self._converse(model, said, ways, options, _caller())

    async def answer(
        self,
        model: str,
        said: Said | None = None,
        *,
        family: str | None = None,
        timeouts: Timeouts | None = None,
        retry: Retry | RetryPolicy | None = None,
        fallback: Fallback = (),
        **options: Unpack[RequestOptions],
    ) -> Turn:
        """Go on with the conversation, and give the whole answer. Takes what `ask` takes.

        Raises:
            BudgetExceeded: as in `complete`.
            GatewayError: the answer is not whole; the history is as it was.
        """
        ways = _Ways(family=family, timeouts=timeouts, retry=retry, fallback=fallback)
        async with self._converse(model, said, ways, options, _caller()) as stream:
            return await stream.turn()

    def _converse(
        self, model: str, said: Said | None, ways: _Ways, options: RequestOptions, place: str
    ) -> EventStream:
        asking = self._asking() if self._asking is not None else None
        if asking is not None and not asking.over:
            message = "another question of this conversation is not answered yet"
            hint = "Read or close its stream first; session.stream() asks beside the conversation."
            raise ConfigError(message, hint=hint)
        new = () if said is None else (_message(said),)
        asked = build_request(model, [*self.history, *new], options)

        def heard(answer: Turn | PartialTurn) -> None:
            if isinstance(answer, Turn):
                self.history += (*new, answer)
                self._turns += 1

        observer = _Observer(self._tally(asked), heard)
        stream = self._send(asked, observer, ways, place, turn=self._turns + 1)
        self._asking = weakref.ref(observer)
        return stream

    # What was used.

    @property
    def requests(self) -> int:
        """How many requests were made, those that were left before they were sent too."""
        return self._ledger.requests

    @property
    def usage(self) -> Usage:
        """What the gateway told of all answers so far, those that run, failed or were left too.

        A count is ``None`` where no answer told it.
        """
        return self._ledger.usage

    @property
    def budget(self) -> Budget | None:
        """What the session may use."""
        return self._ledger.budget

    @property
    def spent(self) -> Spent:
        """What the budget is held against: `usage`, and with a budget estimates of what is not told."""
        return self._ledger.spent

    # Keeping it.

    def dump(self) -> bytes:
        """The history and the counts as JSON, to `load` elsewhere. It holds no credentials."""
        saved = _Saved(
            history=self.history,
            turns=self._turns,
            requests=self.requests,
            usage=self.usage,
            spent=self.spent,
        )
        return msgspec.json.encode(saved)

    def load(self, data: bytes | str) -> None:
        """Go on from what `dump` gave. Name, identity and budget are this session's own.

        Raises:
            ConfigError: the data is none of `dump`, or this session was used already.
        """
        if self.history or self.requests:
            message = "a session that was used cannot load another"
            raise ConfigError(message, hint="Make a new one with client.session().")
        try:
            saved = msgspec.json.decode(data, type=_Saved)
        except (msgspec.DecodeError, UnicodeError, ConfigError) as error:
            message = f"this is no saved session: {error}"
            raise ConfigError(message, hint="Give what session.dump() gave.") from error
        if saved.format != _FORMAT:
            message = f"the saved session has format {saved.format}; this version reads {_FORMAT}"
            raise ConfigError(
                message, hint="Load it with the version that saved it, or a later one."
            )
        self.history = saved.history
        self._turns = saved.turns
        self._ledger.restore(saved.requests, saved.usage, saved.spent)

    # The way of one request.

    def _tally(self, asked: Request) -> Tally:
        budget = self._ledger.budget
        if budget is None:
            return Tally(self._ledger, 0, None)
        return Tally(self._ledger, estimate(asked), budget.price_of(asked.model))

    def _send(
        self,
        asked: Request,
        observer: _Observer,
        ways: _Ways,
        place: str,
        *,
        turn: int | None = None,
    ) -> EventStream:
        stream = self._client._sender.ask(  # noqa: SLF001  a session is a view of its client
            asked,
            place=place,
            source=self._source,
            flow=self._flow,
            observer=observer,
            turn=turn,
            **ways,
        )
        observer.tally.begin()
        return stream


class _Ways(TypedDict):
    """How a request is sent, as `Client.stream` takes it."""

    family: str | None
    timeouts: Timeouts | None
    retry: Retry | RetryPolicy | None
    fallback: Fallback


class _Saved(msgspec.Struct, kw_only=True):
    """A session on paper."""

    format: int = _FORMAT
    history: list[Message | Turn]
    turns: int = 0
    requests: int = 0
    usage: Usage = Usage()
    spent: Spent = Spent()


class _Observer:
    """Counts an answer while it comes, and tells the conversation how it ended."""

    def __init__(
        self, tally: Tally, heard: Callable[[Turn | PartialTurn], None] | None = None
    ) -> None:
        self.over = False
        self.tally = tally
        self.saw = tally.saw
        self._heard = heard

    def ended(self, answer: Turn | PartialTurn) -> None:
        """The answer is over, whole or not."""
        self.over = True
        self.tally.end()
        if self._heard is not None:
            self._heard(answer)

    def __del__(self) -> None:
        self.tally.end()  # of a stream that was dropped before it was sent, nobody tells


def _message(said: Said) -> Message:
    """What is said, as one message.

    Raises:
        ConfigError: nothing is said.
        TypeError: it is nothing that can be said.
    """
    if isinstance(said, str):
        return Message("user", said)
    if isinstance(said, Message):
        return said
    parts = [said] if isinstance(said, Part) else said
    if not isinstance(parts, list | tuple) or not all(
        isinstance(part, str | Part) for part in parts
    ):
        message = (
            "what is said is text, a Message, or a list of parts; session.history takes the rest"
        )
        raise TypeError(message)
    if not parts:
        message = "nothing is said"
        raise ConfigError(message, hint="Say something, or leave it out to let the model go on.")
    return Message(
        "user", tuple(TextPart(part) if isinstance(part, str) else part for part in parts)
    )


def _caller() -> str:
    """Where the user's code asked for a stream."""
    frame = sys._getframe(2)  # noqa: SLF001  the documented way to name a caller cheaply
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
