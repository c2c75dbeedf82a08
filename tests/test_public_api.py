"""What the package offers by name, and what importing it costs others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

import gateway_stream
from gateway_stream import errors, events

ROOT = Path(__file__).parent.parent


def test_every_public_name_is_there_once_and_in_order() -> None:
    names = gateway_stream.__all__
    assert sorted(set(names)) == list(names)
    assert [name for name in names if not hasattr(gateway_stream, name)] == []
    assert [name for name in names if name.startswith("_")] == []


def test_every_event_is_public() -> None:
    assert {kind.__name__ for kind in get_args(events.Event)} <= set(gateway_stream.__all__)


def test_every_error_is_public() -> None:
    assert set(errors.__all__) <= set(gateway_stream.__all__)


@pytest.mark.parametrize("module", ["events", "errors", "turn", "request", "partial_json", "wire"])
def test_a_module_offers_what_it_says_and_no_more(module: str) -> None:
    name = f"gateway_stream.{module}"
    loaded = __import__(name, fromlist=["x"])
    assert sorted(set(loaded.__all__)) == sorted(loaded.__all__)
    assert [offered for offered in loaded.__all__ if not hasattr(loaded, offered)] == []


def test_public_things_say_what_they_are() -> None:
    quiet = [
        name
        for name in gateway_stream.__all__
        if isinstance(thing := getattr(gateway_stream, name), type) and not thing.__doc__
    ]
    assert quiet == []


def test_the_package_is_typed_and_has_a_version() -> None:
    assert (ROOT / "gateway_stream" / "py.typed").is_file()
    assert f'version = "{gateway_stream.__version__}"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    "heavy", ["aiohttp", "pytest", "typer", "rich", "hypothesis", "databricks"]
)
def test_importing_the_package_does_not_import(heavy: str) -> None:
    code = f"import sys, gateway_stream; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0  # noqa: S603


def test_importing_the_package_starts_no_thread() -> None:
    code = "import threading, gateway_stream, sys; sys.exit(threading.active_count() - 1)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0  # noqa: S603
