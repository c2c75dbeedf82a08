"""The text of an error, fit to be shown: one line, bounded, readable, and without secrets.

What an error body holds was written by others and goes into logs and on screens, so every text that
leaves this module has no line break and no control character, is at most `LIMIT` characters long,
and has everything that has the form of a credential replaced by ``[secret]``. A page for people
gives its ``<pre>``, else its ``<title>``, else its ``<h1>``, else its text without tags.

Time is linear in the input: no pattern here can look twice at the same stretch of text.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["LIMIT", "is_page", "one_line", "page_text", "readable"]

LIMIT: Final = 2000
"""Characters that a message may have."""

# Not compiled here, because that is dear for an import: `re` does it at the first use.
_CREDENTIAL: Final = (
    r"\bBearer\s+(?!token|auth|realm|error|scheme|credential)[\w.~+/=-]{8,}"
    r"|\b(?:dapi|dkea|dose)[0-9a-zA-Z]{8,}(?:-[0-9]+)?"  # Databricks: tokens, OAuth secrets
    r"|\bBasic\s+(?!auth)[A-Za-z0-9+/]{16,}={0,2}"
    r"|\bsk-[\w-]{6,}"
    r"|\b(?:sk|rk|pk|gsk|xai|hf|pplx|ghp|gho|github_pat|csk|nvapi|r8)[-_](?=[\w-]{0,40}\d)[\w-]{16,}"
    r"|\bAIza[\w-]{10,}"
    r"|\bya29\.[\w.-]{10,}"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{12,}"
    r"|\beyJ[\w-]{6,}\.[\w-]{4,}(?:\.[\w-]*)?"  # JSON web tokens
    r"|(?<=://)[^\s/@:]{1,128}:[^\s/@]{1,256}(?=@)"  # user:password@host
    r"|\b(?:access_token|refresh_token|client_secret|api[_-]?key|password|token)"
    r"(?:=|[\"']\s{0,4}:\s{0,4}[\"'])[^\s\"'&,;<>]{6,}"
)
_UNPRINTABLE: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+"
)
_LONE_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_TAG: Final = re.compile(r"<[^<>]*>")
_HIDDEN: Final = ("script", "style")
_SPEAKING: Final = ("pre", "title", "h1")
_PAGE: Final = re.compile(
    r"\s*(?:<!--[^<>]*-->\s*)*<(?:!doctype|[a-z][a-z0-9]*[\s/>])", re.IGNORECASE
)
_PAGE_LIMIT: Final = 16_384
_BINARY_SHARE: Final = 0.1


def one_line(text: str, limit: int = LIMIT) -> str:
    """``text`` on one line of at most ``limit`` characters, credentials masked."""
    text = _UNPRINTABLE.sub(" ", text[: 4 * limit])
    text = _LONE_SURROGATE.sub("\ufffd", text)
    text = re.sub(_CREDENTIAL, "[secret]", " ".join(text.split()), flags=re.IGNORECASE)
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def readable(body: bytes) -> str:
    """``body`` as text; empty if it is none, such as compressed bytes or an image."""
    text = body.decode("utf-8", "replace")
    odd = sum(map(text.count, ("\ufffd", "\x00", "\x01", "\x02", "\x03", "\x04", "\x08", "\x1f")))
    return "" if odd > _BINARY_SHARE * len(text) else text


def is_page(text: str) -> bool:
    """Whether ``text`` begins as markup for people does."""
    return _PAGE.match(text[:_PAGE_LIMIT]) is not None


def page_text(text: str) -> str:
    """What a page says, tags and entities resolved."""
    text = text[:_PAGE_LIMIT]
    small = text.lower()
    for name in _SPEAKING:
        inside = _element(text, small, name)
        if inside:
            return inside
    for name in _HIDDEN:
        begin = small.find(f"<{name}")
        if begin >= 0:
            end = small.rfind(f"</{name}>")
            text = text[:begin] + " " + text[max(end, begin) :]
            small = text.lower()
    return _plain(text)


def _element(text: str, small: str, name: str) -> str:
    """The text of the first element of that name."""
    begin = small.find(f"<{name}")
    begin = small.find(">", begin) + 1 if begin >= 0 else 0
    if not begin:
        return ""
    end = small.find(f"</{name}", begin)
    return _plain(text[begin : end if end >= 0 else len(text)])


def _plain(markup: str) -> str:
    import html  # noqa: PLC0415  a large table, and few errors are pages

    return " ".join(html.unescape(_TAG.sub(" ", markup)).split())
