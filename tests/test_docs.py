"""Every Python snippet of the documents runs as it stands, against a gateway on this machine.

A snippet that cannot, for a reason that its page gives, stands behind an HTML comment that begins
with ``test:``. Snippets that begin with a comment that names a file make up those files, and the
files of a page are run as a test suite.

The website is built by ``make docs``, which takes long; what would break it is held here: a page
that its navigation does not name, a link that it cannot follow, a public name on none of its pages.
"""

from __future__ import annotations

import ast
import importlib
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
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
HELD_ELSEWHERE = DOCS / "how-to" / "log-in.md"  # by test_docs_credentials.py
SNIPPET = re.compile(r"(?P<mark><!-- test: [^>]*-->\n)?```python\n(?P<code>.*?)```", re.DOTALL)
FILE = re.compile(r"# (\S+\.py)\n")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
NAVIGATION = re.compile(r"^ +- (?:.+: )?(\S+\.md)$", re.MULTILINE)
GENERATED = re.compile(r"^::: (?P<path>\S+)\n(?P<options>(?: {4}.*\n)*)", re.MULTILINE)
MEMBERS = re.compile(r"members: \[(.*)\]")


def snippets() -> list[object]:
    found_all: list[object] = []
    for page in PAGES:
        if page == HELD_ELSEWHERE:
            continue
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
async def gateway() -> AsyncIterator[FakeGateway]:
    async with FakeGateway(default=SimulatedModel()) as gateway:
        yield gateway


def environ(gateway: FakeGateway, home: Path) -> dict[str, str]:
    not_ours = ("DATABRICKS_", "GATEWAY_STREAM_HOME", "XDG_CONFIG_HOME")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(not_ours)}
    return kept | {"DATABRICKS_HOST": gateway.url, "HOME": str(home)}


@pytest.mark.parametrize(("code", "runs"), snippets())
async def test_a_snippet_runs(gateway: FakeGateway, code: str, runs: bool, tmp_path: Path) -> None:
    ast.parse(code)
    if not runs:
        return
    with anyio.fail_after(30):
        done = await anyio.run_process(
            [sys.executable, "-W", "error", "-c", code],
            env=environ(gateway, tmp_path), check=False, cwd=tmp_path,
        )  # fmt: skip
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


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: str(page.relative_to(ROOT)))
def test_a_link_of_a_page_stays_where_the_website_can_follow(page: Path) -> None:
    published = (DOCS, ROOT / "benchmarks" / "results")
    for target in LINK.findall(page.read_text()):
        linked = (page.parent / target).resolve()
        assert linked.is_file(), f"{target} is a folder"
        assert any(linked.is_relative_to(folder) for folder in published), target


def test_the_navigation_names_every_page_once_and_nothing_else() -> None:
    named = NAVIGATION.findall((DOCS / "website" / "mkdocs.yml").read_text())
    pages = [str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")]
    by_hook = re.compile(r"decisions/2.*")
    assert sorted(named) == sorted(page for page in pages if not by_hook.fullmatch(page))


def generated_names() -> set[tuple[str, int]]:
    """The names on the pages of the API, each with the identity of what it stands for."""
    names: set[tuple[str, int]] = set()
    for page in (DOCS / "reference" / "api").glob("*.md"):
        for found in GENERATED.finditer(page.read_text()):
            try:
                scope = importlib.import_module(found["path"])
            except ModuleNotFoundError:
                module, _, name = found["path"].rpartition(".")
                names.add((name, id(getattr(importlib.import_module(module), name))))
                continue
            chosen = MEMBERS.search(found["options"])
            members = chosen[1].split(", ") if chosen else scope.__all__
            names |= {(name, id(getattr(scope, name))) for name in members}
    return names


def documented_names() -> set[str]:
    """The names in the package's modules that have a docstring: the others are left out."""
    names: set[str] = set()
    for module in (ROOT / "gateway_stream").rglob("*.py"):
        body = ast.parse(module.read_text()).body
        for statement, following in zip(body, [*body[1:], None], strict=True):
            match statement:
                case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                    if ast.get_docstring(statement):
                        names.add(name)
                case ast.AnnAssign(target=ast.Name(id=name)):
                    if isinstance(following, ast.Expr):
                        names.add(name)
                case _:
                    pass
    return names


@pytest.mark.parametrize(
    "public",
    ["gateway_stream", "gateway_stream.auth", "gateway_stream.testing", "gateway_stream.wire"],
)
def test_every_public_name_is_on_a_page_of_the_api(public: str) -> None:
    module = importlib.import_module(public)
    generated, documented = generated_names(), documented_names()
    assert [
        name for name in module.__all__ if (name, id(getattr(module, name))) not in generated
    ] == []
    assert [name for name in module.__all__ if name not in documented] == []
