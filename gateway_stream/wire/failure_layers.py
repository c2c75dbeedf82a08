"""What an error body says, whatever its shape, as one `Report`.

A gateway wraps its upstream's answer, which may wrap another, so an error is a chain of *layers*.
Each layer is an object, a list or a text; its own fields are read, then the layer inside it:

- an object: ``error`` (an object, a list or a text), ``external_model_message``, ``response``,
  ``metadata.raw``, ``errors``, ``fault``, ``innererror``, or the ``message`` (``detail``, ...), where
  that is an object, a list, or a text that is or holds JSON;
- a list: its first object that is an error; a list of complaints about fields (``loc``, ``msg``)
  is joined into one text, and is what a 422 says;
- a text: JSON in it, else the text itself. Plain text may begin with ``CODE: ``, or with the status
  that it stands for, ``429: ``, as web frameworks in Python print their own errors.

The innermost text is the message and the innermost word is the code. Within one layer the order of
words is ``error_code``, ``code``, ``type``, ``status``, ``scimType``; a word that is only digits
counts when there is no other. Digits from 400 to 599 are also the status that the layer names, and
again the innermost counts. Request ids are the other way round: the outermost is the gateway's own.

A piece of an answer (a chunk with ``choices``, a ``response`` object...) is a wrapper: of its fields
only ``error`` and the request id are read. An inner object without a message that says what a
guardrail found (``finishReason``, flagged categories) is put into words.

A body that was cut inside its JSON still says what came. Depth, and what is read of lists, is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway_stream.wire.failure_text import is_page, page_text
from gateway_stream.wire.loose_json import NOTHING, loose_tree
from gateway_stream.wire.retry_after import delay

__all__ = ["OF_AN_ANSWER", "Report", "named_status", "read_layers"]

_DEPTH: Final = 10
_ITEMS: Final = 32
_TEXT: Final = 4000

_WORDS: Final = ("error_code", "errorCode", "code", "type", "status", "scimType", "__type")
_STATUSES: Final = ("status_code", "statusCode", "http_status", "httpStatus", "status", "code")
_STATUSES_BY_CODE: Final = ("error_code", "errorCode")
_REQUEST_IDS: Final = ("request_id", "requestId", "RequestId")
_MESSAGES: Final = (
    "message",
    "error_message",
    "errorMessage",
    "error_description",
    "detail",
    "msg",
    "errorSummary",
    "faultstring",
    "Message",
    "title",
    "description",
    "reason",
)
_INSIDE: Final = ("error", "external_model_message", "response", "errors", "fault", "innererror")
_DELAYS: Final = ("retryDelay", "retry_delay", "retry_after", "retryAfter", "retry_after_seconds")
_NO_WORDS: Final = frozenset(
    ("error", "errors", "failed", "response.failed", "none", "null", "true")
)
OF_AN_ANSWER: Final = frozenset(
    (
        "choices",
        "candidates",
        "delta",
        "output",
        "content",
        "content_block",
        "item",
        "part",
        "usage",
    )
)
"""Fields that only a piece of an answer has."""
_FIRST_ERROR_STATUS: Final = 400
_LAST_ERROR_STATUS: Final = 599
_COMPLAINT_STATUS: Final = 422

_CODE_PREFIX: Final = re.compile(r"([A-Z][A-Z0-9_]{2,63}): (?=\S)")
_STATUS_PREFIX: Final = re.compile(r"([45][0-9]{2}): (?=\S)")


class Report:
    """What the layers of one error say."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.words: list[str] = []
        self.marks: list[str] = []
        """Words that classify and are no code: reasons, quota names."""
        self.digits: str | None = None
        self.status: int | None = None
        self.request_id: str | None = None
        self.delay: float | None = None
        self.headers: dict[str, str] = {}
        """Headers of the upstream's answer, names in lower case."""

    @property
    def message(self) -> str:
        """The innermost text."""
        return self.texts[-1] if self.texts else ""

    @property
    def code(self) -> str | None:
        """The innermost word."""
        return self.words[-1] if self.words else self.digits


def read_layers(layer: Any, report: Report) -> None:
    """Put what ``layer`` and the layers inside it say into ``report``."""
    for _ in range(_DEPTH):
        if isinstance(layer, dict):
            layer = _read_object(layer, report)
        elif isinstance(layer, list):
            layer = _read_list(layer, report)
        elif isinstance(layer, str):
            layer = _read_text(layer, report)
        else:
            return


def _read_object(layer: dict[str, Any], report: Report) -> Any:
    """Take an object's own fields; give the layer inside it."""
    report.request_id = report.request_id or next(_texts_of(layer, _REQUEST_IDS), None)
    inside = next((layer[key] for key in _INSIDE if _is_layer(layer.get(key))), None)
    if OF_AN_ANSWER & layer.keys() and (inside is not None or layer.get("error")):
        return layer["error"] if inside is None else inside
    _read_words(layer, report)
    report.status = named_status(layer) or report.status
    _read_details(layer, report)
    message = next((layer[key] for key in _MESSAGES if layer.get(key)), None)
    error = layer.get("error")
    if isinstance(error, str) and error:
        message = _beside(error, message, report) if inside is None else message or error
    raw = _metadata(layer, report)
    if isinstance(message, str) and (inside is not None or raw):
        report.texts.append(message[:_TEXT])
    if message is None and inside is None and not raw:
        return _guardrail(layer, report)
    return inside if inside is not None else raw or _with_complaints(message, layer)


def _beside(error: str, message: Any, report: Report) -> Any:
    """``error`` is a text: the message where there is no other, else a word or a first text."""
    if message is None:
        return error
    if re.fullmatch(r"[\w.-]{1,64}", error):
        report.words.append(error)
    else:
        report.texts.append(error[:_TEXT])
    return message


def _is_layer(value: Any) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _read_words(layer: dict[str, Any], report: Report) -> None:
    words = []
    for key in _WORDS:
        value = layer.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9:
            value = str(value)
        if not isinstance(value, str) or not (value := value.strip()):
            continue
        if value.lstrip("-").isdigit():
            report.digits = value
        elif value.lower() not in _NO_WORDS and "://" not in value and len(value) <= 200:  # noqa: PLR2004
            words.append(value)
    report.marks += words[1:]
    report.words += words[:1]


def named_status(layer: dict[str, Any]) -> int | None:
    """The status of an error that an object names, as a number or as digits."""
    for key in (*_STATUSES, *_STATUSES_BY_CODE):
        value = layer.get(key)
        if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit():  # noqa: PLR2004
            value = int(value)
        if (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and _FIRST_ERROR_STATUS <= value <= _LAST_ERROR_STATUS
        ):
            return int(value)
    return None


def _read_details(layer: dict[str, Any], report: Report) -> None:
    """The google.rpc details: reason, wait, request id, exceeded quotas; and waits beside them."""
    entries = [layer]
    for key in ("details", "errors"):
        listed = layer.get(key)
        if isinstance(listed, list):
            entries += [entry for entry in listed[:_ITEMS] if isinstance(entry, dict)]
    for entry in entries:
        for key in _DELAYS:
            stated = delay(entry.get(key))
            if stated is not None:
                report.delay = stated
        if entry is layer:
            continue
        report.request_id = report.request_id or next(_texts_of(entry, _REQUEST_IDS), None)
        report.marks += list(_texts_of(entry, ("reason",)))
        violations = entry.get("violations")
        if isinstance(violations, list):
            for violation in violations[:_ITEMS]:
                if isinstance(violation, dict):
                    report.marks += list(_texts_of(violation, ("quotaId", "quotaMetric")))


def _metadata(layer: dict[str, Any], report: Report) -> Any:
    """``metadata.raw`` is the upstream's answer, ``metadata.headers`` are its headers."""
    metadata = layer.get("metadata")
    if not isinstance(metadata, dict):
        return None
    headers = metadata.get("headers")
    if isinstance(headers, Mapping):
        for name, value in headers.items():
            if isinstance(value, str | int | float):
                report.headers[str(name).lower()] = str(value)
    raw = metadata.get("raw")
    return raw if _is_layer(raw) or (isinstance(raw, str) and raw.strip()) else None


def _with_complaints(message: Any, layer: dict[str, Any]) -> Any:
    """The message, and what ``details`` complains of field by field."""
    complaints = _complaints(layer.get("details"))
    return f"{message}: {complaints}" if complaints and isinstance(message, str) else message


def _guardrail(layer: dict[str, Any], report: Report) -> None:
    """What a guardrail found, in words: it sends no message."""
    reason = layer.get("finishReason")
    if not isinstance(reason, str) or not reason:
        return
    report.marks.append(reason)
    flagged = [
        name
        for key, findings in layer.items()
        if key.endswith("_guardrail") and isinstance(findings, list)
        for finding in findings[:_ITEMS]
        if isinstance(finding, dict) and isinstance(finding.get("categories"), dict)
        for name, found in finding["categories"].items()
        if found is True
    ]
    text = reason.replace("_", " ")
    report.texts.append(f"{text}: {', '.join(flagged)}" if flagged else text)


def _read_list(layer: list[Any], report: Report) -> Any:
    complaints = _complaints(layer)
    if complaints:
        report.status = report.status or _COMPLAINT_STATUS
        report.texts.append(complaints)
        return None
    objects = [item for item in layer[:_ITEMS] if isinstance(item, dict)]
    texts = [item for item in layer[:_ITEMS] if isinstance(item, str)]
    speaking = [item for item in objects if item.get("error")] + list(filter(_speaks, objects))
    return next(iter([*speaking, *objects, *texts]), None)


def _complaints(listed: Any) -> str:
    """``[{"loc": ["body", "x"], "msg": "..."}]`` as one text."""
    if not isinstance(listed, list):
        return ""
    return "; ".join(
        f"{'.'.join(map(str, entry['loc'][:8]))}: {entry['msg']}"
        for entry in listed[:3]
        if isinstance(entry, dict)
        and isinstance(entry.get("loc"), list)
        and isinstance(entry.get("msg"), str)
    )


def _read_text(layer: str, report: Report) -> Any:
    """JSON in a text is the next layer; the text is the message otherwise."""
    text = layer.strip()
    begins = text.find("{")
    tree = loose_tree(text)
    if tree is NOTHING and begins >= 0:
        tree = loose_tree(text[begins:])
    if isinstance(tree, str) and tree.strip():
        return tree
    if _speaks(tree):
        if begins > 0 and not text.startswith("["):
            report.texts.append(text[:begins].strip(" :-"))
        return tree
    if is_page(text):
        text = page_text(text)
    named = _STATUS_PREFIX.match(text)
    if named:
        report.status = int(named[1])
        text = text[named.end() :]
    prefix = _CODE_PREFIX.match(text)
    if prefix and not report.words:
        report.words.append(prefix.group(1))
        text = text[prefix.end() :]
    if text:
        report.texts.append(text[:_TEXT])
    return None


def _speaks(tree: Any) -> bool:
    """Whether JSON found in a text is a layer, and not an example that the text quotes."""
    if isinstance(tree, list):
        return any(map(_speaks, (item for item in tree[:_ITEMS] if isinstance(item, dict))))
    return isinstance(tree, dict) and any(
        key in tree for key in (*_INSIDE, *_MESSAGES[:6], "error_code", "finishReason")
    )


def _texts_of(layer: dict[str, Any], keys: tuple[str, ...]) -> Iterator[str]:
    for key in keys:
        value = layer.get(key)
        if isinstance(value, str) and value.strip():
            yield value.strip()
