"""The recorded streams, and where our sense of the counts differs from the wire's."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gateway_stream.turn import Turn, fold
from gateway_stream.wire.family import check_grammar
from tests.support.corpus import Recording, hostile, needs_corpus, recordings
from tests.support.decoding import decode, decode_reads, normal

STREAMS = [stream for stream in (*recordings(), *hostile()) if stream.family == "openai_chat"]


@needs_corpus
@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_a_recorded_stream_gives_what_is_in_it(stream: Recording) -> None:
    events = decode("openai_chat", stream.body)
    check_grammar(events)
    assert decode_reads("openai_chat", stream.reads()) == events
    answer = fold(events)
    found, wanted = normal(answer), dict(stream.expected)
    loose = stream.meta.get("loose") or []
    assert found["text"] == wanted["text"]
    assert found["reasoning"] == "".join(wanted["reasoning"].split())
    assert found["tool_calls"] == wanted["tool_calls"]
    if "error" not in loose:
        assert found["complete"] == (wanted["error"] is None)
    if isinstance(answer, Turn):
        if "stop_reason" not in loose:
            assert found["stop_reason"] == wanted["stop_reason"]
        check_usage(found["usage"], wanted["usage"], stream.body)


def check_usage(ours: dict[str, Any], theirs: dict[str, Any], body: bytes) -> None:
    assert ours["input"] == theirs["input"]
    for count in ("cached_read", "cache_write", "reasoning"):
        # The reader that wrote the expectations looks for some counts in one place only.
        assert ours[count] == theirs[count] or theirs[count] is None
    if ours["output"] != theirs["output"]:
        totals = [int(total) for total in re.findall(rb'"total_tokens": ?(\d+)', body)]
        assert ours["output"] == theirs["output"] + theirs["reasoning"]
        assert totals[-1] == ours["input"] + ours["output"]
