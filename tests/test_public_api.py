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


LOADED = "import sys; bare = set(sys.modules); {}; print(*sorted(set(sys.modules) - bare))"

ACTIONS = """
import sys
seen = []
def watch(event, arguments):
    if event.split(".")[0] in ("socket", "subprocess", "shutil", "tempfile", "ctypes"):
        seen.append(event)
    elif event in ("os.mkdir", "os.rename", "os.remove", "os.fork", "os.posix_spawn", "os.putenv"):
        seen.append(event)
    elif event == "open" and arguments[2] & 0b11:  # to write
        seen.append(f"open {arguments[0]}")
sys.addaudithook(watch)
"""


def printed(code: str) -> list[str]:
    """The words that a fresh interpreter prints; it writes no bytecode."""
    command = [sys.executable, "-B", "-c", code]
    run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S603
    return run.stdout.split()


TOO_MUCH_FOR_AN_IMPORT = {
    *("aiohttp", "anyio", "asyncio", "backoff", "yarl"),
    *("concurrent.futures", "multiprocessing", "socket", "ssl", "subprocess", "threading"),
    *("_hashlib", "configparser", "dataclasses", "difflib", "email", "hmac", "html", "http"),
    *("logging", "pathlib", "random", "tempfile", "tomllib", "urllib.parse", "urllib.request"),
    *("databricks", "hypothesis", "pydantic", "pytest", "rich", "typer"),
}
"""What only a client, an error, a profile or a test needs. They cost more than all the rest."""


def test_importing_the_package_loads_little() -> None:
    loaded = printed(LOADED.format("import gateway_stream"))
    assert "gateway_stream.client" in loaded
    assert TOO_MUCH_FOR_AN_IMPORT & set(loaded) == set()


def test_making_a_client_loads_no_aiohttp() -> None:
    code = "import gateway_stream; gateway_stream.Client(host='http://127.0.0.1:9')"
    assert "aiohttp" not in printed(LOADED.format(code))


def test_importing_the_package_starts_no_thread() -> None:
    assert printed("import gateway_stream, threading; print(threading.active_count())") == ["1"]


def test_importing_the_package_writes_no_file_and_speaks_to_nobody() -> None:
    assert printed(f"{ACTIONS}\nimport gateway_stream\nprint(*seen)") == []


@pytest.mark.parametrize(
    ("action", "event"),
    [
        ("open('/dev/null', 'w')", "open"),
        ("import socket; socket.socket()", "socket.__new__"),
    ],
)
def test_the_watch_on_imports_sees(action: str, event: str) -> None:
    assert event in printed(f"{ACTIONS}\n{action}\nprint(*seen)")
