"""Requests as nobody should send them: each is read or refused, and what was read can be written."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.errors import BadRequest
from gateway_stream.request import Request
from gateway_stream.testing.requests import make_request
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.json_text import DEPTH_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator

Tree = dict[str, Any]
_VALUES: tuple[Any, ...] = (
    *(None, "", "x", "\ud83d", [], {}, 0, -1, 1.5, 10**30, True),
    *([None], [{}], ["x"], [[]], {"a": 1}, {"type": "text", "text": {}}, {"\ud83d": "x"}),
)


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every member and entry of a tree: what holds it, and where."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for place, value in inner:
        yield tree, place
        if isinstance(value, dict | list):
            yield from _places(value)


def _spoilt(random: Random, body: Tree) -> Tree:
    """A body with a few of its values replaced, or said under another name."""
    body = deepcopy(body)
    for _ in range(random.randrange(1, 4)):
        holder, place = random.choice(list(_places(body)))
        if isinstance(holder, dict) and random.random() < 0.2:
            holder[random.choice(("text", "type", "unknown", "content"))] = holder.pop(place)
        else:
            holder[place] = deepcopy(random.choice(_VALUES))
    return body


def _read(name: str, body: Tree) -> Request:
    return FAMILIES[name].decode_request(body, model="m", stream=False)


@pytest.mark.parametrize("name", FAMILIES)
@given(seed=st.integers(0, 2**32))
def test_a_spoilt_body_is_read_or_refused(name: str, seed: int) -> None:
    random = Random(seed)
    family = FAMILIES[name]
    body = _spoilt(random, family.encode_request(make_request(random), None).body)
    try:
        request = _read(name, body)
    except BadRequest:
        return
    assert msgspec.json.decode(msgspec.json.encode(request), type=Request) == request
    for provider in (None, "openai", "anthropic", "google"):
        msgspec.json.encode(family.encode_request(request, provider).body)


def _nested(depth: int) -> Tree:
    tree: Tree = {}
    for _ in range(depth - 1):
        tree = {"a": tree}
    return tree


@pytest.mark.parametrize("name", FAMILIES)
def test_a_body_that_is_nested_too_deeply_is_refused_wherever_it_is(name: str) -> None:
    asked = make_request(Random(3))
    body = FAMILIES[name].encode_request(asked, None).body
    for at in range(len(list(_places(body)))):
        for depth in (DEPTH_LIMIT - 12, 5_000):
            spoilt = deepcopy(body)
            holder, place = list(_places(spoilt))[at]
            holder[place] = _nested(depth)
            with suppress(BadRequest):
                request = _read(name, spoilt)
                assert depth < DEPTH_LIMIT
                FAMILIES[name].encode_request(request, None)


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_nested_less_deeply_is_kept(name: str) -> None:
    body = FAMILIES[name].encode_request(make_request(Random(3)), None).body
    kept = {"unknown": _nested(DEPTH_LIMIT - 1)}
    assert _read(name, body | kept).extra["unknown"] == kept["unknown"]
    with pytest.raises(BadRequest, match="nested deeper than 256 levels"):
        _read(name, body | {"unknown": _nested(DEPTH_LIMIT)})
