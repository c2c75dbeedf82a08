"""One virtual environment for each peer, so that none loads, or holds back, another's packages.

What a peer needs stands in ``peers/<environment>.txt``, as ranges; what was installed is read from
the environment when it is measured and goes into the result. An environment is made once and again
when its requirements change: the text that it was made from lies beside it. One that cannot be made
is a reason in the result and not the end of the run.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.places import ENVIRONMENTS, ROOT

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["NotInstalled", "interpreter", "make", "versions"]

_MINUTES = 15
_VERSIONS = """
import importlib.metadata, json, platform
found = {d.metadata["Name"].lower().replace("_", "-"): d.version for d in importlib.metadata.distributions()}
print(json.dumps({"python": platform.python_version(), **dict(sorted(found.items()))}))
"""


class NotInstalled(Exception):
    """An environment could not be made; its text is the reason, in one line."""


def interpreter(name: str) -> Path:
    """The Python of an environment."""
    return ENVIRONMENTS / name / "bin" / "python"


def make(name: str) -> None:
    """Make an environment, unless it is there.

    Raises:
        NotInstalled: it cannot be made here.
    """
    requirements = ROOT / "benchmarks" / "peers" / f"{name}.txt"
    made_from = ENVIRONMENTS / name / "made-from.txt"
    wanted = f"{sys.version}\n{requirements.read_text()}"
    if made_from.is_file() and made_from.read_text() == wanted:
        return
    folder = ENVIRONMENTS / name
    shutil.rmtree(folder, ignore_errors=True)
    python, uv = str(interpreter(name)), shutil.which("uv")
    if uv:
        _run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)])
        _run([uv, "pip", "install", "--quiet", "--python", python, "-r", str(requirements)])
    else:
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([python, "-m", "pip", "install", "--quiet", "-r", str(requirements)])
    made_from.write_text(wanted)


def versions(name: str) -> dict[str, str]:
    """What is installed in an environment."""
    out = subprocess.run(  # noqa: S603
        [interpreter(name), "-c", _VERSIONS], capture_output=True, text=True, check=True
    )
    found: dict[str, str] = json.loads(out.stdout)
    return found


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd=ROOT, capture_output=True, text=True, timeout=_MINUTES * 60, check=False
        )
    except subprocess.TimeoutExpired:
        message = f"installing took longer than {_MINUTES} minutes"
        raise NotInstalled(message) from None
    if done.returncode:
        last = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise NotInstalled(last)
