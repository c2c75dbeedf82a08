"""What a server said, without the credentials that it was sent.

Servers quote what they refuse. Credentials that have a form of their own are masked wherever they stand
(`gateway_stream.wire.failure_text`); one without can only be known by whoever sent it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway_stream.events import Failure

__all__ = ["withheld"]

_SHORTEST: Final = 8  # what is shorter may be a word of the text, and is no good credential


def withheld(failure: Failure, sent: Iterable[str]) -> Failure:
    """A failure whose texts hold nothing of what was sent.

    Args:
        failure: what the answer was read as.
        sent: credentials, each with or without its scheme in front.
    """
    secrets = [secret for text in sent if len(secret := text.rpartition(" ")[2]) >= _SHORTEST]
    texts = {
        name: _without(getattr(failure, name), secrets)
        for name in ("message", "code", "request_id", "hint")
    }
    return msgspec.structs.replace(failure, **texts)


def _without(text: str | None, secrets: list[str]) -> str | None:
    for secret in secrets:
        text = text and text.replace(secret, "[secret]")
    return text
