"""What people run: the command line, each command thin over `gateway_stream.Client`."""

from __future__ import annotations

import sys

__all__ = ["run"]


def run() -> None:
    """Run the command line, or say what it needs."""
    try:
        from gateway_stream.apps.cli import main  # noqa: PLC0415  the extra may be missing
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.stderr.write(
            "gateway-stream: the command line needs pip install 'gateway-stream[cli]'\n"
        )
        sys.exit(2)
    main()
