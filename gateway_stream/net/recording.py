"""What a client lets somebody see who records its exchanges.

A recorder is shown every response that has begun, refused ones too, before anything of its body is read.
It may put itself between the connection and the reader, for `Exchange.receive` is an attribute, and it is
told when the exchange is over. It changes nothing of what the reader gets, raises nothing and waits for nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

__all__ = ["Followed", "Follower"]


class Followed(Protocol):
    """An exchange, as far as a recorder needs it: see `gateway_stream.net.transport.Exchange`."""

    receive: Callable[[], Awaitable[bytes]]

    @property
    def broken(self) -> tuple[type[Exception], ...]:
        """What ``receive`` raises where the body breaks off."""

    @property
    def status(self) -> int:
        """The response's status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The response's headers, each line of them an item."""

    @property
    def sent_at(self) -> float:
        """When the request began to be sent, in seconds of the client's clock."""

    @property
    def headers_at(self) -> float:
        """When the response's head was there, on the same clock."""

    def when_free(self, work: Callable[[bool], object]) -> None:
        """Have ``work`` called once, when the exchange lets go of its connection.

        It is told whether the response was at its end; it was not where the exchange was aborted.
        """


class Follower(Protocol):
    """Sees exchanges, to record them: see `gateway_stream.testing.Recorder`."""

    def follow(
        self, exchange: Followed, *, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> None:
        """A response has begun.

        Args:
            exchange: the response, nothing of its body read.
            method: how was asked.
            url: what was asked, its query too.
            headers: the request's headers, with the credentials among them.
            body: the request's body.
        """
