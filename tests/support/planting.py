"""Planting a credential on a machine, and looking for it in everything that a program could show.

Frames of tests are left out of tracebacks, since these planted it.
"""

from __future__ import annotations

import base64
import os
import pickle
import tempfile
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import pytest

from gateway_stream.testing import Received

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway_stream import Client

TESTS: Final = str(Path(__file__).parents[1])


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those behind it that tools show."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for each in error.exceptions:
                yield from chain(each)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def told_of(error: BaseException) -> str:
    parts = []
    for each in chain(error):
        frames = [
            (frame, line)
            for frame, line in traceback.walk_tb(each.__traceback__)
            if not frame.f_code.co_filename.startswith(TESTS)
        ]
        stack = traceback.StackSummary.extract(iter(frames), capture_locals=True)
        parts += [*stack.format(), str(each), repr(each), repr(each.args), repr(vars(each))]
    return "".join(parts)


def pickled(thing: object) -> str:
    """What a pickle of it holds, or what the refusal to pickle says."""
    try:
        return pickle.dumps(thing).decode("latin-1")
    except Exception as error:  # noqa: BLE001  as every kind of thing fails in a way of its own
        return told_of(error)


def shown(thing: object) -> str:
    """Everything that a program could show of a thing."""
    if isinstance(thing, BaseException):
        return told_of(thing) + pickled(thing)
    parts = [repr(thing), str(thing)]
    if not isinstance(thing, Received):  # which holds what a test's server got
        parts.append(pickled(thing))
    if hasattr(thing, "__dict__") and not isinstance(thing, Received):
        parts.append(repr(vars(thing)))
    return "".join(parts)


class Place:
    """A machine on which a credential is planted, and what was seen there."""

    def __init__(self, token: str, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.token = token
        self.folder = folder
        self.patch = patch
        self.seen: list[object] = []

    @contextmanager
    def failing(self) -> Iterator[None]:
        """See an error, if there is one."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  each is looked at
            self.seen.append(error)

    def variable(self, name: str, value: str) -> None:
        self.patch.setenv(name, value)

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    async def ask(self, client: Client) -> None:
        self.seen.append(client)
        with self.failing():
            async with client:
                await client.complete("claude", "hi")


@contextmanager
def a_place(token: str) -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("DATABRICKS_") or name.lower().endswith("_proxy"):
                patch.delenv(name)
        patch.setenv("HOME", folder)
        patch.setenv("GATEWAY_STREAM_HOME", f"{folder}/home")
        patch.setenv("DATABRICKS_AUTH_STORAGE", "plaintext")
        patch.setenv("DATABRICKS_MAX_RETRIES", "0")
        yield Place(token, Path(folder), patch)


def guises(token: str) -> set[str]:
    """The texts in which a token may show itself: as in an address, and wherever it stands in base64."""
    plain = token.encode()
    shifted = (base64.b64encode(b"\0" * shift + plain).decode() for shift in range(3))
    # Without the ends, which depend on what stands beside it.
    return {token, quote(token, safe=""), plain.hex(), *(text[4:-4] for text in shifted)}


def check(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    assert place.seen
    told = [*map(shown, place.seen), caplog.text, *(repr(vars(each)) for each in caplog.records)]
    for text in told:
        for token in guises(place.token):
            assert token not in text, text[max(0, text.index(token) - 400) :][:800]
