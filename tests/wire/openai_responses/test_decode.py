"""Everything else that comes: items without text, counts, oddities."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway_stream.events import BlockStart, Media, Notice, Start, Stop, Usage
from gateway_stream.turn import fold
from tests.support.decoding import decode
from tests.wire.openai_responses.answers import FAMILY, item_id, turn_of
from tests.wire.openai_responses.frames import (
    COUNTS,
    Json,
    added,
    body,
    done,
    message,
    response,
    text_delta,
)


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("web_search_call", "server_tool"),
        ("mcp_list_tools", "server_tool"),
        ("program", "server_tool"),
        ("program_output", "server_result"),
        ("compaction", "other"),
        ("brand_new_call", "server_tool"),
        ("brand_new", "other"),
    ],
)
def test_an_item_without_text_is_kept_whole(type_: str, kind: str) -> None:
    item = f'{{"id":"i", "type":"{type_}", "x":[1.50, null]}}'
    frame = f'{{"type":"response.output_item.done","output_index":0,"item":{item}}}'
    (block,) = turn_of(frame, response("completed")).blocks
    assert block.kind == kind
    assert block.opaque is not None
    assert block.opaque.json == item


def test_counts_are_cumulative_and_the_rest_of_usage_is_kept() -> None:
    usage = COUNTS | {
        "cost": 0.5,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
    }
    turn = turn_of(text_delta(0, "hi"), response("completed", usage=usage))
    assert turn.usage == Usage(input=10, output=5, cache_read=4, cache_write=3, reasoning=2)
    assert json.loads(turn.stop.vendor or "")["usage"] == {"cost": 0.5}


@pytest.mark.parametrize("count", [10, 10.0, "10"])
def test_a_count_may_be_written_in_several_ways(count: Any) -> None:
    turn = turn_of(response("completed", usage={"input_tokens": count, "total_tokens": count}))
    assert (turn.usage, turn.stop.vendor) == (Usage(input=10), None)


@pytest.mark.parametrize("count", [-1, 1.5, True, "", "1e3", "ten", "9" * 5000, 2**63, 1e300, [1]])
def test_what_is_no_count_is_kept_as_it_came(count: Any) -> None:
    turn = turn_of(response("completed", usage={"input_tokens": count, "output_tokens": 5}))
    assert turn.usage == Usage(output=5)
    assert json.loads(turn.stop.vendor or "")["usage"] == {"input_tokens": count}


def test_counts_under_their_chat_names_count_where_the_others_are_missing() -> None:
    usage = {
        "prompt_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 1},
        "completion_tokens": 6,
        "output_tokens": 5,
        "completion_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 15,
    }
    turn = turn_of(response("completed", usage=usage))
    assert turn.usage == Usage(input=10, output=5, cache_read=4, reasoning=2)
    assert json.loads(turn.stop.vendor or "")["usage"] == {
        "prompt_tokens_details": {"audio_tokens": 1},
        "completion_tokens": 6,
    }


def test_a_total_that_is_not_the_sum_is_kept() -> None:
    turn = turn_of(response("completed", usage=COUNTS | {"total_tokens": 99}))
    assert json.loads(turn.stop.vendor or "")["usage"] == {"total_tokens": 99}


def test_the_response_is_told_once_and_without_the_requests_own_words() -> None:
    told = {"service_tier": "auto", "temperature": 1.0, "tools": [{}], "instructions": "Be brief."}
    events = decode(
        FAMILY,
        body(response("created", **told), response("completed", **told | {"service_tier": "flex"})),
    )
    start, stop = events[0], events[-1]
    assert isinstance(start, Start)
    assert isinstance(stop, Stop)
    assert json.loads(start.vendor or "") == {"service_tier": "auto", "temperature": 1.0}
    assert json.loads(stop.vendor or "") == {"service_tier": "flex"}


def test_logprobs_of_a_whole_text_are_kept() -> None:
    item = message("m", "hi")
    item["content"][0]["logprobs"] = [{"token": "hi", "logprob": -0.5}]
    (block,) = turn_of(done(0, item), response("completed")).blocks
    assert json.loads(block.vendor or "") == {"logprobs": [{"token": "hi", "logprob": -0.5}]}


def test_an_image_is_media_by_data_or_by_address() -> None:
    item = {"id": "i", "type": "image_generation_call", "result": "https://a.example/i.png"}
    events = decode(FAMILY, body(done(0, item), response("completed")))
    assert [e for e in events if isinstance(e, Media)] == [Media(0, url="https://a.example/i.png")]


def test_previews_of_items_that_come_whole_are_no_unknown_events() -> None:
    frames: list[Json] = [
        {"type": "response.web_search_call.searching", "output_index": 0},
        {"type": "response.shell_call_output_content.delta", "delta": {"stdout": "x"}},
        {"type": "response.mcp_list_tools.completed", "output_index": 0},
    ]
    assert turn_of(*frames, response("completed")).notices == ()


def test_an_unknown_event_is_told_once_for_each_type() -> None:
    frames: list[Json] = [{"type": "response.moon"}, {"type": "response.moon"}, {"type": "sun"}]
    assert turn_of(*frames, response("completed")).notices == (
        Notice("unknown_event", "response.moon"),
        Notice("unknown_event", "sun"),
    )


def test_fields_of_the_wrong_type_cost_no_text() -> None:
    delta = {"type": "response.output_text.delta", "output_index": "0", "delta": "hi"}
    item = message("m", "hi") | {"annotations": 3, "status": ["?"]}
    item["content"][0] |= {"annotations": {"a": 1}, "logprobs": 7}
    turn = turn_of(delta, done(0, item), response("completed", usage=[1]))
    assert turn.text == "hi"


def test_half_a_pair_in_a_whole_item_costs_one_character() -> None:
    frame = json.dumps(done(0, message("m", "hi \ud83d")))
    turn = turn_of(frame, response("completed"))
    assert turn.text == "hi \ufffd"
    assert [item_id(block) for block in turn.blocks] == ["m"]


def test_the_first_part_of_a_message_has_what_the_message_says() -> None:
    item = message("m", "a", "b", phase="commentary", status="completed", agent="x")
    first, second = (
        json.loads(block.opaque.json) if block.opaque else {}
        for block in turn_of(done(0, item), response("completed")).blocks
    )
    assert first.keys() - second.keys() == {"agent"}
    assert (second["id"], second["phase"]) == ("m", "commentary")


def test_a_message_without_content_still_gives_its_id_back() -> None:
    (block,) = turn_of(done(0, message("m")), response("completed")).blocks
    assert item_id(block) == "m"


def test_a_part_that_nothing_here_knows_is_kept_whole() -> None:
    part = {"type": "output_audio", "data": "AAA="}
    events = decode(
        FAMILY, body(done(0, message("m") | {"content": [part]}), response("completed"))
    )
    assert BlockStart(0, "other", item="m") in events
    (block,) = fold(events).blocks
    assert block.opaque is not None
    assert json.loads(block.opaque.json)["content"] == [part]


def test_a_part_that_nothing_here_knows_keeps_its_place() -> None:
    parts: list[Json] = [{"type": "output_audio", "data": "A"}, {"type": "refusal", "refusal": "N"}]
    begun = [
        {
            "type": "response.content_part.added",
            "output_index": 0,
            "content_index": at,
            "part": part,
        }
        for at, part in enumerate(parts)
    ]
    item = message("m") | {"content": parts}
    turn = turn_of(added(0, message("m")), *begun, done(0, item), response("completed"))
    assert [block.kind for block in turn.blocks] == ["other", "refusal"]


def test_a_block_names_the_item_that_was_announced() -> None:
    frames = [
        *(text_delta(0, "a"), done(0, message("m", "a"))),
        *(added(1, message("A")), text_delta(1, "b"), done(1, message("B", "b"))),
        done(2, {"type": "compaction"}),
    ]
    events = decode(FAMILY, body(*frames, response("completed")))
    assert [event.item for event in events if isinstance(event, BlockStart)] == [None, "A", ""]
