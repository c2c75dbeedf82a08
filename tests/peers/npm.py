"""Servers from npm, installed at first use.

Each has a folder here with its ``package.json``, which names one package, and the ``package-lock.json`` that
pins all that belongs to it. It is installed into a folder that outlives the run. That folder gets its
name when it is whole, so runs at the same time do not see each other's halves. Where Node, npm or the
registry is missing, the tests that need it are skipped, and the reason says what is.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import pytest

__all__ = ["install"]

_INSTALL_SECONDS: Final = 90
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


def install(source: Path, cache: Path) -> Path:
    """The folder that has ``node_modules``, below ``cache``. Skips where it cannot be had."""
    ((package, version),) = json.loads((source / "package.json").read_text())[
        "dependencies"
    ].items()
    name = package.rpartition("/")[2]
    if shutil.which("node") is None:
        pytest.skip(f"{name} needs Node.js, and there is no 'node' on PATH")
    place = cache / f"{name}-{version}"
    if not place.exists():
        _install_into(place, source, name)
    return place


def _install_into(place: Path, source: Path, name: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"{name} is installed with npm, and there is no 'npm' on PATH")
    with tempfile.TemporaryDirectory(dir=place.parent, ignore_cleanup_errors=True) as folder:
        making = Path(folder) / "making"
        shutil.copytree(source, making)
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
            pytest.skip(f"npm did not install {name} within {_INSTALL_SECONDS} seconds")
        if done.returncode:
            reason = done.stderr.strip().partition("\n")[0] or f"status {done.returncode}"
            pytest.skip(f"npm cannot install {name}: {reason}")
        try:
            making.rename(place)
        except OSError:
            if not place.exists():  # another run was not faster
                raise
