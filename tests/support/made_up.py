"""What streams are made of, for hypothesis: words of all families, so that any meets the others' too."""

from __future__ import annotations

import json

from hypothesis import strategies as st

KEYS = [
    *[
        "type",
        "id",
        "model",
        "index",
        "choices",
        "delta",
        "content",
        "role",
        "finish_reason",
        "tool_calls",
    ],
    *[
        "function",
        "name",
        "arguments",
        "usage",
        "prompt_tokens",
        "completion_tokens",
        "error",
        "message",
    ],
    *[
        "content_block",
        "stop_reason",
        "partial_json",
        "thinking",
        "signature",
        "input",
        "text",
        "data",
    ],
    *[
        "response",
        "output",
        "output_index",
        "item",
        "item_id",
        "content_index",
        "part",
        "call_id",
        "status",
    ],
    *[
        "candidates",
        "parts",
        "functionCall",
        "args",
        "finishReason",
        "usageMetadata",
        "thought",
        "summary",
    ],
    *[
        "thoughtSignature",
        "promptFeedback",
        "blockReason",
        "partialArgs",
        "jsonPath",
        "willContinue",
    ],
    *[
        "reasoning_content",
        "reasoning",
        "reasoning_details",
        "refusal",
        "annotations",
        "citations",
        "code",
    ],
    *[
        "extra_content",
        "google",
        "grounding_metadata",
        "groundingMetadata",
        "inlineData",
        "summary_index",
    ],
]
WORDS = [
    *[
        "message_start",
        "message_delta",
        "message_stop",
        "content_block_start",
        "content_block_delta",
    ],
    *[
        "content_block_stop",
        "text_delta",
        "input_json_delta",
        "thinking_delta",
        "signature_delta",
        "ping",
    ],
    *[
        "tool_use",
        "server_tool_use",
        "text",
        "thinking",
        "redacted_thinking",
        "end_turn",
        "error",
        "stop",
    ],
    *[
        "response.created",
        "response.completed",
        "response.failed",
        "response.incomplete",
        "function_call",
    ],
    *[
        "response.output_item.added",
        "response.output_item.done",
        "response.output_text.delta",
        "reasoning",
    ],
    *[
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "message",
        "STOP",
    ],
    *[
        "response.reasoning_summary_text.delta",
        "response.content_part.added",
        "output_text",
        "tool_calls",
    ],
    *[
        "response.output_text.annotation.added",
        "response.refusal.delta",
        "image_generation_call",
        "length",
    ],
    *[
        "{",
        "{}",
        '{"a":',
        "}",
        "a",
        "",
        "\\ud83d",
        "$.a[0].b",
        "$",
        "AAAA",
        "a\ud83d",
        "MAX_TOKENS",
    ],
]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.just(1e400)
    | st.floats(allow_nan=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=3)
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)
    ),
    max_leaves=24,
)
OBJECTS = st.dictionaries(st.sampled_from(KEYS), TREES, max_size=7)


def written(tree: object) -> bytes:
    """JSON as a careless server writes it."""
    return json.dumps(tree, ensure_ascii=True).replace("Infinity", "1e999").encode()


FRAMES = (
    OBJECTS.map(lambda tree: b"data: " + written(tree) + b"\n\n")
    | st.binary(max_size=12)
    | st.sampled_from(
        [b"data: [DONE]\n\n", b"event: error\n", b": c\n\n", b"\r\n", b'{"error":{}}\n']
    )
)
