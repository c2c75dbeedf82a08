"""What chunks and whole messages write alike: calls, images, citations, speech, members kept as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from gateway_stream.events import Media, Opaque, Source

__all__ = ["annotation", "audio", "call", "image", "members", "span_of"]


def call(id: str, name: str | None, arguments: str) -> dict[str, Any]:
    """A call of a function."""
    function = {"name": name or "", "arguments": arguments}
    return {"id": id, "type": "function", "function": function}


def image(media: Media) -> dict[str, Any]:
    """A file, by its URL or as a data URL."""
    data = f"data:{media.media_type or ''};base64,{media.data}"
    url = media.url if media.data is None else data
    return {"type": "image_url", "image_url": {"url": url}}


def annotation(source: Source, offset: int) -> dict[str, Any]:
    """A citation; ``offset`` is where its block begins in the text. A span from 0 to 0 is none."""
    span = span_of(source)
    start, end = (span[0] + offset, span[1] + offset) if span else (0, 0)
    cited = {"url": source.url or "", "title": source.title or "", "start_index": start}
    return {"type": "url_citation", "url_citation": {**cited, "end_index": end}}


def span_of(source: Source) -> tuple[int, int] | None:
    """The part of the text that a citation is about, if it names one."""
    span = source.span
    return span if span and 0 <= span[0] <= span[1] > 0 else None


def audio(speech: Opaque) -> dict[str, Any]:
    """What refers to speech later."""
    told: dict[str, Any] = msgspec.json.decode(speech.json)["audio"]
    return told


def members(opaque: Opaque) -> dict[str, msgspec.Raw]:
    """The members of opaque data, each as the vendor's own text."""
    return msgspec.json.decode(opaque.json, type=dict[str, msgspec.Raw])
