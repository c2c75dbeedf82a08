r"""Halves of surrogate pairs, which JSON's ``\u`` escapes can leave alone in a string.

A vendor that cuts its text into deltas by UTF-16 units writes the two halves of a character such as
an emoji into two frames. Together they are a character; alone a half is none, cannot be written as
UTF-8, and becomes U+FFFD.
"""

from __future__ import annotations

__all__ = ["pair_up", "split_half"]


def pair_up(text: str) -> str:
    """The text with its pairs joined and its lone halves replaced by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def split_half(text: str) -> tuple[str, str]:
    """The text without the first half at its end, and that half, which may get its second yet."""
    if text and "\ud800" <= text[-1] <= "\udbff":
        return text[:-1], text[-1]
    return text, ""
