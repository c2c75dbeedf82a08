"""What the contents of a request are read as, and that they are written again as they came."""

from __future__ import annotations

import pytest

from gateway_stream.request import (
    Message,
    OpaquePart,
    Part,
    ToolCallPart,
    ToolResultPart,
)
from tests.wire.gemini.asked import (
    FILE,
    HELLO,
    PARTS,
    Tree,
    least,
    own,
    read,
    written,
)


@pytest.mark.parametrize(("tree", "expected"), PARTS, ids=range(len(PARTS)))
def test_a_part_is_read_and_written_again_as_it_came(tree: Tree, expected: Part) -> None:
    contents = [{"role": "user", "parts": [tree]}]
    request = read(contents=contents)
    assert request == least(messages=(Message("user", (expected,)),))
    assert written(request)["contents"] == contents


def test_an_answer_s_pictures_go_back_to_the_vendor_and_to_nobody_else() -> None:
    (message,) = read(contents=[{"role": "model", "parts": [{"inlineData": FILE}]}]).messages
    drawn = own('{"inlineData":{"mimeType":"image/png","data":"aGk="}}')
    assert message == Message("assistant", (OpaquePart(opaque=drawn),))


@pytest.mark.parametrize(
    "part",
    [
        {"functionResponse": {"id": "c", "name": "f", "response": {"result": "dark"}}},
        {"functionResponse": {"id": "c", "name": "f", "response": {"output": [1]}}},
        {
            "functionResponse": {
                "id": "c",
                "name": "f",
                "response": {"output": "a"},
                "scheduling": "SILENT",
            }
        },
        {
            "functionResponse": {"id": "c", "name": "f", "response": {"output": "a"}},
            "thoughtSignature": "c2ln",
        },
        {"functionCall": {"id": "c", "name": "f", "args": {}, "willContinue": True}},
        {"inlineData": {**FILE, "displayName": "a.png"}},
        {"inlineData": FILE, "mediaResolution": {"level": "HIGH"}},
        {"fileData": {"mimeType": "image/png", "fileUri": "gs://a/b", "later": 1}},
    ],
)
def test_contents_that_are_read_in_part_stay_in_extra_as_they_came(part: Tree) -> None:
    contents = [HELLO, {"role": "user", "parts": [part]}]
    request = read(contents=contents)
    assert request.extra == {"contents": contents}
    assert written(request)["contents"] == contents
    message = request.messages[1]
    assert isinstance(message, Message)
    assert not isinstance(message.content[0], OpaquePart)


def test_a_result_of_any_shape_is_its_json_text() -> None:
    part = {"functionResponse": {"id": "c", "name": "f", "response": {"result": {"n": 1}}}}
    (message,) = read(contents=[{"role": "function", "parts": part}]).messages
    result = ToolResultPart(call_id="c", name="f", content='{"result":{"n":1}}')
    assert message == Message("user", (result,))


def test_a_result_without_an_id_answers_the_first_open_call_of_its_name() -> None:
    def call(name: str) -> Tree:
        return {"functionCall": {"name": name, "args": {}}}

    def result(name: str, text: str) -> Tree:
        return {"functionResponse": {"name": name, "response": {"output": text}}}

    contents = [
        HELLO,
        {"role": "model", "parts": [call("f"), call("g"), call("f")]},
        {"role": "user", "parts": [result("f", "1"), result("g", "2"), result("f", "3")]},
    ]
    request = read(contents=contents)
    _, asked, answered = request.messages
    assert isinstance(asked, Message)
    assert isinstance(answered, Message)
    ids = [part.id for part in asked.content if isinstance(part, ToolCallPart)]
    assert len(set(ids)) == 3
    results = [part for part in answered.content if isinstance(part, ToolResultPart)]
    assert [(part.call_id, part.content) for part in results] == list(zip(ids, "123", strict=True))
    by_place = [
        *contents[:2],
        {"role": "user", "parts": [contents[2]["parts"][n] for n in range(3)]},
    ]
    assert written(request)["contents"] == by_place


def test_an_id_that_is_made_up_is_none_that_came() -> None:
    calls = [
        {"functionCall": {"id": "call_1", "name": "f"}},
        {"functionCall": {"name": "f"}},
        {"functionCall": {"name": "f"}},
    ]
    (message,) = read(contents=[{"role": "model", "parts": calls}]).messages
    assert isinstance(message, Message)
    ids = [part.id for part in message.content if isinstance(part, ToolCallPart)]
    assert ids[0] == "call_1"
    assert len(set(ids)) == 3


def test_fields_of_a_content_that_nobody_knows_stay_in_extra() -> None:
    contents = [{**HELLO, "shade": 1}]
    assert read(contents=contents).extra == {"contents": contents}


def test_an_instruction_that_is_more_than_text_stays_in_extra() -> None:
    instruction = {"parts": [{"text": "Be brief."}, {"inlineData": FILE}]}
    request = read(systemInstruction=instruction)
    assert request.system == "Be brief."
    assert request.extra == {"systemInstruction": instruction}
    assert written(request)["systemInstruction"] == instruction
