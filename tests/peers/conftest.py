"""One server for each module, and nothing of the machine's own settings for its clients."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.register_assert_rewrite("tests.peers.scenes")

from tests.peers import aimock as aimock_server  # noqa: E402  after its asserts are to be rewritten
from tests.support.settings import forget_settings  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    forget_settings(monkeypatch, tmp_path)
    monkeypatch.setenv("DATABRICKS_MAX_RETRIES", "0")  # what fails is looked at, once


@pytest.fixture(scope="module")
def aimock(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The origin of an aimock."""
    package = aimock_server.install(Path(request.config.cache.mkdir("peers")))
    with aimock_server.serving(package, tmp_path_factory.mktemp("aimock")) as origin:
        yield origin
