"""An answer on a terminal, as it comes.

Prose is printed as it is, reasoning dimmed, tool calls and what was counted set apart. What a model
writes is data: control characters, which a terminal would obey, are taken out, but for tabs and line
ends. Notices go to the side console.

``prose_only`` is for output that a program reads: the prose alone, as the model wrote it. It goes to
the file and not through the console, which would lay it out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rich.text import Text

from gateway_stream.events import (
    BlockEnd,
    BlockStart,
    Event,
    Media,
    Notice,
    ReasoningDelta,
    RefusalDelta,
    Source,
    TextDelta,
    ToolCallDelta,
)

if TYPE_CHECKING:
    from rich.console import Console

    from gateway_stream.turn import Turn

__all__ = ["Renderer", "summary", "without_controls"]

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_STYLES: Final = {"reasoning": "dim italic", "tool_call": "cyan", "refusal": "yellow"}


class Renderer:
    """Prints the events of one answer."""

    def __init__(self, out: Console, side: Console, *, prose_only: bool = False) -> None:
        self._out = out
        self._side = side
        self._prose_only = prose_only
        self._fresh = True  # whether the cursor stands at the beginning of a line
        self._calls: set[int] = set()
        self._texts: set[int] = set()

    def show(self, event: Event) -> None:
        """Print one event."""
        match event:
            case TextDelta(_, text):
                self._write(text)
            case ReasoningDelta(_, text):
                self._aside(text, _STYLES["reasoning"])
            case RefusalDelta(_, text):
                self._write(text, _STYLES["refusal"])
            case ToolCallDelta(_, arguments):
                self._aside(arguments, _STYLES["tool_call"])
            case BlockStart():
                self._begin(event)
            case BlockEnd():
                self._finish(event)
            case _:
                self._show_rare(event)

    def _show_rare(self, event: Event) -> None:
        match event:
            case Media(_, media_type, _, url):
                self._aside(f"[{media_type or 'media'}{': ' + url if url else ''}]", "magenta")
            case Source(_, url, title, _):
                self._aside(f" [{title or url}]", "blue")
            case Notice(code, detail):
                self._note(f"{code}: {detail}" if detail else code)
            case _:
                pass

    def end_line(self) -> None:
        """Begin a new line unless one has begun."""
        if not self._fresh:
            self._write("\n")

    def _begin(self, block: BlockStart) -> None:
        if block.kind == "text":
            self._texts.add(block.index)
        elif not self._prose_only:
            self.end_line()
        if block.kind == "tool_call":
            self._calls.add(block.index)
            self._aside(f"{block.name or 'tool'}(", _STYLES["tool_call"])
        elif block.kind in ("server_tool", "server_result", "other"):
            self._aside(f"[{block.kind}{': ' + block.name if block.name else ''}]", "dim")

    def _finish(self, block: BlockEnd) -> None:
        if block.index in self._calls:
            end = ")" if block.status == "complete" else f" … {block.status})"
            self._aside(end, _STYLES["tool_call"])
        # One sentence may come as several blocks of text, for the sake of its sources.
        if not self._prose_only and block.index not in self._texts:
            self.end_line()

    def _write(self, text: str, style: str = "") -> None:
        text = without_controls(text)
        if not text:
            return
        self._fresh = text.endswith("\n")
        if self._prose_only:
            self._out.file.write(text)
        else:
            self._out.print(Text(text, style), end="", soft_wrap=True)
        self._out.file.flush()

    def _aside(self, text: str, style: str) -> None:
        if not self._prose_only:
            self._write(text, style)

    def _note(self, text: str) -> None:
        self._side.print(Text(without_controls(text)[:200], "dim yellow"), soft_wrap=True)


def without_controls(text: str) -> str:
    """The text without characters that a terminal would obey; tabs and line ends stay."""
    return _CONTROL.sub("", text)


def summary(turn: Turn) -> str:
    """What was counted and how long it took, in one line."""
    usage, timings = turn.usage, turn.timings
    facts = [f"stop {turn.stop.reason}"]
    if usage.input is not None or usage.output is not None:
        facts.append(f"{usage.input or 0} tokens in, {usage.output or 0} out")
    if usage.reasoning:
        facts.append(f"{usage.reasoning} of them reasoning")
    if usage.cache_read:
        facts.append(f"{usage.cache_read} read from the cache")
    if timings is not None and timings.first_content is not None and timings.last is not None:
        facts.append(f"first content after {timings.first_content * 1000:.0f} ms")
        facts.append(f"all after {timings.last * 1000:.0f} ms")
    return " · ".join(facts)
