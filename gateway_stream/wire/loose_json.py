"""JSON found in texts that were not meant to be only JSON, or not meant to end where they do.

Error bodies are read up to a limit, so their JSON may be cut; proxies write text after it, and
gateways quote it inside messages. What came is worth more than nothing.
"""

from __future__ import annotations

import json
from typing import Any

from gateway_stream.partial_json import NOTHING, read_partial
from gateway_stream.wire.json_text import read_tree

__all__ = ["NOTHING", "loose_tree"]


def loose_tree(text: str) -> Any:
    """The first JSON value of ``text``, also where it is cut or has more text after it.

    `NOTHING` where ``text`` does not begin as an object, a list or a string of JSON.
    """
    if text[:1] not in ("{", "[", '"'):
        return NOTHING
    try:
        return read_tree(text.encode("utf-8", "replace"))
    except ValueError:
        pass
    try:
        return json.JSONDecoder(strict=False).raw_decode(text)[0]
    except (ValueError, RecursionError):
        pass
    try:
        tree, _ = read_partial(text)
    except ValueError:
        return NOTHING
    return tree if isinstance(tree, dict | list) and tree else NOTHING
