"""Write the table of what each family's wire carries: ``python docs/make_carries.py``.

The table is printed from `gateway_stream.wire.carries.Carries`, to which the tests hold every encoder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from gateway_stream.events import BlockKind, StopReason
from gateway_stream.wire import FAMILIES
from gateway_stream.wire.carries import Count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway_stream.wire.carries import Carries

PAGE: Final = Path(__file__).parent / "reference" / "families" / "carries.md"
_NAMES: Final = {
    "openai_chat": "OpenAI Chat",
    "openai_responses": "OpenAI Responses",
    "anthropic": "Anthropic",
    "gemini": "Gemini",
}
_HEAD: Final = """\
# What each family carries

An answer of one family can be written in another, which is what a gateway between them does ([how to](../../how-to/translate-between-families.md)). This is what of it arrives. The table is printed from the code that the tests hold every encoder to (`python docs/make_carries.py`): for each answer, recorded or made up, what a family writes is read back as this table says, streamed and whole.

- *yes*: it arrives as it is.
- *as ...*: it arrives as something else; of what is "as `media`" only the images and files arrive.
- *own*: it arrives where the family itself brought it, byte for byte, and is left out of answers of other families.
- *no*: it is left out.

Where a stream and a whole answer differ, the cell says both. Text is never left out, and no call can be run that could not be run before.

"""
_FOOT: Final = """
An answer that asks for tools and ends of itself stops for `tool_use` in every family: where there is no word for it, readers tell it by the calls.

What no family carries: notices, `vendor`, how deltas were cut, and how blocks were mixed. Opaque data (signatures, encrypted reasoning, item ids) is always *own*.
"""


def page() -> str:
    """The whole page."""
    head = "| | " + " | ".join(_NAMES[name] for name in FAMILIES) + " |\n"
    lines = [head, "|---" * (len(FAMILIES) + 1) + "|\n"]
    for title, cell in _rows():
        cells = [_both(cell(family.streamed), cell(family.whole)) for family in FAMILIES.values()]
        lines.append(f"| {title} | " + " | ".join(cells) + " |\n")
    return _HEAD + "".join(lines) + _FOOT


def _rows() -> Iterator[tuple[str, Callable[[Carries], str]]]:
    for kind in get_args(BlockKind):
        yield f"block `{kind}`", lambda carries, kind=kind: _as(kind, carries.blocks.get(kind))
    yield "blocks without content", lambda carries: _all_or(sorted(carries.empty))
    yield "arguments that are no JSON object", lambda carries: _yes(carries.broken_calls)
    yield "text marked as cut in a whole answer", lambda carries: _yes(carries.cut_texts)
    yield (
        "citations (`Source`)",
        lambda carries: _yes(carries.sources) if carries.sources else "own",
    )
    for reason in get_args(StopReason):
        yield (
            f"stop `{reason}`",
            lambda carries, reason=reason: _as(reason, carries.reasons[reason]),
        )
    for count in get_args(Count):
        yield f"count `{count}`", lambda carries, count=count: _yes(count in carries.counts)


def _as(what: str, told: str | None) -> str:
    if told is None:
        return "own"
    return "yes" if told == what else f"as `{told}`"


def _yes(carried: bool) -> str:  # noqa: FBT001  a cell
    return "yes" if carried else "no"


def _all_or(kinds: list[str]) -> str:
    return ", ".join(f"`{kind}`" for kind in kinds) or "no"


def _both(streamed: str, whole: str) -> str:
    return streamed if streamed == whole else f"streamed {streamed}; whole {whole}"


if __name__ == "__main__":
    PAGE.write_text(page())
