"""What a Chat delta may hold beside plain text: content as a list of parts, reasoning, media, sources.

Content is a string or a list of parts, in one answer even both. The kinds of part that have an event
of their own are text, reasoning in three spellings (``reasoning`` with a ``summary``, ``thinking``
with a string, ``thinking`` with a list), refusals and images; any other part is kept whole and goes
back whole.

Reasoning may also come under a key of its own. Vendors that are renaming theirs send the same text
under two keys, and routers send it as ``reasoning`` and once more as ``reasoning_details``: equal
text is taken once. Each detail is a block, for each has a signature of its own.

What goes back with a part of reasoning is the part itself with its text taken out, for the block has
that; a part that came without text is kept byte for byte. Reasoning under a plain key has nothing
that its vendor would want back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway_stream.events import BlockKind, Opaque
from gateway_stream.wire.json_text import compact

if TYPE_CHECKING:
    from gateway_stream.wire.answer import AnswerWriter
    from gateway_stream.wire.openai_chat.blocks import Blocks
    from gateway_stream.wire.openai_chat.leftovers import Place
    from gateway_stream.wire.openai_chat.views import Delta

__all__ = ["Parts"]

_FAMILY: Final = "openai_chat"
_IMAGES: Final = frozenset({"image_url", "image", "output_image", "input_image"})
_TEXTS: Final = frozenset({"text", "output_text", "input_text"})
_TEXT_FIELDS: Final = frozenset({"type", "text", "thoughtSignature", "citations", "annotations"})
_CITED: Final = frozenset({"type", "url", "title", "url_citation"})
_SPAN: Final = frozenset({"start_index", "end_index"})
_DETAIL_TEXT: Final = {"reasoning.text": "text", "reasoning.summary": "summary"}


class Parts:
    """Reads what is not plain text into the blocks of one answer."""

    def __init__(self, writer: AnswerWriter, blocks: Blocks) -> None:
        self._writer = writer
        self._blocks = blocks
        self._detail: dict[str, Any] = {}
        self._audio: int | None = None

    # Reasoning.

    def reasoning(self, delta: Delta, place: Place) -> None:
        """The reasoning that a delta has under keys of its own."""
        plain = self._plain(delta)
        details = delta.reasoning_details or ()
        detailed = "".join([_detail_text(entry) for entry in details])
        if not detailed:
            for text in plain:
                self._blocks.write("reasoning", text)
        elif plain and plain != [detailed]:
            self._writer.notice("delta_mismatch", "reasoning and reasoning_details differ")
        for number, entry in enumerate(details):
            if isinstance(entry, dict):
                self._take_detail(entry, place, number)

    def _plain(self, delta: Delta) -> list[str]:
        """The different texts under the plain keys."""
        plain: list[str] = []
        for text in (
            delta.reasoning_content,
            delta.reasoning,
            delta.reasoning_text,
            delta.thinking,
        ):
            if text and not isinstance(text, str):
                self._writer.notice("invalid_field", "reasoning that is no text")
            elif text and text not in plain:
                plain.append(text)
        return plain

    def _take_detail(self, entry: dict[str, Any], place: Place, number: int) -> None:
        field = _DETAIL_TEXT.get(str(entry.get("type")))
        if field is None:
            json = place.cut(entry, "reasoning_details", number)
            opaque = Opaque(_FAMILY, "openrouter", f'{{"reasoning_details":[{json}]}}')
            self._blocks.single("reasoning", opaque=opaque)
            return
        key = (entry.get("type"), str(entry.get("index")))
        said = {name: value for name, value in entry.items() if value is not None and name != field}
        begins = self._blocks.write("reasoning", _detail_text(entry), key=key)
        before = {} if begins else self._detail
        if begins or before.items() != {**before, **said}.items():
            self._detail = {**before, **said}
            json = compact({"reasoning_details": [self._detail]})
            self._blocks.keep(
                self._blocks.current("reasoning"), Opaque(_FAMILY, "openrouter", json)
            )

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
            self._take_summary(part, part["summary"], place, number)
        elif kind == "thinking" and isinstance(part.get("thinking"), str | list):
            self._take_thinking(part, place, number)
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

    def _take_summary(
        self, part: dict[str, Any], entries: list[Any], place: Place, number: int
    ) -> None:
        """Reasoning as a summary in parts, each with its signature or, hidden, its data."""
        for entry in entries:
            if not isinstance(entry, dict):
                continue
            text = entry.get("text")
            text = text if isinstance(text, str) else ""
            emptied = {**part, "summary": [{**entry, "text": ""} if text else entry]}
            hidden = entry.get("type") == "summary_encrypted_text" or "data" in entry
            if not (hidden or entry.get("signature")):
                self._write_unsigned(text, emptied)
                continue
            bare = not text and len(entries) == 1
            json = place.cut(part, "content", number) if bare else compact(emptied)
            opaque = Opaque(_FAMILY, "anthropic", json)
            if hidden:
                self._blocks.single("reasoning", opaque=opaque)
            else:
                self._blocks.write("reasoning", text, opaque)

    def _take_thinking(self, part: dict[str, Any], place: Place, number: int) -> None:
        """Reasoning as a part of thinking: a string as Claude has it, or a list of texts."""
        thinking = part["thinking"]
        nested = isinstance(thinking, list)
        pieces = [entry for entry in thinking if isinstance(entry, dict)] if nested else []
        texts = [entry["text"] for entry in pieces if isinstance(entry.get("text"), str)]
        text = "".join(texts) if nested else thinking
        empty: Any = [{"type": "text", "text": ""}] if nested else ""
        emptied = {**part, "thinking": empty}
        if part.get("signature"):
            provider = _FAMILY if nested else "anthropic"
            bare = not text and not nested
            json = place.cut(part, "content", number) if bare else compact(emptied)
            self._blocks.write("reasoning", text, Opaque(_FAMILY, provider, json))
        else:
            self._write_unsigned(text, emptied)
        for entry in pieces:
            if not isinstance(entry.get("text"), str):
                self._keep_whole("other", compact(entry))

    def _write_unsigned(self, text: str, emptied: dict[str, Any]) -> None:
        if text and self._blocks.write("reasoning", text):
            opaque = Opaque(_FAMILY, _FAMILY, compact(emptied))
            self._blocks.keep(self._blocks.current("reasoning"), opaque)

    def _take_text(self, part: dict[str, Any], place: Place, number: int) -> None:
        seal = None
        if part.get("thoughtSignature"):
            signature = place.cut(part["thoughtSignature"], "content", number, "thoughtSignature")
            seal = Opaque(_FAMILY, "google", f'{{"thoughtSignature":{signature}}}')
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
        json = f'{{"extra_content":{place.cut(extra, "extra_content")}}}'
        google = isinstance(extra, dict) and "google" in extra
        self._blocks.write("text", "", Opaque(_FAMILY, "google" if google else _FAMILY, json))

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
            self._writer.source(
                index, url=url, title=title if isinstance(title, str) else None, span=span
            )
            known = _CITED | (_SPAN if span else frozenset())
            left = {key: value for key, value in cited.items() if key not in known}
            if left:
                self._blocks.note(index, {field: [left]})


def _span(cited: dict[str, Any]) -> tuple[int, int] | None:
    """Where the citation belongs; vendors who do not know say 0 to 0."""
    start, end = cited.get("start_index"), cited.get("end_index")
    if isinstance(start, int) and isinstance(end, int) and end > start:
        return start, end
    return None


def _detail_text(entry: Any) -> str:
    field = _DETAIL_TEXT.get(str(entry.get("type"))) if isinstance(entry, dict) else None
    text = entry[field] if field and field in entry else None
    return text if isinstance(text, str) else ""


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
