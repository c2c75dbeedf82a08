"""Which bytes are an error, and in what form they came.

A response that is no answer always is one, and may be JSON (whole, cut, or with text after it),
server-sent events, a page, plain text, nothing, or bytes that are no text, whatever its content type
says. A JSON value inside a stream is one only if it has the shape of one; an answer has fields of
the same names (``"error": null``, a ``message`` object), and those are no errors.
"""

from __future__ import annotations

import re
from typing import Any, Final

from gateway_stream.wire.failure_layers import OF_AN_ANSWER, Report, named_status, read_layers
from gateway_stream.wire.failure_text import is_page, page_text, readable
from gateway_stream.wire.loose_json import NOTHING, loose_tree
from gateway_stream.wire.sse import FrameDecoder

__all__ = ["is_error", "read_body", "read_error"]

_ITEMS: Final = 32
_FRAME: Final = re.compile(rb"(?:event|data|id|retry)? ?:")


def is_error(tree: Any) -> bool:
    """Whether a JSON value of a stream is, or carries, an error of the whole answer."""
    if isinstance(tree, list):
        return any(is_error(item) for item in tree[:_ITEMS] if isinstance(item, dict))
    if not isinstance(tree, dict):
        return False
    error = tree.get("error")
    if (any(error.values()) if isinstance(error, dict) else error) or tree.get("error_code"):
        return True
    if tree.get("type") in ("error", "response.failed") or tree.get("object") == "error":
        return True
    response = tree if tree.get("object") == "response" else tree.get("response")
    if isinstance(response, dict):
        return bool(response.get("error")) or response.get("status") == "failed"
    return "type" not in tree and not OF_AN_ANSWER & tree.keys() and _is_bare_error(tree)


def _is_bare_error(tree: dict[str, Any]) -> bool:
    """``{"detail": ...}``, or a text message beside a code or a status of an error."""
    if tree.get("detail") and isinstance(tree["detail"], str | list | dict):
        return True
    if not isinstance(tree.get("message"), str):
        return False
    code = tree.get("code")
    return named_status(tree) is not None or (isinstance(code, str) and bool(code.strip()))


def read_error(tree: Any) -> Report:
    """What a JSON value that is an error says; of a list, its first error."""
    report = Report()
    if isinstance(tree, list):
        tree = next((item for item in tree[:_ITEMS] if is_error(item)), tree)
    read_layers(tree, report)
    return report


def read_body(body: bytes) -> Report:
    """What the body of a response that is no answer says, in whatever form it is."""
    text = readable(body).removeprefix("\ufeff").strip()
    report = Report()
    if is_page(text):
        report.texts.append(page_text(text))
        return report
    tree = _framed(body) if _FRAME.match(body.lstrip()) else NOTHING
    if tree is NOTHING:
        tree = loose_tree(text)
    read_layers(text if tree is NOTHING else tree, report)
    return report


def _framed(body: bytes) -> Any:
    """The error of a body of server-sent events: its first frame that is one, else its first JSON.

    The data of an event named ``error`` counts as it is when it is no JSON.
    """
    decoder = FrameDecoder(limit=len(body) + 1)
    frames = decoder.feed(body)
    last = decoder.close()
    trees = []
    for frame in [*frames, *([last] if last else [])][:_ITEMS]:
        data = frame.data.decode("utf-8", "replace").strip()
        tree = loose_tree(data)
        if is_error(tree):
            return tree
        if tree is not NOTHING or (frame.event == "error" and data):
            trees.append(data if tree is NOTHING else tree)
    return trees[0] if trees else NOTHING
