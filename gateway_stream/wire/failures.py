"""One reading of every error shape, for a gateway answers in its own and in its upstreams' words.

Any of the four families may meet any of the shapes on any route, so there is one reader for all. It
goes in four steps, each a module: the bytes are told apart (`failure_bodies`), what the layers of
the error say is gathered (`failure_layers`), tables say what kind of failure that is
(`failure_words`, `failure_kinds`) and what to do about it (`failure_hints`), and the wait is worked
out (`retry_after`). Nothing here raises, and all of it is linear in the bytes, of which at most
64 KiB are looked at.

The status of a `Failure` is the response's. Inside a stream, which began with 200, and for an error
under a 2xx, it is the one that the body names, or that its words stand for, or none. Whether to
retry is decided by the kind, unless the header ``x-should-retry`` decides it. A gateway may name the
word in a header (``x-amzn-errortype``); the body's words are more specific. The wait is stated by
the first of: ``retry-after-ms``, ``retry-after``, RetryInfo and its like in the body, the message,
the headers of the upstream's answer, and for limits the reset of one that is used up. The request
id is the first of: the gateway's header, the outermost in the body.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gateway_stream.events import Failure
from gateway_stream.partial_json import read_partial
from gateway_stream.wire.failure_bodies import is_error, read_body, read_error
from gateway_stream.wire.failure_hints import LOGIN_PAGE, OTHER_PAGE, choose_hint
from gateway_stream.wire.failure_kinds import classify
from gateway_stream.wire.failure_layers import Report, read_layers
from gateway_stream.wire.failure_text import is_page, one_line, page_text, readable
from gateway_stream.wire.failure_words import judged_status
from gateway_stream.wire.json_sequence import JsonSequence
from gateway_stream.wire.json_text import compact, read_tree
from gateway_stream.wire.loose_json import NOTHING, loose_tree
from gateway_stream.wire.retry_after import clock, header_wait, reset_wait, text_wait

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway_stream.events import FailureKind
    from gateway_stream.wire.failure_kinds import Verdict

__all__ = [
    "is_cut",
    "named_error",
    "read_failure",
    "read_page",
    "read_stray",
    "read_stream_failure",
    "read_text",
]

_BODY: Final = 65_536
_CODE: Final = 200
_REQUEST_IDS: Final = (
    "x-request-id",
    "request-id",
    "x-databricks-request-id",
    "apim-request-id",
    "x-ms-request-id",
    "x-amzn-requestid",
    "x-goog-request-id",
    "x-correlation-id",
    "cf-ray",
)
_ERROR_TYPES: Final = ("x-amzn-errortype", "x-amzn-error-type")
_UNREGISTERED: Final = {499: "Client Closed Request", 529: "Overloaded"}
_LOGIN: Final = re.compile(
    r"\b(?:log[ _-]?in|sign[ _-]?in|sso|saml|oauth2?|oidc|aad/auth|authorize)\b"
)
_PRIVATE_LINK: Final = "private-link-validation-error"
_STRAY_JSON: Final = re.compile(rb"^[ \t]*[{\[]", re.MULTILINE)
_STRAY_ERROR: Final = re.compile(rb"^error[ \t]*:", re.MULTILINE | re.IGNORECASE)


def read_failure(
    status: int, headers: Mapping[str, str], body: bytes, *, now: float | None = None
) -> Failure:
    """What a response that is no answer says.

    Args:
        status: the response's status.
        headers: its headers; names in any case.
        body: its body, or the beginning of it.
        now: seconds since 1970, for waits given as a date in a response without a ``Date``.
    """
    body = body[:_BODY]
    known = {str(name).lower(): str(value) for name, value in headers.items()}
    if 300 <= status < 400:  # noqa: PLR2004  the redirects
        return _redirected(status, known)
    failed = status >= 400  # noqa: PLR2004  the errors
    if not failed and is_page(readable(body)):
        return _paged(body, _header_id(known))
    report = read_body(body)
    report.words[:0] = filter(None, [_named_by_header(known)])
    return _failure(report, "response", status if failed else None, known, now)


def read_stream_failure(data: bytes) -> Failure | None:
    """What a JSON value inside a stream says, if it is an error; ``None`` if it is none."""
    try:
        tree = read_tree(data)
    except ValueError:
        return None
    return _failure(read_error(tree), "stream") if is_error(tree) else None


def named_error(data: bytes) -> bytes:
    """JSON that `read_stream_failure` takes for an error, of what a frame named ``error`` holds.

    The data itself where that is so already; else it is put into one, JSON or plain text.
    """
    if read_stream_failure(data) is not None:
        return data
    text = data.decode("utf-8", "replace").strip()
    tree = loose_tree(text[:_BODY])
    if is_error(tree):
        return compact(tree).encode()
    says = isinstance(tree, dict | list) and read_error(tree).message
    return compact({"type": "error", "error": tree if says else text[:_BODY]}).encode()


def read_stray(lines: bytes) -> Failure | None:
    """What lines that are no SSE field say, if they are an error.

    They are one if they hold JSON that is one, even if it is cut, or a field named ``error``.
    Any other text, such as a proxy's remark, is none by itself: the stream's own end tells whether
    the answer is whole.
    """
    lines = lines[:_BODY]
    named = _STRAY_ERROR.search(lines)
    bare = _STRAY_JSON.search(lines)
    if named and not (bare and bare.start() < named.start()):
        report = Report()
        read_layers(lines[named.end() :].decode("utf-8", "replace"), report)
        return _failure(report, "stream")
    if not bare:
        return None
    tree = loose_tree(lines[bare.start() :].decode("utf-8", "replace").strip())
    return _failure(read_error(tree), "stream") if tree is not NOTHING and is_error(tree) else None


def is_cut(lines: bytes) -> bool:
    """Whether lines that are no SSE field end inside a JSON object, or an array of such."""
    bare = _STRAY_JSON.search(lines)
    if bare is None:
        return False
    values = JsonSequence(limit=len(lines))
    for _ in values.feed(lines[bare.start() :]):
        pass
    if values.broken or not values.unfinished:
        return False
    try:
        read_partial(values.open[:_BODY].decode("utf-8", "replace"))
    except ValueError:
        return False
    return True


def read_text(body: bytes) -> Failure:
    """What text says that is all there is where an answer was expected."""
    text = readable(body[:_BODY])
    report = Report()
    read_layers(text, report)
    failure = _failure(report, "response")
    if failure.kind != "protocol":
        return failure
    what = "text" if text else "bytes that are no text"
    said = f": {one_line(text)}" if text else ""
    return Failure(
        kind="gateway_unavailable",
        message=f"{what} came where an answer was expected{said}",
        phase="response",
        retryable=True,
        hint=OTHER_PAGE,
    )


def read_page(head: bytes) -> Failure:
    """What a page for people says, ``head`` its first bytes, where an answer was expected."""
    return _paged(head, None)


def _failure(
    report: Report,
    phase: str,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    now: float | None = None,
) -> Failure:
    """Put together what was read."""
    headers = headers or {}
    words = [*reversed(report.words), *report.marks]
    text = "\n".join([*map(one_line, report.texts), *words])
    judged = judged_status(status, report.status, words)
    wait = _stated_wait(report, headers, now)
    in_stream = status is None and (phase == "stream" or judged is not None)
    verdict = classify(judged, words, text, waits=wait is not None, in_stream=in_stream)
    if wait is None and verdict.kind == "rate_limited":
        wait = _reset_wait(report, headers, now)
    retryable = _should_retry(headers, verdict)
    return Failure(
        kind=verdict.kind,
        message=one_line(report.message) or _phrase(status or judged, report.code),
        code=one_line(report.code or "", _CODE) or None,
        status=status or report.status or judged,
        request_id=_header_id(headers) or one_line(report.request_id or "", _CODE) or None,
        phase=phase,
        retryable=retryable,
        retry_after=wait,
        hint=choose_hint(verdict.kind, status or judged, text, retryable=retryable),
    )


def _stated_wait(report: Report, headers: Mapping[str, str], now: float | None) -> float | None:
    """The wait by headers, then by the body."""
    now = clock(headers, now)
    wait = header_wait(headers, now)
    if wait is None:
        wait = report.delay
    for text in reversed(report.texts):
        wait = text_wait(one_line(text)) if wait is None else wait
    return header_wait(report.headers, clock(report.headers, now)) if wait is None else wait


def _reset_wait(report: Report, headers: Mapping[str, str], now: float | None) -> float | None:
    now = clock(headers, now)
    wait = reset_wait(headers, now)
    return reset_wait(report.headers, clock(report.headers, now)) if wait is None else wait


def _should_retry(headers: Mapping[str, str], verdict: Verdict) -> bool:
    asked = headers.get("x-should-retry", "").strip().lower()
    return asked == "true" if asked in ("true", "false") else verdict.retryable


def _named_by_header(headers: Mapping[str, str]) -> str:
    """The word of an error that a header names: what stands before the address of its definition."""
    named = next((headers[name] for name in _ERROR_TYPES if headers.get(name)), "")
    return named.partition(":")[0].strip()


def _header_id(headers: Mapping[str, str]) -> str | None:
    found = next((headers[name] for name in _REQUEST_IDS if headers.get(name, "").strip()), "")
    return one_line(found, _CODE) or None


def _phrase(status: int | None, code: str | None) -> str:
    """What an error without a message says: its status in words, else its code."""
    if status is None:
        return one_line(code or "") or "an error without a message"
    from http import HTTPStatus  # noqa: PLC0415  of little use to answers

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return _UNREGISTERED.get(status, f"status {status}")


def _redirected(status: int, headers: Mapping[str, str]) -> Failure:
    """A redirect: to a login, which asks for other credentials, or to another address."""
    location = headers.get("location", "").strip()
    place = one_line(location.partition("?")[0].partition("#")[0], _CODE)
    phrase = _phrase(status, None)
    message = (
        f"the gateway answers {phrase} to {place}" if place else f"the gateway answers {phrase}"
    )
    unlinked = _PRIVATE_LINK in location
    login = not place or _LOGIN.search(location.lower()) is not None
    kind: FailureKind = "access_denied" if unlinked else "auth" if login else "config"
    return Failure(
        kind=kind,
        message=message,
        code=_PRIVATE_LINK if unlinked else None,
        status=status,
        request_id=_header_id(headers),
        phase="response",
        retryable=False,
        hint=choose_hint(kind, status, location, retryable=False),
    )


def _paged(head: bytes, request_id: str | None) -> Failure:
    """A page under a status of success: a login, or whatever stands in front of the gateway."""
    text = head[:_BODY].decode("utf-8", "replace")
    said = one_line(page_text(text), _CODE)
    login = _LOGIN.search(text.lower()) is not None
    what = "a login page" if login else "a page for people"
    return Failure(
        kind="auth" if login else "gateway_unavailable",
        message=f"{what} came where an answer was expected" + (f": {said}" if said else ""),
        request_id=request_id,
        phase="response",
        retryable=not login,
        hint=LOGIN_PAGE if login else OTHER_PAGE,
    )
