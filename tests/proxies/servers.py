"""nginx and haproxy as they stand before a gateway: TLS outside, plain HTTP to the upstream inside.

Each runs in the foreground for one test, from a configuration that is written for it, and is ended
by its process. It inherits a socket that listens already, so its port is nobody else's and a
connection waits in the socket's queue until the proxy is up: nothing has to ask whether it is.
"""

from __future__ import annotations

import os
import shutil
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["NEEDS_HAPROXY", "NEEDS_NGINX", "HAProxy", "Nginx", "Proxy"]

_ENDING_SECONDS = 5


def _needs(program: str) -> pytest.MarkDecorator:
    absent = shutil.which(program) is None
    return pytest.mark.skipif(absent, reason=f"{program} is not on the PATH")


NEEDS_NGINX = _needs("nginx")
NEEDS_HAPROXY = _needs("haproxy")

_NGINX = """
daemon off;
worker_processes 1;
{user}
pid nginx.pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxied;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    ssl_certificate {certificate};
    ssl_certificate_key {certificate};
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header X-Client-Port $remote_port;
    server {{
        listen {address} ssl;
        {settings}
        location / {{ {location} }}
    }}
    {servers}
}}
"""

_HAPROXY = """
global
    maxconn 1000
    nbthread 1
    log stderr local0 warning
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    retries 0
    {settings}
frontend outside
    bind fd@{listening} ssl crt {certificate} alpn h2,http/1.1
    http-request set-header X-Client-Port %[src_port]
    default_backend inside
backend inside
    server upstream {upstream} {server}
"""


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A proxy's configuration; `serve` runs it."""

    @asynccontextmanager
    async def serve(self, upstream: str, certificate: Path, folder: Path) -> AsyncIterator[str]:
        """Serve before ``upstream`` (host and port) and give the address to connect to.

        ``certificate`` is a PEM file with the key and the chain, ``folder`` where the proxy may write.
        """
        with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
            listening.setblocking(False)
            host, port = listening.getsockname()
            handle = listening.fileno()
            command, environment = self._command(
                upstream, certificate, folder, f"{host}:{port}", handle
            )
            log = folder / "proxy.log"
            with log.open("wb") as written:
                process = await anyio.open_process(
                    command,
                    stdin=None,
                    stdout=written,
                    stderr=written,
                    env={**os.environ, **environment},
                    pass_fds=[handle],
                )
        async with process:
            try:
                yield f"https://{host}:{port}"
                assert process.returncode is None, log.read_text()
            finally:
                if process.returncode is None:
                    process.terminate()
                with anyio.move_on_after(_ENDING_SECONDS, shield=True):
                    await process.wait()

    def _command(
        self, upstream: str, certificate: Path, folder: Path, address: str, listening: int
    ) -> tuple[Sequence[str], Mapping[str, str]]:
        """Write the configuration; give what starts the proxy, and its environment."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Nginx(Proxy):
    """nginx: directives of its one server, of that server's one location, and further servers.

    ``UPSTREAM`` and ``ADDRESS`` stand for the upstream's and nginx's own host and port.
    """

    settings: str = ""
    location: str = "proxy_pass http://UPSTREAM;"
    servers: str = ""

    def _command(
        self, upstream: str, certificate: Path, folder: Path, address: str, listening: int
    ) -> tuple[Sequence[str], Mapping[str, str]]:
        written = _NGINX.format(
            # A worker that changed its user could not write into the test's folder.
            user="user root;" if os.geteuid() == 0 else "",
            certificate=certificate,
            address=address,
            settings=self.settings,
            location=self.location,
            servers=self.servers,
        )
        written = written.replace("UPSTREAM", upstream).replace("ADDRESS", address)
        (folder / "nginx.conf").write_text(written)
        # The variable is how nginx hands its sockets to the nginx that replaces it.
        return ["nginx", "-p", str(folder), "-c", "nginx.conf"], {"NGINX": f"{listening};"}


@dataclass(frozen=True, kw_only=True)
class HAProxy(Proxy):
    """haproxy: lines of its defaults, and options of its one server."""

    settings: str = ""
    server: str = ""

    def _command(
        self, upstream: str, certificate: Path, folder: Path, address: str, listening: int
    ) -> tuple[Sequence[str], Mapping[str, str]]:
        del address
        written = _HAPROXY.format(
            settings=self.settings,
            listening=listening,
            certificate=certificate,
            upstream=upstream,
            server=self.server,
        )
        (folder / "haproxy.cfg").write_text(written)
        return ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")], {}
