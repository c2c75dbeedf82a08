"""The server as a process of its own, for as long as something is measured.

It listens twice, in the clear and with TLS. Its certificate is made for the occasion with ``openssl``,
signs itself, and is for 127.0.0.1; a client trusts it by ``SSL_CERT_FILE``. Where there is no
``openssl`` there is no TLS, and what needs it is not measured.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Playing", "certificate", "playing"]


class Playing(NamedTuple):
    """Where the server listens. ``tls`` and ``certificate`` are empty where there is no TLS."""

    plain: str
    tls: str = ""
    certificate: str = ""


def certificate(folder: Path) -> Path | None:
    """Make a certificate with its key, in one file; ``None`` where ``openssl`` cannot."""
    openssl = shutil.which("openssl")
    made, key = folder / "certificate.pem", folder / "key.pem"
    if openssl is None:
        return None
    done = subprocess.run(  # noqa: S603
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-noenc", "-days", "2", "-subj", "/CN=benchmarks"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(made)),
        ],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        return None
    made.write_text(made.read_text() + key.read_text())
    return made


@contextmanager
def playing() -> Iterator[Playing]:
    """A server that plays; it ends with the block, or with this process."""
    with TemporaryDirectory() as folder:
        made = certificate(Path(folder))
        command = [sys.executable, "-m", "benchmarks.server", *([str(made)] if made else [])]
        with subprocess.Popen(  # noqa: S603
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdin  # noqa: S101
            assert server.stdout  # noqa: S101
            try:
                plain, *tls = json.loads(server.stdout.readline())
                yield Playing(
                    f"http://127.0.0.1:{plain}",
                    *[f"https://127.0.0.1:{port}" for port in tls],
                    str(made or ""),
                )
            finally:
                server.stdin.close()
