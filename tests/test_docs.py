"""Every Python snippet of the documents runs as it stands, against a gateway on this machine.

A snippet that cannot, for a reason that its page gives, stands behind an HTML comment that begins
with ``test:``. Snippets that begin with a comment that names a file make up those files, and the
files of a page are run as a test suite.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from gateway_stream.testing import FakeGateway
from gateway_stream.testing.simulation import SimulatedModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SNIPPET = re.compile(r"(?P<mark><!-- test: [^>]*-->\n)?```python\n(?P<code>.*?)```", re.DOTALL)
FILE = re.compile(r"# (\S+\.py)\n")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def snippets() -> list[object]:
    found_all: list[object] = []
    for page in PAGES:
        text = page.read_text()
        for found in SNIPPET.finditer(text):
            line = text.count("\n", 0, found.start("code")) + 1
            name = f"{page.relative_to(ROOT)}:{line}"
            runs = not found["mark"]
            if FILE.match(found["code"]):
                continue
            found_all.append(pytest.param(found["code"], runs, id=name))
    return found_all


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def gateway() -> AsyncIterator[FakeGateway]:
    async with FakeGateway(default=SimulatedModel()) as gateway:
        yield gateway


def environ(gateway: FakeGateway, home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DATABRICKS_")}
    return kept | {"DATABRICKS_HOST": gateway.url, "HOME": str(home)}


@pytest.mark.parametrize(("code", "runs"), snippets())
async def test_a_snippet_runs(gateway: FakeGateway, code: str, runs: bool, tmp_path: Path) -> None:
    ast.parse(code)
    if not runs:
        return
    with anyio.fail_after(30):
        done = await anyio.run_process(
            [sys.executable, "-W", "error", "-c", code], env=environ(gateway, tmp_path), check=False
        )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def files_of(page: Path) -> dict[str, str]:
    """The files that a page's snippets make up."""
    files: dict[str, str] = {}
    for found in SNIPPET.finditer(page.read_text()):
        if named := FILE.match(found["code"]):
            files[named[1]] = files.get(named[1], "") + found["code"]
    return files


WITH_FILES = [page for page in PAGES if files_of(page)]


@pytest.mark.parametrize("page", WITH_FILES, ids=lambda page: str(page.relative_to(ROOT)))
async def test_the_files_of_a_page_pass_as_a_test_suite(
    gateway: FakeGateway, page: Path, tmp_path: Path
) -> None:
    for name, code in files_of(page).items():
        (tmp_path / name).write_text(code)
    with anyio.fail_after(60):
        done = await anyio.run_process(
            [sys.executable, "-m", "pytest", "-q", "-W", "error", "--rootdir", str(tmp_path), str(tmp_path)],
            env=environ(gateway, tmp_path), check=False, cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target
