"""A value that must not be seen.

Credentials leak through what nobody reads as a leak: a repr in a log line, a dump of settings, an
error that quotes its input. A `Secret` therefore answers every such question with ``***``, and the
only way out is `Secret.reveal`, which stands where a header is written and can be searched for.

It is checked where it comes in. What is no credential (a line break that came with a file, the word
``Bearer`` in front, a character no HTTP header can carry) is refused at once, by an error that does
not quote it, because the same mistake is a riddle when the gateway answers it with a 401. Every
credential that HTTP carries as a bearer is printable ASCII without blanks (RFC 6750, section 2.1),
so that is the rule. What no header carries as it is (a password, the content of a file) may be any text. And
``***`` itself is refused: who copies it has copied from where a secret was hidden.
"""

from __future__ import annotations

import hmac
from typing import Final, NoReturn, SupportsIndex, final

import msgspec

from gateway_stream.errors import ConfigError

__all__ = ["MASK", "Secret", "hidden", "hide"]

MASK: Final = "***"
"""What is shown in place of a secret, and so is none."""


@final
class Secret:
    """A credential that never prints, serializes or pickles.

    Two secrets are equal when their values are, compared in constant time; a `str` is never equal.

    Args:
        value: printable ASCII without blanks.
        name: what errors call it.
        text: whether it may be any text, since no header carries it as it is.

    Raises:
        ConfigError: the value is no credential; the error does not contain it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str, *, name: str = "the token", text: bool = False) -> None:
        problem = _problem(value, text)
        if problem:
            del value  # tools that print tracebacks with local variables would show it
            message = f"{name} {problem[0]}"
            raise ConfigError(message, hint=problem[1])
        self._value = str(value)  # plain, so that it can be encoded where it is revealed

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        mine, others = self._value, other._value
        return hmac.compare_digest(
            mine.encode(errors="surrogatepass"), others.encode(errors="surrogatepass")
        )

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __getstate__(self) -> NoReturn:
        message = "a Secret cannot be pickled; make it anew where it is needed"
        raise TypeError(message)

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        self.__getstate__()


def hidden(value: Secret | str | None, name: str) -> Secret | None:
    """A credential that somebody may have given as plain text, out of sight.

    Raises:
        ConfigError: it is no credential; the error does not contain it.
    """
    return value if value is None or isinstance(value, Secret) else Secret(value, name=name)


def hide(holder: msgspec.Struct, *fields: str) -> None:
    """Put fields of a new struct out of sight. Raises as `hidden` does."""
    for field in fields:
        secret = hidden(getattr(holder, field), f"the {field.replace('_', ' ')}")
        msgspec.structs.force_setattr(holder, field, secret)


def _problem(value: object, text: bool) -> tuple[str, str] | None:  # noqa: FBT001  only called above
    """What is wrong and what to do, or ``None``."""
    if not isinstance(value, str):
        return f"is {type(value).__name__}, not text", "Give it as a str."
    if not value:
        return "is empty", "Give a token, or leave it out to send none."
    signs = {
        _MASKED: value == MASK,
        _NOT_ASCII: not (text or value.isascii()),
        _CONTROL: not (text or value.isprintable()),
        _BLANK: not text and " " in value,
    }
    return next((problem for problem, there in signs.items() if there), None)


_MASKED: Final = (
    f"is {MASK!r}, which stands for a credential that was hidden",
    "Give the credential itself.",
)
_NOT_ASCII: Final = (
    "has a character that is not ASCII",
    "Copy it again: tokens have plain characters only.",
)
_CONTROL: Final = (
    "has a control character in it",
    "Often it is the line break at the end of a file: strip it.",
)
_BLANK: Final = (
    "has a blank in it",
    "Give the token alone, without a word such as 'Bearer' before it.",
)
