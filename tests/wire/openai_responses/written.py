"""What is written of events in this family."""

from __future__ import annotations

import json
from typing import Any

from gateway_stream.events import Event, Start, Stop
from gateway_stream.turn import Turn, fold
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.encoder import Encoder, encode_answer
from tests.support.decoding import decode
from tests.wire.openai_responses.frames import Json, added, body, call, done, message, response

Tree = dict[str, Any]
FAMILY = FAMILIES["openai_responses"]

SEARCH: Json = {
    "id": "ws_1",
    "type": "web_search_call",
    "status": "completed",
    "action": {"type": "search", "query": "sky"},
}
SEALED: Json = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": t} for t in ("Hm.", "So.")],
    "encrypted_content": "gAA/+=",
}
PATCH: Json = {
    "type": "custom_tool_call",
    "id": "ctc_1",
    "call_id": "c3",
    "name": "patch",
    "input": "{x",
}


def frames(*events: Event) -> list[Tree]:
    encoder = Encoder(FAMILY)
    written = [frame for event in events for frame in encoder.encode(event)]
    trees = [json.loads(frame.data) for frame in written]
    assert [frame.event for frame in written] == [tree["type"] for tree in trees]
    assert [tree.pop("sequence_number") for tree in trees] == list(range(len(trees)))
    return trees


def content(*events: Event) -> list[Tree]:
    """The frames between the start and the end of a response."""
    return frames(Start("resp_1"), *events, Stop("end_turn"))[2:-1]


def whole(*events: Event) -> Tree:
    answer = fold([Start("resp_1"), *events])
    assert isinstance(answer, Turn)
    tree: Tree = json.loads(encode_answer(FAMILY, answer))
    return tree


def read_again(*items: Tree) -> list[Event]:
    """The events of a stream with these items, as the vendor streams them."""
    told = [frame for at, item in enumerate(items) for frame in (added(at, item), done(at, item))]
    last = response("completed", *items)
    return decode("openai_responses", body(response("created"), *told, last))


OWN_ITEMS: list[Json] = [
    SEALED,
    SEARCH,
    message("msg_1", "One.", "Two.", status="completed"),
    call("c1", "look", "{}", status="completed"),
    PATCH,
]
OWN = read_again(*OWN_ITEMS)
