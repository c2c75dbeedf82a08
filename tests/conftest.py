"""What holds for every test: where recorded streams are, how hypothesis searches, what runs `async`.

A corpus that is named and absent is an error of the whole run, told once and before the first test:
a run that quietly skips what it was asked to hold proves nothing.
"""

from __future__ import annotations

import inspect
import os
import signal

import hypothesis
import pytest

pytest.register_assert_rewrite("tests.support.holding")

from tests.support.corpus import corpus  # noqa: E402  after its asserts are to be rewritten

hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("slow", deadline=None, max_examples=2000)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a corpus that is not there, and choose how hypothesis searches.

    What a shell has its background jobs ignore (Ctrl-C, a hang-up), commands under test would ignore too.
    """
    for ignored in {signal.SIGINT, signal.SIGHUP}:
        if signal.getsignal(ignored) is signal.SIG_IGN:
            signal.signal(ignored, signal.default_int_handler)
    try:
        corpus()
    except FileNotFoundError as error:
        raise pytest.UsageError(str(error)) from error
    if not config.getoption("hypothesis_profile", None):
        hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The one that the package runs on, whichever others an anyio of any age would try."""
    return "asyncio"


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> None:
    """Let anyio's plugin run every `async` test. Its own option for that came with anyio 4.11."""
    if collector.istestfunction(obj, name):
        test = getattr(getattr(obj, "hypothesis", None), "inner_test", obj)
        if inspect.iscoroutinefunction(test):
            pytest.mark.usefixtures("anyio_backend")(obj)
