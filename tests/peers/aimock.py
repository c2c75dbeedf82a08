"""aimock: an independent server of all four wire families, from npm.

It is installed by npm at first use, at the version and checksum of ``node/package-lock.json``.

What it answers stands in ``answers.json``, chosen by a word in the prompt and, in the tool loop, by
what came back from the tool. It refuses a request that no entry fits and a key that is not
`KEY`, so an answer is also proof that it understood the request.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.peers import npm
from tests.peers.servers import running

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KEY", "install", "serving"]

KEY: Final = "key-for-tests"
_HERE: Final = Path(__file__).parent
_PACKAGE: Final = "@copilotkit/aimock"
_START_SECONDS: Final = 30.0


def install(cache: Path) -> Path:
    """The folder of the installed package, below ``cache``. Skips where it cannot be had."""
    return npm.install(_HERE / "node", cache) / "node_modules" / _PACKAGE


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
