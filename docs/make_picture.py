"""Draws the picture of the demo in the README: ``make picture``."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import anyio
from rich.console import Console
from rich.text import Text

from gateway_stream.apps.demo import run_demo

WIDTH = 110


def main(path: Path) -> None:
    """Run the demo, wrap what it showed, and write it as a picture that needs no other file."""
    shown = io.StringIO()
    anyio.run(run_demo, Console(file=shown, width=WIDTH, highlight=False, force_terminal=True))
    drawing = Console(file=io.StringIO(), record=True, width=WIDTH, highlight=False)
    drawing.print(Text.from_ansi(shown.getvalue()))
    picture = drawing.export_svg(title="gateway-stream demo")
    path.write_text(re.sub(r"@font-face\s*\{.*?\}", "", picture, flags=re.DOTALL))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
