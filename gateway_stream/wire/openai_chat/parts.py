"""What a Chat delta may hold beside plain text: content as a list of parts, media, sources.

Content is a string or a list of parts, in one answer even both. The kinds of part that have an event
of their own are text, reasoning (`Reasoning`), refusals and images; any other part is kept whole and
goes back whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway_stream.events import BlockKind, Opaque

if TYPE_CHECKING:
    from gateway_stream.wire.answer import AnswerWriter
    from gateway_stream.wire.openai_chat.blocks import Blocks
    from gateway_stream.wire.openai_chat.place import Place
    from gateway_stream.wire.openai_chat.reasoning import Reasoning

__all__ = ["Parts"]

_FAMILY: Final = "openai_chat"
_IMAGES: Final = frozenset({"image_url", "image", "output_image", "input_image"})
_TEXTS: Final = frozenset({"text", "output_text", "input_text"})
_SEALS: Final = ("thoughtSignature", "extra_content")
_TEXT_FIELDS: Final = frozenset({"type", "text", "citations", "annotations", *_SEALS})
_CITED: Final = frozenset({"type", "url", "title", "url_citation"})
_SPAN: Final = frozenset({"start_index", "end_index"})


class Parts:
    """Reads what is not plain text into the blocks of one answer."""

    def __init__(self, writer: AnswerWriter, blocks: Blocks, reasoning: Reasoning) -> None:
        self._writer = writer
        self._blocks = blocks
        self._reasoning = reasoning
        self._audio: int | None = None

    # Content as a list.

    def content(self, parts: list[Any], place: Place) -> None:
        """Take content that is a list of parts."""
        for number, part in enumerate(parts):
            if isinstance(part, str):
                if part:
                    self._blocks.write("text", part)
            elif isinstance(part, dict):
                self._take_part(part, place, number)
            elif part is not None:
                self._keep_whole("other", place.cut(part, "content", number))

    def _take_part(self, part: dict[str, Any], place: Place, number: int) -> None:
        kind = str(part.get("type") or "text")
        if kind == "reasoning" and isinstance(part.get("summary"), list):
            self._reasoning.take_summary(part, part["summary"], place, number)
        elif kind == "thinking" and isinstance(part.get("thinking"), str | list):
            self._reasoning.take_thinking(part, place, number)
        elif kind in _TEXTS and isinstance(part.get("text"), str):
            self._take_text(part, place, number)
        elif kind == "refusal" and isinstance(part.get("refusal"), str):
            if part["refusal"]:
                self._blocks.write("refusal", part["refusal"])
        elif kind in _IMAGES and _image_url(part) is not None:
            self.image(part)
        else:
            provider = "anthropic" if kind == "redacted_thinking" else _FAMILY
            self._keep_whole(_kind_of(kind), place.cut(part, "content", number), provider)

    def _take_text(self, part: dict[str, Any], place: Place, number: int) -> None:
        seal = None
        field = next((field for field in _SEALS if part.get(field)), None)
        if field:
            seal = _seal(field, part[field], place.cut(part[field], "content", number, field))
        if part["text"] or seal:
            self._blocks.write("text", part["text"], seal)
        for field in ("citations", "annotations"):
            if isinstance(part.get(field), list):
                self.sources(part[field], field)
        left = {key: value for key, value in part.items() if value and key not in _TEXT_FIELDS}
        if left:
            self._blocks.note(self._blocks.current("text"), left)

    def _keep_whole(self, kind: BlockKind, json: str, provider: str = _FAMILY) -> None:
        self._blocks.single(kind, opaque=Opaque(_FAMILY, provider, json))

    # What comes beside the content.

    def extra_content(self, extra: Any, place: Place) -> None:
        """A signature for the text so far, in the envelope of the vendor who wants it back."""
        seal = _seal("extra_content", extra, place.cut(extra, "extra_content"))
        self._blocks.write("text", "", seal)

    def image(self, part: Any) -> None:
        """An image, by its URL; a data URL is taken apart."""
        url = _image_url(part) if isinstance(part, dict) else None
        if url is None:
            return
        index = self._blocks.open("media")
        if url.startswith("data:") and ";base64," in url:
            media_type, _, data = url.removeprefix("data:").partition(";base64,")
            self._writer.media(index, media_type=media_type or None, data=data)
        else:
            self._writer.media(index, url=url)
        self._writer.end(index)

    def audio(self, audio: dict[str, Any], place: Place) -> None:
        """Speech: its data in pieces, its transcript as text, its id to refer to it later."""
        if self._audio is None or not self._writer.is_open(self._audio):
            self._audio = self._blocks.open("media")
        if audio.get("id"):
            id_ = place.cut(audio["id"], "audio", "id")
            self._blocks.keep(self._audio, Opaque(_FAMILY, "openai", f'{{"audio":{{"id":{id_}}}}}'))
        if audio.get("data") and isinstance(audio["data"], str):
            self._writer.media(self._audio, data=audio["data"])
        held = {"id", "data", "transcript"}
        left = {key: value for key, value in audio.items() if key not in held and value is not None}
        self._blocks.note(self._audio, left)
        if audio.get("transcript") and isinstance(audio["transcript"], str):
            self._blocks.write("text", audio["transcript"])

    def executed_tools(self, tools: list[Any], place: Place) -> None:
        """Tools that the vendor ran itself. Nothing of them can go back: they are told as they are."""
        for number, tool in enumerate(tools):
            if isinstance(tool, dict):
                kind: BlockKind = "server_tool" if tool.get("output") is None else "server_result"
                name = tool.get("type")
                json = place.cut(tool, "executed_tools", number)
                self._blocks.single(kind, name=name if isinstance(name, str) else None, vendor=json)

    def sources(self, citations: list[Any], field: str) -> None:
        """Citations of the text: what a `Source` does not hold of one is kept with the block."""
        index = self._blocks.current("text")
        for citation in citations:
            if not isinstance(citation, dict):
                self._blocks.note(index, {field: [citation]})
                continue
            inner = citation.get("url_citation")
            cited = inner if isinstance(inner, dict) else citation
            url, title = cited.get("url"), cited.get("title")
            if not isinstance(url, str):
                self._blocks.note(index, {field: [citation]})
                continue
            span = _span(cited)
            title = title if isinstance(title, str) else None
            self._writer.source(index, url=url or None, title=title or None, span=span)
            known = _CITED | (_SPAN if span else frozenset())
            left = {key: value for key, value in cited.items() if key not in known}
            if left:
                self._blocks.note(index, {field: [left]})


def _seal(field: str, value: Any, json: str) -> Opaque:
    """What goes back with a text, in the field that carried it."""
    google = field == "thoughtSignature" or (isinstance(value, dict) and "google" in value)
    return Opaque(_FAMILY, "google" if google else _FAMILY, f'{{"{field}":{json}}}')


def _span(cited: dict[str, Any]) -> tuple[int, int] | None:
    """Where the citation belongs; vendors who do not know say 0 to 0."""
    start, end = cited.get("start_index"), cited.get("end_index")
    if isinstance(start, int) and isinstance(end, int) and end >= start and end > 0:
        return start, end
    return None


def _image_url(part: dict[str, Any]) -> str | None:
    url = part.get("image_url") or part.get("url")
    if isinstance(url, dict):
        url = url.get("url")
    return url if isinstance(url, str) and url else None


def _kind_of(name: str) -> BlockKind:
    """The kind of a part that has no event of its own, by the name the vendor gave it."""
    if name in {"redacted_thinking", "thinking", "reasoning"}:
        return "reasoning"
    if name.endswith("_result"):
        return "server_result"
    if name.endswith("_call") or name.startswith("server_tool"):
        return "server_tool"
    return "other"
