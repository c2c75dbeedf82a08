"""Credentials out of what was recorded, by the places that they stand in.

**Headers and queries by an allow-list.** What is not known to be harmless is not written, not even its name.

**Texts and bodies** by three rules, the first of which is certain:

1. *What was sent as a credential* is known: the values of the request's headers that authorize, and of every
   header whose value hides itself. It is masked wherever it stands, in the request and in what came back, and in
   the guises in which servers quote: percent-encoded, escaped as JSON may (RFC 8259, section 7), hexadecimal, base64.
2. *Fields whose name says so*: ``api_key``, ``authorization_token``, ``client_secret``, ``password`` and the like
   have their string masked, in JSON and in JSON that is text inside JSON, twice too (as what a tool gave often
   is), and in the queries of URLs, where what signs them is masked as well.
3. *Forms that nothing else has*: Databricks' tokens, JSON web tokens, vendors' keys, private keys in PEM (RFC
   7468), what follows ``Bearer``, and passwords in URLs.

A mask is one asterisk for each byte. So lengths and the places of the reads stay what they were, and JSON stays JSON.

What is told in pieces is not found: a credential that a model says is spread over its deltas, and no rule sees it.
"""

from __future__ import annotations

import base64
import binascii
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from gateway_stream.net.hidden import Hidden

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Mask", "kept_query", "kept_request_headers", "kept_response_headers"]

_REQUEST_HEADERS: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "anthropic-beta",
        "anthropic-version",
        "content-type",
        "openai-beta",
        "user-agent",
    }
)
_RESPONSE_HEADERS: Final = frozenset(
    {
        "apim-request-id",
        "cache-control",
        "cf-ray",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "date",
        "openai-processing-ms",
        "openai-version",
        "request-id",
        "retry-after",
        "retry-after-ms",
        "server",
        "transfer-encoding",
        "via",
        "x-amzn-error-type",
        "x-amzn-errortype",
        "x-amzn-requestid",
        "x-correlation-id",
        "x-databricks-request-id",
        "x-envoy-upstream-service-time",
        "x-goog-request-id",
        "x-ms-region",
        "x-ms-request-id",
        "x-request-id",
        "x-should-retry",
    }
)
_LIMITS: Final = re.compile(
    r"(?:x-|anthropic-)?ratelimit-[a-z-]*(?:limit|remaining|reset|policy)[a-z-]*"
)
_QUERY: Final = frozenset({"alt", "api-version", "o"})

_SECRET_NAMES: Final = (
    *("accesskey", "accesskeyid", "accesstoken", "actortoken", "apikey", "apitoken", "assertion"),
    *("authkey", "authorization", "authorizationtoken", "authtoken", "bearertoken", "clientsecret"),
    *("codeverifier", "cookie", "credential", "credentials", "devicecode", "functionskey"),
    *("gatewaytoken", "idtoken", "managementtoken", "passphrase", "passwd", "password"),
    *("privatekey", "privatetoken", "refreshtoken", "sastoken", "secret", "secretkey"),
    *("securitytoken", "sessiontoken", "subjecttoken", "subscriptionkey", "vaulttoken"),
)
"""How the names of fields and headers end that hold a credential, without what joins their words.

``token`` alone is not among them: log probabilities have it, for a piece of text.
"""
_OF_HEADERS: Final = ("key", "token")
"""How the names of more headers end: these hold no pieces of text."""
_OF_QUERIES: Final = ("key", "sig", "signature", "token")
"""How the names of more parameters end, those that sign a URL among them."""
_JOINTS: Final = re.compile(r"[-_. ]")
_BETWEEN: Final = re.compile(r"[\s;,]+")
_LEAST: Final = 8
"""Characters of a credential; what is shorter may be a word of any text."""


def _field(depth: int) -> re.Pattern[bytes]:
    """A pattern of a field in JSON that is text inside JSON, so many times.

    Each time doubles the backslashes and puts one more before each quote. So there are ``2 ** depth - 1`` of them
    before a quote that begins or ends a string. Before one inside of it there are as many more as a backslash of the
    text is written with.
    """
    before = 2**depth - 1
    quote = rb'(?<!\\)\\{%d}"' % before
    doubled = rb"(?:\\{%d})*" % (2 * (before + 1))
    inner = rb'(?:[^"\\]|\\+[^"\\]|%s\\{%d}")' % (doubled, 2 * before + 1)
    named = rb"%s(?P<name>[\w. -]{2,64})%s" % (quote, quote.removeprefix(rb"(?<!\\)"))
    return re.compile(rb"%s\s*:\s*%s(?P<value>(?:%s)++%s)" % (named, quote, inner, doubled))


_FIELDS: Final = tuple(_field(depth) for depth in range(3))
_PARAMETER: Final = re.compile(
    rb"""(?:[?&]|&amp;|\\u0026)(?P<name>[\w.-]{2,64})=(?P<value>[^\s&;"'<>#\\]{8,})"""
)
_BEGINS: Final = (
    rb"(?:(?<![\w+/.-])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f][0-9A-Fa-f])|(?<=\\u[0-9A-Fa-f]{4}))"
)
_FORMS: Final = re.compile(
    _BEGINS
    + rb"(?:"
    + rb"|".join(
        (
            rb"(?:dapi|dkea|dose)[0-9a-f]{16,}(?:-[0-9]+)?",
            rb"eyJ[\w-]{6,}\.eyJ[\w-]{6,}(?:\.[\w-]*)?",
            rb"(?:sk|rk|gsk|xai|hf|pplx|nvapi|r8)[-_](?=[\w-]{0,40}[0-9])[\w-]{20,}",
            rb"(?:gh[opsu]|github_pat)_\w{20,}",
            rb"AIza[\w-]{30,}",
            rb"ya29\.[\w.-]{20,}",
            rb"(?:AKIA|ASIA)[0-9A-Z]{16}",
            rb"xox[a-z]-[\w-]{10,}",
            rb"glpat-[\w-]{20,}",
        )
    )
    + rb")"
    + rb"|(?i:bearer|basic)\s+(?=[^\s\"\\]{0,40}[0-9])(?P<behind>[\w.~+/=-]{8,})"
    + rb"|-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----(?P<pem>(?:[\w+/=\s]|\\+[nr/])+)"
    + rb"|://[^\s/@:\"\\]{0,128}:(?P<password>[^\s/@\"\\]{1,256})(?=@)"
)


def kept_request_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a request that tell how it was made, by lower-case name."""
    named = {name.lower(): str(value) for name, value in headers.items()}
    return {name: named[name] for name in named if name in _REQUEST_HEADERS}


def kept_response_headers(headers: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The lines of a response's head that tell of the answer, its limits and its way."""
    for name, value in headers:
        if name.lower() in _RESPONSE_HEADERS or _LIMITS.fullmatch(name.lower()):
            yield name, value


def kept_query(query: str) -> str:
    """Those parameters of a URL's query that tell how was asked."""
    return "&".join(part for part in query.split("&") if part.partition("=")[0] in _QUERY)


class Mask:
    """What hides the credentials of one request, in it and in what it was answered.

    Args:
        headers: the request's headers, all of them.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        secrets = {
            secret
            for name, value in headers.items()
            if isinstance(value, Hidden) or _says_so(name, _OF_HEADERS)
            for secret in _credentials(value)
        }
        self._sent = [re.compile(_guises(secret)) for secret in sorted(secrets, key=len)[::-1]]

    def __repr__(self) -> str:
        return f"Mask({len(self._sent)})"

    def bytes(self, body: bytes) -> bytes:
        """A body of the same length, with an asterisk for each byte of a credential."""
        for pattern in (*self._sent, _FORMS):
            body = pattern.sub(_starred, body)
        for pattern in _FIELDS:
            body = pattern.sub(_starred_field, body)
        return _PARAMETER.sub(_starred_parameter, body)

    def text(self, text: str) -> str:
        """The same of a text."""
        return self.bytes(text.encode("utf-8", "replace")).decode("utf-8", "replace")


def _says_so(name: str, more: tuple[str, ...] = ()) -> bool:
    """Whether what has this name holds a credential; ``more`` are further endings."""
    return _JOINTS.sub("", name).lower().endswith((*_SECRET_NAMES, *more))


def _credentials(value: str) -> Iterator[str]:
    """What a header's value holds that is secret: the whole, what follows a scheme, and each of its words."""
    value = str(value).strip()
    scheme, _, behind = value.rpartition(" ")
    whole = value if _BETWEEN.search(scheme) else behind
    words = _BETWEEN.split(whole)
    pairs = [word.partition("=")[2] for word in words]
    for secret in {whole, *words, *pairs, *_password(scheme, behind)}:
        if len(secret) >= _LEAST:
            yield secret


def _password(scheme: str, pair: str) -> Iterator[str]:
    """The password of Basic authentication."""
    if scheme.lower() == "basic":
        with suppress(binascii.Error, UnicodeDecodeError):
            yield base64.b64decode(pair, validate=True).decode().partition(":")[2]


def _guises(secret: str) -> bytes:
    """A pattern of the forms in which a server may quote ``secret``."""
    plain = secret.encode("utf-8", "surrogateescape")
    forms = [b"".join(map(_char, plain)), b"(?i:%s)" % plain.hex().encode()]
    for shift in range(3):
        # Its ends depend on what stands beside the secret, so they are masked unseen.
        inner = re.escape(base64.b64encode(b"\0" * shift + plain)[4:-4])
        if len(inner) >= _LEAST:
            inner = inner.replace(rb"\+", rb"[+-]").replace(rb"/", rb"[/_]")
            forms.append(rb"[\w+/-]{0,4}%s[\w+/=-]{0,4}" % inner)
    return b"|".join(forms)


def _char(byte: int) -> bytes:
    """A pattern of one byte, as it is or escaped; what is a letter or a digit nobody escapes."""
    one = bytes([byte])
    if one.isalnum():
        return one
    return rb"(?:\\*%s|\\+u00(?i:%02x)|%%(?i:%02x))" % (re.escape(one), byte, byte)


def _starred(found: re.Match[bytes]) -> bytes:
    """Asterisks for what a pattern's group holds, or for all that it found."""
    whole = found[0]
    for name, text in found.groupdict().items():
        if text is not None:
            return _within(found, name)
    return b"*" * len(whole)


def _starred_field(found: re.Match[bytes]) -> bytes:
    return _within(found, "value") if _says_so(found["name"].decode()) else found[0]


def _starred_parameter(found: re.Match[bytes]) -> bytes:
    said = _says_so(found["name"].decode("latin-1"), _OF_QUERIES)
    return _within(found, "value") if said else found[0]


def _within(found: re.Match[bytes], group: str) -> bytes:
    start, end = (place - found.start() for place in found.span(group))
    return found[0][:start] + b"*" * (end - start) + found[0][end:]
