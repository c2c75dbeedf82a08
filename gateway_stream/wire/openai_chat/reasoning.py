"""Reasoning in a Chat answer: under keys of its own, as entries of lists, and as parts of the content.

Three shapes come beside the content, and often the same text comes in two of them, because vendors
rename their keys and routers send their own shape beside the common one. Equal text is taken once;
where one begins the other, the longer is taken; where they differ, the list is, with a notice.

- *A plain key* (``reasoning_content``, ``reasoning``, ``reasoning_text``, ``thinking``). Some vendors
  refuse the next request without it, so the block's opaque data is the key with an empty text
  (``{"reasoning_content":""}``): the name is all that the block does not hold. Its provider is the
  key, for nothing on the wire says whose it is.
- ``reasoning_details``: each detail is a block, for each has a signature of its own.
- ``thinking_blocks``: blocks as Claude has them, in pieces or whole, among them ``redacted_thinking``,
  which is opaque data only. An empty signature is none; one that comes late seals the reasoning
  that came before it, under whichever key, and its entry may say that text as a whole again.

As parts of the content there are three spellings: ``reasoning`` with a ``summary``, ``thinking`` with
a string, ``thinking`` with a list.

What goes back with a list's entry or a part is the thing itself with its text taken out, for the
block has that; one that came without text is kept byte for byte. After reasoning that came under a
plain key alone, an entry or part of any spelling that has no text, or that very text as a whole,
belongs to it and seals it. In a whole message each detail, and what else has text, is one of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway_stream.events import Opaque
from gateway_stream.wire.json_text import compact

if TYPE_CHECKING:
    from gateway_stream.wire.answer import AnswerWriter
    from gateway_stream.wire.openai_chat.blocks import Blocks
    from gateway_stream.wire.openai_chat.place import Place
    from gateway_stream.wire.openai_chat.views import Delta

__all__ = ["Reasoning"]

_FAMILY: Final = "openai_chat"
_PLAIN: Final = {
    key: Opaque(_FAMILY, key, f'{{"{key}":""}}')
    for key in ("reasoning_content", "reasoning", "reasoning_text", "thinking")
}
_DETAIL_TEXT: Final = {"reasoning.text": "text", "reasoning.summary": "summary"}


class Reasoning:
    """Reads reasoning into the blocks of one answer.

    Attributes:
        whole: whether the answer is a whole message, and not one in pieces.
    """

    def __init__(self, writer: AnswerWriter, blocks: Blocks) -> None:
        self._writer = writer
        self._blocks = blocks
        self._detail: dict[str, Any] = {}
        self._run: list[str] = []  # the text of the block that runs, or ran last
        self.whole = False
        self._is_plain = False  # whether all of it came under a plain key

    def _write(
        self, text: str, seal: Opaque | None = None, *, key: object = None, plain: bool = False
    ) -> bool:
        begins = self._blocks.write("reasoning", text, seal, key=key)
        if begins:
            self._run = []
        if text:
            self._run.append(text)
            self._is_plain = plain and (begins or self._is_plain)
        return begins

    def _set_apart(self, text: str) -> None:
        """What has ``text`` follows: in a whole message it is no more of what came before."""
        if self.whole and text:
            self._blocks.end_run()

    def _ends_with(self, text: str) -> bool:
        """Whether an entry with ``text`` belongs to the reasoning that came under a plain key."""
        runs = self._is_plain and self._blocks.runs("reasoning")
        return runs and (not text or "".join(self._run) == text)

    def _keep(self, opaque: Opaque) -> None:
        self._blocks.keep(self._blocks.current("reasoning"), opaque)

    # Beside the content.

    def take(self, delta: Delta, place: Place) -> None:
        """The reasoning that a delta has under keys of its own."""
        plain = self._plain(delta)
        details = delta.reasoning_details or ()
        thoughts = delta.thinking_blocks or ()
        told = "".join(map(_detail_text, details))
        thought = "".join(map(_thought, thoughts))
        if told and told == thought:
            thoughts = ()
        told = told or thought
        if not told:
            self._write_plain(plain)
        elif plain:
            self._is_plain = False
        for number, entry in enumerate(details):
            if isinstance(entry, dict):
                self._take_detail(entry, place, number)
        beside = next(iter(plain.values()), None)
        for number, entry in enumerate(thoughts):
            if isinstance(entry, dict):
                self._take_thought(entry, place, number, beside)
        if told:
            self._compare(plain, told)

    def _write_plain(self, plain: dict[str, str]) -> None:
        for text, key in plain.items():
            if self._write(text, plain=True):
                self._keep(_PLAIN[key])

    def _compare(self, plain: dict[str, str], told: str) -> None:
        """What the plain keys say beyond what was ``told`` beside them."""
        for text in plain:
            if text.startswith(told):
                self._go_on(text[len(told) :])
            elif not told.startswith(text):
                self._writer.notice("delta_mismatch", "reasoning is told twice and differs")

    def _plain(self, delta: Delta) -> dict[str, str]:
        """The different texts under the plain keys, each with its key; the longer of two alike."""
        plain: dict[str, str] = {}
        for key in _PLAIN:
            text = getattr(delta, key)
            if text and not isinstance(text, str):
                self._writer.notice("invalid_field", "reasoning that is no text")
            elif text and not any(known.startswith(text) for known in plain):
                alike = [known for known in plain if text.startswith(known)]
                plain[text] = plain[alike[0]] if alike else key
                for known in alike:
                    del plain[known]
        return plain

    def _go_on(self, text: str) -> None:
        """More of the reasoning that was written last."""
        if text:
            self._writer.delta(self._blocks.current("reasoning"), text)
            self._run.append(text)

    def _take_detail(self, entry: dict[str, Any], place: Place, number: int) -> None:
        field = _DETAIL_TEXT.get(str(entry.get("type")))
        if field is None:
            json = place.cut(entry, "reasoning_details", number)
            opaque = Opaque(_FAMILY, "openrouter", f'{{"reasoning_details":[{json}]}}')
            self._blocks.single("reasoning", opaque=opaque)
            return
        said = {name: value for name, value in entry.items() if value is not None and name != field}
        text = _detail_text(entry)
        if self._ends_with(text):
            self._write("", Opaque(_FAMILY, "openrouter", compact({"reasoning_details": [said]})))
            return
        if self.whole:
            self._blocks.end_run()
        key = (entry.get("type"), str(entry.get("index")))
        begins = self._write(text, key=key)
        before = {} if begins else self._detail
        if begins or before.items() != {**before, **said}.items():
            self._detail = {**before, **said}
            json = compact({"reasoning_details": [self._detail]})
            self._keep(Opaque(_FAMILY, "openrouter", json))

    def _take_thought(
        self, entry: dict[str, Any], place: Place, number: int, plain: str | None
    ) -> None:
        """An entry of ``thinking_blocks``; ``plain`` is the key that says the same beside it."""
        text, signed = _thought(entry), bool(entry.get("signature"))
        if not (text or signed):
            if entry.get("type") != "thinking":
                json = place.cut(entry, "thinking_blocks", number)
                provider = "anthropic" if entry.get("type") == "redacted_thinking" else _FAMILY
                opaque = Opaque(_FAMILY, provider, f'{{"thinking_blocks":[{json}]}}')
                self._blocks.single("reasoning", opaque=opaque)
            return
        self._set_apart(text)
        emptied = {"thinking_blocks": [{**entry, "thinking": ""} if text else entry]}
        if signed:
            json = place.cut(entry, "thinking_blocks", number) if not text else ""
            json = f'{{"thinking_blocks":[{json}]}}' if json else compact(emptied)
            again = bool(text) and self._blocks.runs("reasoning") and "".join(self._run) == text
            self._write("" if again else text, Opaque(_FAMILY, "anthropic", json))
        elif plain:
            if self._write(text):
                self._keep(_PLAIN[plain])
        else:
            self._write_unsigned(text, emptied)

    # Parts of the content.

    def take_summary(
        self, part: dict[str, Any], entries: list[Any], place: Place, number: int
    ) -> None:
        """Reasoning as a summary in parts, each with its signature or, hidden, its data."""
        for entry in entries:
            if not isinstance(entry, dict):
                continue
            text = entry.get("text")
            text = text if isinstance(text, str) else ""
            self._set_apart(text)
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
                self._write("" if self._ends_with(text) else text, opaque)

    def take_thinking(self, part: dict[str, Any], place: Place, number: int) -> None:
        """Reasoning as a part of thinking: a string as Claude has it, or a list of texts."""
        thinking = part["thinking"]
        nested = isinstance(thinking, list)
        pieces = [entry for entry in thinking if isinstance(entry, dict)] if nested else []
        texts = [entry["text"] for entry in pieces if isinstance(entry.get("text"), str)]
        text = "".join(texts) if nested else thinking
        self._set_apart(text)
        empty: Any = [{"type": "text", "text": ""}] if nested else ""
        emptied = {**part, "thinking": empty}
        if part.get("signature"):
            provider = _FAMILY if nested else "anthropic"
            bare = not text and not nested
            json = place.cut(part, "content", number) if bare else compact(emptied)
            opaque = Opaque(_FAMILY, provider, json)
            self._write("" if self._ends_with(text) else text, opaque)
        else:
            self._write_unsigned(text, emptied)
        for entry in pieces:
            if not isinstance(entry.get("text"), str):
                self._blocks.single("other", opaque=Opaque(_FAMILY, _FAMILY, compact(entry)))

    def _write_unsigned(self, text: str, emptied: dict[str, Any]) -> None:
        opaque = Opaque(_FAMILY, _FAMILY, compact(emptied))
        if text and self._ends_with(text):
            self._write("", opaque)
        elif text and self._write(text):
            self._keep(opaque)


def _detail_text(entry: Any) -> str:
    field = _DETAIL_TEXT.get(str(entry.get("type"))) if isinstance(entry, dict) else None
    text = entry[field] if field and field in entry else None
    return text if isinstance(text, str) else ""


def _thought(entry: Any) -> str:
    text = entry.get("thinking") if isinstance(entry, dict) else None
    return text if isinstance(text, str) else ""
