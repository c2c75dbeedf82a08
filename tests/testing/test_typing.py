"""How the kit is typed, as the checker of its users sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

USE = """
from typing import assert_type

from gateway_stream.testing import FakeGateway, Received


class Mine(FakeGateway):
    pass


async def use() -> None:
    async with Mine() as gateway:
        assert_type(gateway.requests, list[Received])
        assert_type(gateway.connections_open, int)
        assert_type(gateway.connections_made, int)
        assert_type(gateway.in_flight, int)
        assert_type(gateway.disconnects, int)
        assert_type(gateway.bytes_written, int)
        await gateway.wait_for(lambda it: it.connections_open == 0 and not it.requests)
"""


def test_the_counts_have_types_for_pyright(tmp_path: Path) -> None:
    settings = {"typeCheckingMode": "strict", "include": ["."], "extraPaths": [str(ROOT)]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    (tmp_path / "use.py").write_text(USE)
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
