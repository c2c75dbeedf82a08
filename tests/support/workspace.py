"""A whole workspace on this machine, under the names that the documents give to theirs.

Programs find it as they would find the real one: by a host of Databricks, over TLS, through what the environment
names as the proxy. So it is shown too that credentials found in the environment are sent there.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
import stat
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trustme

from gateway_stream.testing import FakeGateway, Issuer, Reply
from gateway_stream.testing.simulation import SimulatedModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from gateway_stream.testing import Received

__all__ = [
    "CLI_USER",
    "GITHUB",
    "HOST",
    "PRINCIPAL",
    "RUNNER",
    "SUBJECT",
    "Workspace",
    "open_workspace",
]

HOST = "https://acme.cloud.databricks.com"
AZURE = "adb-1234567890123456.7.azuredatabricks.net"
GITHUB = "pipelines.actions.githubusercontent.com"
PRINCIPAL = "3f7b0c52-8d1e-4a6b-9c0d-5e2f1a7b8c9d"
CLI_USER = "cli@example.com"
PAT = "dapi..."
RUNNER = "runner-key"
HOSTS = (urlsplit(HOST).netloc, AZURE, GITHUB)
MODEL = SimulatedModel()


def jwt(**claims: object) -> str:
    parts = (json.dumps(part).encode() for part in ({"alg": "none"}, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "x"])


SUBJECT = jwt(iss="https://idp.example.com", sub="job-7", aud="databricks", exp=time.time() + 3600)
ENTRA = jwt(upn="ann@example.com", exp=time.time() + 3600)


async def _answer(received: Received) -> Reply | None:
    if received.path == "/idtoken":
        return Reply(body=json.dumps({"value": SUBJECT}).encode(), content_type="application/json")
    return await MODEL(received)


@dataclass(frozen=True)
class Workspace:
    """Where programs are led to, and what they find on their machine."""

    gateway: FakeGateway
    issuer: Issuer
    environ: Mapping[str, str]
    home: Path

    def asked(self) -> list[str | None]:
        """Who asked a model, in order; ``None`` is a token that was given."""
        return [each.identity for each in self.gateway.requests if each.model is not None]


@asynccontextmanager
async def open_workspace(folder: Path) -> AsyncIterator[Workspace]:
    """A workspace for a test, and a machine beside it, in an empty folder."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*HOSTS).configure_cert(context)
    issuer = Issuer(clients={PRINCIPAL: "dose..."})
    async with (
        FakeGateway(
            default=_answer, tokens={PAT, RUNNER, ENTRA}, issuer=issuer, ssl=context
        ) as gateway,
        _proxy(urlsplit(gateway.url).port or 0) as proxy,
    ):
        home = folder / "home"
        home.mkdir()
        environ = {
            "HOME": str(home),
            "PYTHONPATH": str(Path(__file__).parents[2]),  # the package beside these tests
            "PATH": f"{_programs(folder, issuer)}:/usr/bin:/bin",
            "HTTPS_PROXY": proxy,
            "SSL_CERT_FILE": str(folder / "authority.pem"),
            "REQUESTS_CA_BUNDLE": str(folder / "authority.pem"),
            "BROWSER": str(folder / "bin" / "browser"),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        }
        yield Workspace(gateway, issuer, environ, home)


@asynccontextmanager
async def _proxy(port: int) -> AsyncIterator[str]:
    """A proxy that leads everybody to one port of this machine."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"CONNECT "), head
            onward, outward = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await asyncio.gather(_copy(reader, outward), _copy(onward, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


def _programs(folder: Path, issuer: Issuer) -> Path:
    """Programs of others: the Databricks CLI and Azure's, which keep a login, and a browser."""
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    cli = {"access_token": issuer.login(CLI_USER).access_token, "token_type": "Bearer"}
    later = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() + 3600))
    azure = {"accessToken": ENTRA, "expiresOn": later, "tokenType": "Bearer"}
    codes = {
        name: f"print({json.dumps(told)!r})" for name, told in (("databricks", cli), ("az", azure))
    }
    codes["browser"] = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1]).read()"
    for name, code in codes.items():
        program = bin_folder / name
        program.write_text(f"#!{sys.executable}\n{code}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return bin_folder
