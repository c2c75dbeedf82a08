"""Input items of this family's requests, and what is the same among all that the vendor reads alike."""

from __future__ import annotations

import json
from typing import Any

from gateway_stream.request import DocumentPart, ImagePart, OpaquePart, Part, TextPart
from tests.wire.openai_responses.bodies import own

Tree = dict[str, Any]
SCHEMA: Tree = {"type": "object", "properties": {"at": {"type": "string"}}}
LOOK: Tree = {"type": "function", "name": "look", "parameters": SCHEMA, "strict": False}
SPOKEN: Tree = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "phase": "commentary",
    "content": [
        {"type": "output_text", "text": "One.", "annotations": [{"type": "url_citation"}]},
        {"type": "refusal", "refusal": "No."},
    ],
}
SEALED: Tree = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAA/+="}
CALL: Tree = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"a": 1.0}'}
CUSTOM: Tree = {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": '*** "x"'}
RESULT: Tree = {"type": "function_call_output", "call_id": "c1", "output": "Dark."}
PICTURE: Tree = {
    "type": "function_call_output",
    "call_id": "c1",
    "output": [
        {"type": "input_text", "text": "Look:"},
        {"type": "input_image", "image_url": "https://e.com/a"},
    ],
}


ITEMS: list[list[Tree]] = [
    [SPOKEN, {"role": "user", "content": "And?"}],
    [{**SPOKEN, "content": []}],
    [{**SPOKEN, "content": "bare"}],
    [{**SPOKEN, "content": [{"type": "output_text", "text": "a", "logprobs": [{"token": "a"}]}]}],
    [{"role": "assistant", "content": [{"type": "output_text", "text": "a"}] * 2}],
    [{"role": "assistant", "content": [{"type": "input_text", "text": "a"}]}],
    [{"type": "message", "role": "assistant", "content": "a", "phase": "final_answer"}],
    [SEALED, CALL, RESULT],
    [SEALED],
    [{**SEALED, "encrypted_content": None, "id": "rs_2"}, CALL, RESULT],
    [{**SEALED, "content": [{"type": "reasoning_text", "text": "Raw."}]}, CALL, PICTURE],
    [{**CALL, "id": "fc_1", "status": "completed", "namespace": "sky"}, RESULT],
    [{**CALL, "id": "f" * 99}, RESULT],
    [{**CALL, "arguments": ""}, {**RESULT, "id": "fco_1", "status": "completed"}],
    [
        CUSTOM,
        {"type": "custom_tool_call_output", "call_id": "c2", "output": [PICTURE["output"][0]]},
    ],
    [{"type": "custom_tool_call_output", "call_id": "elsewhere", "output": "Done."}],
    [{"type": "function_call_output", "call_id": "c", "output": [{"type": "input_file"}]}],
    [{"type": "web_search_call", "id": "ws_1", "status": "completed"}, SPOKEN],
    [{"type": "local_shell_call_output", "id": "l", "output": "{}"}],
    [{"type": "mcp_approval_response", "approval_request_id": "a", "approve": True}],
    [{"type": "item_reference", "id": "msg_1"}, {"id": "msg_2"}],
    [{"type": "compaction", "encrypted_content": "gAA="}],
    [{"role": "user", "content": "a"}, {"role": "user", "content": "b", "type": "message"}],
    [{"role": "user", "content": "a", "brand_new": 1}],
]


def compact(tree: Tree) -> str:
    return json.dumps(tree, separators=(",", ":"))


PARTS: list[tuple[Tree, Part]] = [
    ({"type": "input_text", "text": "a"}, TextPart("a")),
    (
        {"type": "input_image", "image_url": "data:image/jpeg;base64,aGk=", "detail": "auto"},
        ImagePart(media_type="image/jpeg", data="aGk="),
    ),
    ({"type": "input_image", "image_url": "https://e.com/a"}, ImagePart(url="https://e.com/a")),
    (
        {"type": "input_image", "image_url": "https://e.com/a", "detail": "high"},
        ImagePart(url="https://e.com/a"),
    ),
    (
        {
            "type": "input_file",
            "filename": "a.pdf",
            "file_data": "data:application/pdf;base64,aGk=",
        },
        DocumentPart(data="aGk=", name="a.pdf"),
    ),
    ({"type": "input_file", "file_url": "https://e.com/a"}, DocumentPart(url="https://e.com/a")),
    *(
        (whole, OpaquePart(opaque=own(compact(whole))))
        for whole in (
            {"type": "input_image", "file_id": "file-1", "detail": "auto"},
            {"type": "input_file", "file_id": "file-1"},
            {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
            {"type": "brand_new", "of": ["which", 1]},
        )
    ),
]


def as_written(body: Tree) -> Tree:
    """A body in the form that is the same for all that the vendor reads alike."""
    told = {name: value for name, value in body.items() if value not in (None, [], {})}
    told.setdefault("stream", False)
    items = told["input"]
    if isinstance(items, str):
        items = [{"role": "user", "content": items}]
    told["input"] = [_item(item) for item in items]
    if isinstance(told.get("reasoning"), dict):
        told["reasoning"] = {k: v for k, v in told["reasoning"].items() if v is not None}
    if "tools" in told:
        told["tools"] = [{k: v for k, v in tool.items() if v is not None} for tool in told["tools"]]
    form = told.get("text", {}).get("format") if isinstance(told.get("text"), dict) else None
    if isinstance(form, dict) and form.get("type") == "json_schema":
        told["text"] = {**told["text"], "format": {"strict": False, **form}}
    return told


def _item(item: Tree) -> Tree:
    item = {name: value for name, value in item.items() if value is not None}
    if "role" in item:
        item = {"type": "message", **item}
        if item["role"] == "assistant":
            item = {"status": "completed", **item}
        item["content"] = _parts(item["content"], item["role"] == "assistant")
    elif "output" in item:
        item["output"] = _parts(item["output"], False)
    return item


def _parts(content: Any, spoken: bool) -> Any:
    if isinstance(content, str):
        content = [{"type": "output_text" if spoken else "input_text", "text": content}]
    if not isinstance(content, list):
        return content
    defaults: Tree = {"annotations": [], "detail": "auto"}
    return [
        {**defaults, **{k: v for k, v in part.items() if v is not None}}
        if isinstance(part, dict)
        else part
        for part in content
    ]
