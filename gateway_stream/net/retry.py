"""Whether a request is sent again, and when.

A policy is a value. What may be sent again is told by the failure itself (``retryable``, by the one table in
`gateway_stream.wire.failure_kinds`, and by what the response said); the policy says how often, after what
wait, and how late in an answer:

- ``before_first_content``: as long as the reader has seen nothing of the answer. Nothing comes twice.
- ``reset``: also later. The reader is told by a `Reset` to forget what came, and the answer begins anew.
- ``never``.

**Waits** grow by ``factor`` from ``first_wait`` up to ``longest_wait``, and each is drawn from 0 to that
("full jitter"): many that fail in the same moment come back spread evenly and not in a second wave. Where
the answer says how long to wait, that comes first, and the drawn part after it, so that those who wait for the
same moment are spread too.

A stated wait of more than `LONGEST_STATED_WAIT` is not waited for. That is an hour's or a day's limit, and
whoever asked should know at once; the bound is that of OpenAI's clients.

The numbers are those of Goose's Databricks provider (3 retries, 1 s, doubled), with the cap of OpenHands (60 s).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from gateway_stream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LONGEST_STATED_WAIT", "NO_RETRIES", "Retry", "RetryPolicy", "read_retry"]

RetryPolicy: TypeAlias = Literal["before_first_content", "never", "reset"]

LONGEST_STATED_WAIT: Final = 120.0
_LARGEST_POWER: Final = 64  # beyond any cap


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """How often, when and how late a request is sent again.

    Attributes:
        retries: how often at most, after the first time.
        first_wait: seconds that the first wait may last.
        factor: how much longer each further one may last, 1 or more.
        longest_wait: seconds that any may last.
        policy: how late in an answer.

    Raises:
        ConfigError: a number that makes no sense.
    """

    retries: int = 3
    first_wait: float = 1.0
    factor: float = 2.0
    longest_wait: float = 60.0
    policy: RetryPolicy = "before_first_content"

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        for name, least in (("retries", 0), ("first_wait", 0), ("factor", 1), ("longest_wait", 0)):
            number = getattr(self, name)
            if not (isinstance(number, int | float) and number >= least):
                message = f"{name} is {number!r}"
                raise ConfigError(message, hint=f"Give {least} or more.")
        if self.policy not in ("before_first_content", "never", "reset"):
            message = f"there is no retry policy {self.policy!r}"
            raise ConfigError(message, hint="Give before_first_content, reset or never.")

    def wait(
        self,
        retry: int,
        stated: float | None = None,
        draw: Callable[[float], float] | None = None,
    ) -> float:
        """Seconds before the ``retry``-th retry, counted from 1.

        Args:
            retry: which.
            stated: seconds that the answer asked for.
            draw: gives a number from 0 to its argument.
        """
        from backoff import full_jitter  # noqa: PLC0415  it loads asyncio, an import need not

        try:
            grown = self.first_wait * self.factor ** min(retry - 1, _LARGEST_POWER)
        except OverflowError:
            grown = self.longest_wait
        longest = min(self.longest_wait, grown)
        return (stated or 0.0) + (draw or full_jitter)(longest)


NO_RETRIES: Final = Retry(retries=0, policy="reset")
"""Once, and then, wherever it failed, whatever is asked instead: for answers that nobody sees before they are whole."""


def read_retry(given: Retry | RetryPolicy | None, otherwise: Retry) -> Retry:
    """The policy that is meant: a word changes nothing but how late in an answer.

    Raises:
        ConfigError: there is no such word.
    """
    if given is None:
        return otherwise
    if isinstance(given, Retry):
        return given
    if not isinstance(given, str):
        message = f"retry is {given!r}, and no Retry"
        raise ConfigError(message, hint="Give Retry(retries=...), or a policy's name.")
    return msgspec.structs.replace(otherwise, policy=given)
