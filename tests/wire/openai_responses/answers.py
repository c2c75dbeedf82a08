"""What frames of this family fold to."""

from __future__ import annotations

import json
from typing import Any

from gateway_stream.turn import Block, PartialTurn, Turn, fold
from tests.support.decoding import decode
from tests.wire.openai_responses.frames import Json, body

FAMILY = "openai_responses"


def turn_of(*frames: Json | str) -> Turn:
    answer = fold(decode(FAMILY, body(*frames)))
    assert isinstance(answer, Turn), answer
    return answer


def partial_of(*frames: Json | str) -> PartialTurn:
    answer = fold(decode(FAMILY, body(*frames)))
    assert isinstance(answer, PartialTurn), answer
    return answer


def item_id(block: Block) -> Any:
    assert block.opaque is not None
    return json.loads(block.opaque.json)["id"]


def kinds(turn: Turn | PartialTurn) -> list[tuple[str, str]]:
    return [(block.kind, block.status) for block in turn.blocks]
