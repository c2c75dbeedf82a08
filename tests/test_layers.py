"""The house's layers, read from its imports: one direction, and rules of what may stand where."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PACKAGE = "gateway_stream"

LAYERS: Final = [
    {"events", "partial_json"},
    {"errors"},
    {"turn"},
    {"tools"},
    {"request"},
    {"wire"},
    {"net"},
    {"gateway", "auth"},
    {"attempts", "options", "writing"},
    {"incoming"},
    {"stream", "tee"},
    {"budget", "ledger", "sending"},
    {"client", "session"},
    {"fanout"},
    {"testing", "apps"},
]
"""Lowest first. Each may import from its own layer and from those below it."""

RANK: Final = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}


@functools.cache
def modules() -> dict[str, ast.Module]:
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text(), str(path))
    return found


def part_of(module: str) -> str | None:
    """The part of the house that a module is in; None for the package itself."""
    names = module.split(".")
    return names[1] if len(names) > 1 else None


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only type checkers read."""
    for child in ast.iter_child_nodes(node):
        if is_type_checking(child):
            assert isinstance(child, ast.If)
            for other in child.orelse:
                yield other
                yield from walk(other)
            continue
        yield child
        yield from walk(child)


def imported(nodes: Iterator[ast.AST] | list[ast.stmt]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                if alias.name == "__version__":  # of the whole house, and so of no layer
                    continue
                full = f"{node.module}.{alias.name}"
                yield full if full in modules() else str(node.module)


def own_imports(module: str) -> set[str]:
    return {name for name in imported(walk(modules()[module])) if name.split(".")[0] == PACKAGE}


NAMES = sorted(modules())


def test_there_is_a_house_to_look_at() -> None:
    assert len(NAMES) > 20
    assert "gateway_stream.events" in own_imports("gateway_stream.turn")


def test_every_part_has_its_layer() -> None:
    parts = {part_of(name) for name in NAMES} - {None}
    assert parts - set(RANK) == set()


@pytest.mark.parametrize("module", NAMES)
def test_a_module_imports_only_from_below(module: str) -> None:
    part = part_of(module)
    if part is None:
        return
    for name in own_imports(module):
        below = part_of(name)
        if below is None:
            assert RANK[part] == len(LAYERS) - 1, f"{module} imports the package itself"
        else:
            assert RANK[below] <= RANK[part], f"{module} imports {name}"


def test_no_imports_go_in_circles() -> None:
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in done:
            for name in at_import(module):
                visit(name, (*path, module))
            done.add(module)

    for module in NAMES:
        visit(module, ())


def at_import(module: str) -> set[str]:
    """Modules of the house that importing this one runs, its own package aside."""
    tree = modules()[module]
    return {name for name in imported(top(tree)) if name.startswith(PACKAGE) and name != module}


def top(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run when a module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if not is_type_checking(child):
            yield child
            yield from top(child)


WIRE = [name for name in NAMES if part_of(name) in {"events", "errors", "turn", "request", "wire"}]
PURE_FORBIDS = {"asyncio", "anyio", "aiohttp", "socket", "ssl", "time", "os", "threading", "random"}
CLOCKS = {"now", "utcnow", "today"}


@pytest.mark.parametrize("module", WIRE)
def test_what_is_pure_waits_for_nothing_and_asks_nobody(module: str) -> None:
    for node in walk(modules()[module]):
        kinds = ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith
        assert not isinstance(node, kinds), f"{module}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr not in CLOCKS, f"{module}:{node.lineno}"
    roots = {name.split(".")[0] for name in imported(walk(modules()[module]))}
    assert roots & PURE_FORBIDS == set()


@pytest.mark.parametrize("module", NAMES)
def test_aiohttp_stays_where_the_sockets_are(module: str) -> None:
    roots = {name.split(".")[0] for name in imported(walk(modules()[module]))}
    assert "aiohttp" not in roots or part_of(module) in {"net", "testing", "apps"}


MANAGERS = {"asynccontextmanager", "contextmanager", "fixture"}


def yields_inside_async_with(tree: ast.AST) -> Iterator[int]:
    """Lines of generators that a caller can leave behind in the middle of an ``async with``."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if any(
            MANAGERS & set(ast.unparse(mark).replace("(", ".").split("."))
            for mark in node.decorator_list
        ):
            continue
        for inner in own_nodes(node):
            if isinstance(inner, ast.AsyncWith):
                bad = [
                    n.lineno for n in own_nodes(inner) if isinstance(n, ast.Yield | ast.YieldFrom)
                ]
                yield from bad


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes of a function, without those of functions in it."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from own_nodes(child)


@pytest.mark.parametrize("module", NAMES)
def test_no_generator_yields_inside_async_with(module: str) -> None:
    assert list(yields_inside_async_with(modules()[module])) == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("async def f():\n async with a:\n  yield 1", [3]),
        ("async def f():\n async with a:\n  async for x in y:\n   yield x", [4]),
        ("@asynccontextmanager\nasync def f():\n async with a:\n  yield 1", []),
        ("@pytest.fixture(scope='x')\nasync def f():\n async with a:\n  yield 1", []),
        ("async def f():\n async with a:\n  pass\n yield 1", []),
        ("async def f():\n async with a:\n  def g():\n   yield 1", []),
    ],
)
def test_the_search_for_such_yields_finds_them(source: str, lines: list[int]) -> None:
    assert list(yields_inside_async_with(ast.parse(source))) == lines


def test_importing_the_package_does_not_import_aiohttp() -> None:
    code = f"import sys, {PACKAGE}; sys.exit('aiohttp' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)  # noqa: S603
    assert run.returncode == 0
