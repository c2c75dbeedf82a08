"""A gateway behind a proxy with TLS, and a client that trusts the proxy's authority."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import pytest
import trustme

from gateway_stream import Client
from gateway_stream.testing.fixtures import fake_gateway
from tests.support.settings import forget_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from gateway_stream.testing import FakeGateway
    from tests.proxies.servers import Proxy

__all__ = ["fake_gateway"]

Through: TypeAlias = "Callable[..., AbstractAsyncContextManager[Client]]"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    forget_settings(monkeypatch, tmp_path)
    monkeypatch.setenv("DATABRICKS_MAX_RETRIES", "0")  # what fails is looked at, once


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def certificate(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("certificate") / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="session")
def bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("authority") / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def through(fake_gateway: FakeGateway, certificate: Path, bundle: Path, tmp_path: Path) -> Through:
    """Serve a proxy before the gateway, or before ``upstream``, and give a client of the proxy."""

    @asynccontextmanager
    async def serve(
        proxy: Proxy, *, upstream: str | None = None, path: str = ""
    ) -> AsyncIterator[Client]:
        upstream = upstream or fake_gateway.url.removeprefix("http://")
        async with (
            proxy.serve(upstream, certificate, tmp_path) as url,
            Client(host=url + path, token="dapi-test", ssl=bundle) as client,
        ):
            yield client

    return serve
