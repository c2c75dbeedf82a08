"""What of a recorded answer reaches no event.

**Definition.** A field of a recording is *lost* when changing its value in every frame of the
recording changes no event, nor the stop that a partial answer shows. That asks nothing of how a decoder works, and finds what reading the
decoder would miss: a field that is read and then dropped is lost, one that only decides something
is not.

**Method.** The body is read into its frames by the decoder's own readers. A field is a path of keys
with ``[]`` for any position of an array; it is written ``choices[].delta.content``. For each path
that has a leaf value, all its values are altered to others of their type (text grows by one odd
character, numbers by one, booleans turn), the frames are written again and decoded, and the events
are held against those of the frames written again unaltered. Null and empty containers hold nothing
that could be lost. In the frame that makes the answer fail a field is told apart from its likes
(`FAILING`): a frame like that is not decoded as the others are. What follows the terminal event is no part of the answer, and the lines of a
frame other than its data (``event``, ``id``, ``retry``) are framing.

**Bounds.** Objects whose keys are data (a tool's arguments, a schema that is echoed) would give a path
for each key. So below `_DEPTH` steps all is one path, ``...*``, and an object that shows more
than `_WIDTH` different keys over the recording has ``*`` for each of them. At most `_PATHS` paths are
tried, in order of appearance.

`DROPPED` says for each family which fields may be lost, and why. A test holds it to the recordings:
a lost field that is not in it fails, and so does a row that nothing shows any more.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from gateway_stream.events import Failure
from gateway_stream.wire.decoder import Decoder
from gateway_stream.wire.json_text import compact, read_tree
from gateway_stream.wire.sse import Frame, encode_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway_stream.events import Event, Stop
    from gateway_stream.wire.family import Family

__all__ = ["DROPPED", "FAILING", "lost_fields", "reason_for"]

_DEPTH: Final = 8
_WIDTH: Final = 40
_PATHS: Final = 400
_ODD: Final = "\u241f"
FAILING: Final = "failing frame: "
"""What stands before the path of a field in the very frame that ended the answer as failed."""

_FRAMING = "says what kind of thing the frame or part is, which the events say themselves"
_PADDING = "padding against reading lengths off the wire"
_POSITION = "a position or id on the wire; the events' own index takes its place"
_COPY = "repeats what the deltas and finished parts said"
_ECHO = "repeats the request"
_LOGPROBS = "probabilities of single tokens; an answer is not made of them"
_WHOLE = "part of an item that is kept whole when it ends"
_FAILED = (
    "a failure carries message, code, status and what to do; the rest of its frame ends with it"
)

DROPPED: Final[dict[str, dict[str, str]]] = {
    "openai_chat": {
        "object": _FRAMING,
        "choices[].delta.role": _FRAMING,
        "choices[].delta.tool_calls[].type": _FRAMING,
        "choices[].delta.tool_calls[].index": _POSITION,
        "choices[].delta.content[].thinking[].type": _FRAMING,
        "choices[].delta.annotations[].type": _FRAMING,
        "choices[].message.*": _COPY,
        "choices[].text": _COPY,
        "choices[].logprobs*": _LOGPROBS,
        "choices[].content_filter_results.*": (
            "verdicts on single deltas; those of the frame that ends the answer are kept"
        ),
        "x_groq.usage.*": _COPY,
        "obfuscation": _PADDING,
        "choices[].obfuscation": _PADDING,
        "p": _PADDING,
        f"{FAILING}*": _FAILED,
    },
    "openai_responses": {
        "sequence_number": _POSITION,
        "output_index": _POSITION,
        "item_id": _POSITION,
        "annotation_index": _POSITION,
        "content_index": _POSITION,
        "summary_index": _POSITION,
        "command_index": _POSITION,
        "partial_image_index": _POSITION,
        "obfuscation": _PADDING,
        "logprobs[].*": _LOGPROBS,
        "part.logprobs[].*": _LOGPROBS,
        "part.type": _FRAMING,
        "part.text": _COPY,
        "text": _COPY,
        "arguments": _COPY,
        "response.object": _FRAMING,
        "response.status": "the type of the event that brings it says the same",
        "response.output[].*": _COPY,
        "response.output_text": _COPY,
        "response.text.*": _ECHO,
        "response.tools[].*": _ECHO,
        "response.instructions": _ECHO,
        "delta": _WHOLE,
        "delta.stdout": _WHOLE,
        "code": _WHOLE,
        "diff": _WHOLE,
        "command": _WHOLE,
        "output[].*": _WHOLE,
        "partial_image_b64": "a draft of an image that comes whole",
        "size": _WHOLE,
        "quality": _WHOLE,
        "background": _WHOLE,
        "output_format": _WHOLE,
        f"{FAILING}*": _FAILED,
    },
    "anthropic": {
        "index": _POSITION,
        "message.type": _FRAMING,
        "message.role": _FRAMING,
        f"{FAILING}*": _FAILED,
    },
    "gemini": {
        "candidates[].content.role": _FRAMING,
        "promptFeedback.safetyRatings[].*": (
            "verdicts on a prompt that was let through; they come with the stop, if one comes"
        ),
    },
}
"""Family -> pattern of a path (``*`` stands for anything) -> why the field is in no event."""


def reason_for(family: str, path: str) -> str | None:
    """Why a lost field is in no event; ``None`` where nothing says why."""
    for pattern, reason in DROPPED.get(family, {}).items():
        if re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), path):
            return reason
    return None


def lost_fields(family: Family, body: bytes) -> dict[str, int]:
    """The lost fields of a recorded body: path -> how many values it has."""
    recording = _Recording(family, body)
    before = recording.outcome()
    lost = {}
    for path, places in recording.places().items():
        with_others = recording.altered(places)
        if recording.outcome(with_others) == before:
            lost[path] = len(places)
    return lost


class _Place:
    """Where one value stands: its frame, and the container that holds it under ``key``."""

    __slots__ = ("container", "frame", "key")

    def __init__(self, frame: int, container: Any, key: Any) -> None:
        self.frame = frame
        self.container = container
        self.key = key


class _Recording:
    """The frames of a body, as trees that can be altered and written again."""

    def __init__(self, family: Family, body: bytes) -> None:
        self._family = family
        self._frames = _frames_of(family, body)
        self._single = len(self._frames) == 1 and body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"
        self._trees = [_tree_of(frame.data) for frame in self._frames]
        self._texts = [self._text(place) for place in range(len(self._frames))]

    def _text(self, place: int) -> bytes:
        """A frame's bytes, from its tree where it has one."""
        tree, frame = self._trees[place], self._frames[place]
        data = frame.data if tree is None else compact(tree).encode()
        return data if self._single else encode_frame(data, frame.event)

    def outcome(self, others: dict[int, bytes] | None = None) -> tuple[list[Event], Stop | None]:
        """The events of the frames, some of them replaced, and the stop that they named."""
        others = others or {}
        texts = [others.get(place, text) for place, text in enumerate(self._texts)]
        decoder = Decoder(self._family)
        return decoder.feed(b"".join(texts)) + decoder.close(), decoder.stop_seen

    def places(self) -> dict[str, list[_Place]]:
        """Where the values of each path stand."""
        found: dict[str, list[_Place]] = {}
        wide = _wide_objects(self._trees)
        failing = self._failing_frame()
        for frame, tree in enumerate(self._trees):
            for inner, container, key in _leaves(tree, wide):
                path = FAILING + inner if frame == failing else inner
                if path in found or len(found) < _PATHS:
                    found.setdefault(path, []).append(_Place(frame, container, key))
        return found

    def _failing_frame(self) -> int | None:
        """The frame that ended the answer as failed: the last that was read, if it did."""
        decoder = Decoder(self._family)
        events = decoder.feed(b"".join(self._texts))
        return len(self._texts) - 1 if events and isinstance(events[-1], Failure) else None

    def altered(self, places: list[_Place]) -> dict[int, bytes]:
        """The frames at ``places``, written with other values there."""
        values = [place.container[place.key] for place in places]
        for place, value in zip(places, values, strict=True):
            place.container[place.key] = _other(value)
        texts = {frame: self._text(frame) for frame in {place.frame for place in places}}
        for place, value in zip(places, values, strict=True):
            place.container[place.key] = value
        return texts


def _frames_of(family: Family, body: bytes) -> list[Frame]:
    decoder = Decoder(family)
    decoder.keep_frames()
    decoder.feed(body)
    decoder.close()
    return decoder.take_frames()


def _tree_of(data: bytes) -> Any:
    """A frame's JSON if it is an object or an array, else None."""
    try:
        tree = read_tree(data)
    except ValueError:
        return None
    return tree if isinstance(tree, dict | list) else None


def _steps(tree: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """The members of a container: path, key, value."""
    if isinstance(tree, list):
        for key, value in enumerate(tree):
            yield f"{path}[]", key, value
    else:
        for key, value in tree.items():
            yield f"{path}.{key}" if path else key, key, value


def _wide_objects(trees: list[Any]) -> set[str]:
    """Paths of the objects that have too many different keys."""
    keys: dict[str, set[str]] = {}

    def look(tree: Any, path: str, depth: int) -> None:
        if isinstance(tree, dict):
            keys.setdefault(path, set()).update(tree)
        if isinstance(tree, dict | list) and depth < _DEPTH:
            for inner, _, value in _steps(tree, path):
                look(value, inner, depth + 1)

    for tree in trees:
        look(tree, "", 0)
    return {path for path, names in keys.items() if len(names) > _WIDTH}


def _leaves(tree: Any, wide: set[str]) -> Iterator[tuple[str, Any, Any]]:
    """Every value that is no container: its path, its container and its key there."""
    stack: list[tuple[Any, str, int]] = [(tree, "", 0)] if tree is not None else []
    while stack:
        container, path, depth = stack.pop()
        for step, key, value in _steps(container, path):
            inner = step
            if depth >= _DEPTH:
                inner = path
            elif depth == _DEPTH - 1 and isinstance(value, dict | list):
                inner = f"{step}.*"
            elif path in wide and isinstance(container, dict):
                inner = f"{path}.*"
            if isinstance(value, dict | list):
                stack.append((value, inner, depth + 1))
            elif value is not None:
                yield inner, container, key


_OTHERS: Final[dict[type, Callable[[Any], Any]]] = {
    str: lambda value: value + _ODD,
    bool: lambda value: not value,
    int: lambda value: value + 1,
    float: lambda value: value + 0.5,
}


def _other(value: Any) -> Any:
    """Another value of the same type."""
    return _OTHERS[type(value)](value)
