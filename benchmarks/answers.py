"""What the server says: one answer of each wire family, in bytes made before anything is measured.

An answer is an opening, any number of token events, and a closing that every client of the family
takes for a proper end. Shapes and sizes are those that the vendors' documentation shows, with what
real streams carry beside the text (ids, fingerprints, padding, counts that grow), since a decoder
pays for those bytes too. A token event adds one short word; within a family all have the same size,
so that a client that only drains can count them, and `CYCLE` different ones follow each other.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["ANSWERS", "CYCLE", "Answer", "chunked"]

CYCLE: Final = 32
_WORDS: Final = (" river", " stone", " light", " paper", " cloud", " green", " seven", " north")


class Answer(NamedTuple):
    """One family's answer. ``tokens`` are `CYCLE` events of ``size`` bytes each."""

    opening: bytes
    tokens: tuple[bytes, ...]
    last: bytes

    @property
    def word(self) -> bytes:
        """The text of the first token."""
        return _WORDS[0].encode()

    @property
    def size(self) -> int:
        """Bytes of one token event."""
        return len(self.tokens[0])

    def closing(self, count: int) -> bytes:
        """The end of an answer of ``count`` tokens; some families tell the whole text again there."""
        text = "".join([_WORDS[n % len(_WORDS)] for n in range(count)])
        return self.last.replace(b"<all>", text.encode())


def chunked(event: bytes) -> bytes:
    """An event as one chunk of an HTTP body."""
    return b"%x\r\n%s\r\n" % (len(event), event)


def _answer(opening: str, token: str, closing: str, *, end: str = "\n") -> Answer:
    """Fill the token's template: ``<word>``, and ``<n>``, a number of three digits that counts up."""
    tokens = [
        token.replace("<word>", _WORDS[n % len(_WORDS)]).replace("<n>", str(100 + n))
        for n in range(CYCLE)
    ]
    bodies = [text.replace("\n", end).encode() for text in (opening, *tokens, closing)]
    return Answer(bodies[0], tuple(bodies[1:-1]), bodies[-1])


_CHUNK: Final = (
    'data: {"id":"chatcmpl-Ck2vXqT8mPz4LrYb9WsNdE3aHf7Uo","object":"chat.completion.chunk",'
    '"created":1763640000,"model":"gpt-4o-2024-08-06","service_tier":"default",'
    '"system_fingerprint":"fp_4c1d7a90be","choices":[<choice>]'
)
_CHAT: Final = _answer(
    _CHUNK.replace(
        "<choice>",
        '{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,'
        '"finish_reason":null}',
    )
    + ',"usage":null,"obfuscation":"kT2"}\n\n',
    _CHUNK.replace(
        "<choice>",
        '{"index":0,"delta":{"content":"<word>"},"logprobs":null,"finish_reason":null}',
    )
    + ',"usage":null,"obfuscation":"x8Qd"}\n\n',
    _CHUNK.replace("<choice>", '{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}')
    + ',"usage":null,"obfuscation":"Zr5v0"}\n\n'
    + _CHUNK.replace("<choice>", "")
    + ',"usage":{"prompt_tokens":12,"completion_tokens":480,"total_tokens":492,'
    '"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},'
    '"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,'
    '"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"obfuscation":""}\n\n'
    "data: [DONE]\n\n",
)

_RESPONSE: Final = (
    '{"id":"resp_5f0c27b94e6a","object":"response","created_at":1763640000,"status":"<status>",'
    '"background":false,"error":null,"incomplete_details":null,"instructions":null,'
    '"max_output_tokens":null,"metadata":{},"model":"gpt-4.1-2025-04-14","output":[<output>],'
    '"parallel_tool_calls":true,"previous_response_id":null,'
    '"reasoning":{"effort":null,"summary":null},"service_tier":"default","store":false,'
    '"temperature":1.0,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],'
    '"top_p":1.0,"truncation":"disabled","usage":<usage>,"user":null}'
)
_ITEM: Final = (
    '{"id":"msg_5f0c27b94e6b48d1a2c30069ac4be7d5f18196b2","type":"message","status":"<status>","role":"assistant",'
    '"content":[<content>]}'
)
_PART: Final = '{"type":"output_text","text":"<text>","annotations":[],"logprobs":[]}'


def _typed(name: str, rest: str) -> str:
    return f'event: {name}\ndata: {{"type":"{name}",{rest}}}\n\n'


def _response(status: str, output: str, usage: str) -> str:
    filled = _RESPONSE.replace("<status>", status).replace("<output>", output)
    return '"response":' + filled.replace("<usage>", usage)


def _item(status: str, content: str) -> str:
    return '"output_index":0,"item":' + _ITEM.replace("<status>", status).replace(
        "<content>", content
    )


_AT: Final = (
    '"item_id":"msg_5f0c27b94e6b48d1a2c30069ac4be7d5f18196b2","output_index":0,"content_index":0,'
)
_SAID: Final = _PART.replace("<text>", "<all>")
_USED: Final = (
    '{"input_tokens":12,"input_tokens_details":{"cached_tokens":0},"output_tokens":480,'
    '"output_tokens_details":{"reasoning_tokens":0},"total_tokens":492}'
)
_RESPONSES: Final = _answer(
    _typed("response.created", '"sequence_number":0,' + _response("in_progress", "", "null"))
    + _typed("response.in_progress", '"sequence_number":1,' + _response("in_progress", "", "null"))
    + _typed("response.output_item.added", '"sequence_number":2,' + _item("in_progress", ""))
    + _typed(
        "response.content_part.added",
        '"sequence_number":3,' + _AT + '"part":' + _PART.replace("<text>", ""),
    ),
    _typed(
        "response.output_text.delta",
        '"sequence_number":<n>,' + _AT + '"delta":"<word>","logprobs":[],"obfuscation":"q7Lw"',
    ),
    _typed("response.output_text.done", f'"sequence_number":900,{_AT}"text":"<all>","logprobs":[]')
    + _typed("response.content_part.done", f'"sequence_number":901,{_AT}"part":{_SAID}')
    + _typed("response.output_item.done", '"sequence_number":902,' + _item("completed", _SAID))
    + _typed(
        "response.completed",
        '"sequence_number":903,'
        + _response(
            "completed",
            _ITEM.replace("<status>", "completed").replace("<content>", _SAID),
            _USED,
        ),
    ),
)

_MESSAGES: Final = _answer(
    _typed(
        "message_start",
        '"message":{"id":"msg_01Hx7cQmVb2TzKp9","type":"message","role":"assistant",'
        '"model":"claude-sonnet-4-5-20250929","content":[],"stop_reason":null,'
        '"stop_sequence":null,"usage":{"input_tokens":12,"cache_creation_input_tokens":0,'
        '"cache_read_input_tokens":0,"output_tokens":1,"service_tier":"standard"}}',
    )
    + _typed("content_block_start", '"index":0,"content_block":{"type":"text","text":""}')
    + 'event: ping\ndata: {"type":"ping"}\n\n',
    _typed("content_block_delta", '"index":0,"delta":{"type":"text_delta","text":"<word>"}'),
    _typed("content_block_stop", '"index":0')
    + _typed(
        "message_delta",
        '"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":480}',
    )
    + 'event: message_stop\ndata: {"type":"message_stop"}\n\n',
)

_GENERATED: Final = (
    'data: {"candidates":[{"content":{"parts":[{"text":"<word>"}],"role":"model"},<finish>"index":0}],'
    '"usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":<n>,"totalTokenCount":<n>,'
    '"promptTokensDetails":[{"modality":"TEXT","tokenCount":12}],"thoughtsTokenCount":0},'
    '"modelVersion":"gemini-2.5-flash","responseId":"Vx0eabK3Gd7R1dkPt5mwyAQ"}\n\n'
)
_GEMINI: Final = _answer(
    "",
    _GENERATED.replace("<finish>", ""),
    _GENERATED.replace("<word>", "")
    .replace("<finish>", '"finishReason":"STOP",')
    .replace("<n>", "480"),
    end="\r\n",
)

ANSWERS: Final = {
    "openai_chat": _CHAT,
    "openai_responses": _RESPONSES,
    "anthropic": _MESSAGES,
    "gemini": _GEMINI,
}
