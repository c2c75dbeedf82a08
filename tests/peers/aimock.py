"""aimock: an independent server of all four wire families, from npm.

It is installed at first use, at the version and checksum of ``node/package-lock.json``, into a
folder that outlives the run. The folder gets its name when it is whole, so runs at the same time do
not see each other's halves. Where Node, npm or the registry is missing, the tests that need it are
skipped, and the reason says what is.

What it answers stands in ``answers.json``, chosen by a word in the prompt and, in the tool loop, by
what came back from the tool. It refuses a request that no entry fits and a key that is not
`KEY`, so an answer is also proof that it understood the request.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.peers.servers import running

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KEY", "install", "serving"]

KEY: Final = "key-for-tests"
_HERE: Final = Path(__file__).parent
_PACKAGE: Final = "@copilotkit/aimock"
_INSTALL_SECONDS: Final = 90
_START_SECONDS: Final = 30.0
_CLEAN_INSTALL: Final = (
    "ci",
    "--ignore-scripts",
    "--engine-strict",
    "--no-audit",
    "--no-fund",
    "--fetch-retries=1",
    "--fetch-retry-mintimeout=1000",
    "--fetch-timeout=30000",
    "--loglevel=error",
)


def install(cache: Path) -> Path:
    """The folder of the installed package, below ``cache``. Skips where it cannot be had."""
    if shutil.which("node") is None:
        pytest.skip("aimock needs Node.js, and there is no 'node' on PATH")
    version = json.loads((_HERE / "node/package.json").read_text())["dependencies"][_PACKAGE]
    place = cache / f"aimock-{version}"
    if not place.exists():
        _install_into(place)
    return place / "node_modules" / _PACKAGE


def _install_into(place: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("aimock is installed with npm, and there is no 'npm' on PATH")
    with tempfile.TemporaryDirectory(dir=place.parent, ignore_cleanup_errors=True) as name:
        making = Path(name) / "making"
        shutil.copytree(_HERE / "node", making)
        try:
            done = subprocess.run(  # noqa: S603  npm itself
                [npm, *_CLEAN_INSTALL],
                cwd=making,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_INSTALL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"npm did not install aimock within {_INSTALL_SECONDS} seconds")
        if done.returncode:
            reason = done.stderr.strip().partition("\n")[0] or f"status {done.returncode}"
            pytest.skip(f"npm cannot install aimock: {reason}")
        try:
            making.rename(place)
        except OSError:
            if not place.exists():  # another run was not faster
                raise


@contextmanager
def serving(package: Path, folder: Path) -> Iterator[str]:
    """The origin of an aimock that answers by ``answers.json`` and takes `KEY` alone."""
    command = (
        *("node", package / "dist/cli.js", "--host", "127.0.0.1", "--port", "0"),
        *("--fixtures", _HERE / "answers.json", "--validate-on-load", "--strict"),
        *("--chunk-size", "5"),
    )
    with running(
        command, folder, seconds=_START_SECONDS, environ={"AIMOCK_API_KEYS": KEY}
    ) as origin:
        yield origin
