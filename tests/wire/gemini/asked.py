"""Requests in this family's words, and the parts of them beside what they are read as."""

from __future__ import annotations

from typing import Any

from gateway_stream.events import Opaque
from gateway_stream.request import (
    DocumentPart,
    ImagePart,
    Message,
    OpaquePart,
    Part,
    ReasoningPart,
    Request,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from gateway_stream.wire.gemini.decode_request import decode_request
from gateway_stream.wire.gemini.request import encode_request

Tree = dict[str, Any]
HELLO: Tree = {"role": "user", "parts": [{"text": "hello"}]}
SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}}


def read(**members: Any) -> Request:
    return decode_request({"contents": [HELLO], **members}, model="m", stream=False)


def written(request: Request) -> Tree:
    return encode_request(request, "google").body


def own(json_text: str) -> Opaque:
    return Opaque("gemini", "google", json_text)


SIGNED = own('{"thoughtSignature":"c2ln"}')


def least(**fields: Any) -> Request:
    given_fields = {"model": "m", "messages": (Message("user", "hello"),), "stream": False}
    return Request(**{**given_fields, **fields})


FILE: Tree = {"mimeType": "image/png", "data": "aGk="}
PARTS: list[tuple[Tree, Part]] = [
    ({"text": "a", "thoughtSignature": "c2ln"}, TextPart("a", opaque=SIGNED)),
    ({"text": "", "thoughtSignature": "c2ln"}, TextPart("", opaque=SIGNED)),
    ({"text": "a", "shade": 1}, TextPart("a", opaque=own('{"shade":1}'))),
    ({"text": "a", "thought": True}, ReasoningPart(text="a")),
    (
        {"text": "a", "thought": True, "thoughtSignature": "c2ln"},
        ReasoningPart(text="a", opaque=SIGNED),
    ),
    (
        {"text": "a", "thought": True, "shade": 1},
        OpaquePart(opaque=own('{"text":"a","thought":true,"shade":1}')),
    ),
    ({"inlineData": FILE}, ImagePart(media_type="image/png", data="aGk=")),
    (
        {"inlineData": {"mimeType": "application/pdf", "data": "aGk="}},
        DocumentPart(data="aGk="),
    ),
    (
        {"fileData": {"mimeType": "text/plain", "fileUri": "https://e.example/a"}},
        DocumentPart(media_type="text/plain", url="https://e.example/a"),
    ),
    (
        {"fileData": {"fileUri": "https://e.example/a"}},
        OpaquePart(opaque=own('{"fileData":{"fileUri":"https://e.example/a"}}')),
    ),
    (
        {"inlineData": {"mimeType": "audio/wav", "data": "aGk="}},
        OpaquePart(opaque=own('{"inlineData":{"mimeType":"audio/wav","data":"aGk="}}')),
    ),
    (
        {"inlineData": FILE, "thoughtSignature": "c2ln"},
        OpaquePart(
            opaque=own(
                '{"inlineData":{"mimeType":"image/png","data":"aGk="},"thoughtSignature":"c2ln"}'
            )
        ),
    ),
    (
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        OpaquePart(opaque=own('{"executableCode":{"language":"PYTHON","code":"1"}}')),
    ),
    ({"some_thing": {}}, OpaquePart(opaque=own('{"some_thing":{}}'))),
    (
        {"functionCall": {"id": "c", "name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"},
        ToolCallPart(id="c", name="f", arguments='{"a":1}', opaque=SIGNED),
    ),
    (
        {"functionResponse": {"id": "c", "name": "f", "response": {"output": "dark"}}},
        ToolResultPart(call_id="c", name="f", content="dark"),
    ),
    (
        {"functionResponse": {"id": "c", "name": "f", "response": {"error": "no"}}},
        ToolResultPart(call_id="c", name="f", content="no", is_error=True),
    ),
    (
        {
            "functionResponse": {
                "id": "c",
                "name": "f",
                "response": {"output": "see"},
                "parts": [{"inlineData": FILE}],
            }
        },
        ToolResultPart(
            call_id="c",
            name="f",
            content=(TextPart("see"), ImagePart(media_type="image/png", data="aGk=")),
        ),
    ),
]
