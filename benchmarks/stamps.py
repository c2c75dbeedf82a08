"""How long a token was under way: the server says when it wrote it, in the place of a word.

A stamp is microseconds of the system's monotonic clock, which all processes of one machine share, in
nine digits; they begin anew after a thousand seconds, so differences are taken in that round. It is
taken right before the write. So what is measured lies between the server's write and the moment at
which the reader's own code has the text: the kernel, the client's waiting for its turn, and the client.
"""

from __future__ import annotations

import re
from functools import cache
from time import monotonic_ns
from typing import Final

from benchmarks.answers import ANSWERS, chunked

__all__ = ["STAMP", "since", "stamp", "unstamped"]

_ROUND: Final = 10**9
STAMP: Final = re.compile(rb'"(\d{9})"')
"""A stamp among the bytes of an answer, for who decodes nothing."""


def stamp() -> bytes:
    """The moment, as a token's text."""
    return b"%09d" % (monotonic_ns() // 1000 % _ROUND)


def since(stamped: str | bytes) -> float:
    """Seconds that a stamp's text was under way."""
    return (monotonic_ns() // 1000 - int(stamped)) % _ROUND / 1e6


@cache
def unstamped(family: str) -> tuple[bytes, bytes]:
    """What stands before and after the stamp in a family's token event, as a chunk of an HTTP body."""
    answer = ANSWERS[family]
    filled = chunked(answer.tokens[0].replace(answer.word, b"0" * 9))
    before, _, after = filled.partition(b'"' + b"0" * 9 + b'"')
    return before + b'"', b'"' + after
