"""Proxies and certificates mean here what they mean to a user's other tools."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from gateway_stream.errors import ConfigError
from gateway_stream.net.surroundings import (
    Proxy,
    certificate_settings,
    proxy_for,
    read_proxy,
    tls_context,
)

if TYPE_CHECKING:
    from pathlib import Path

P = Proxy("http://p:1")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme}_PROXY".upper(), raising=False)
    monkeypatch.delenv("REQUEST_METHOD", raising=False)


@pytest.mark.parametrize(
    ("environ", "scheme", "netloc", "proxy"),
    [
        pytest.param({}, "https", "a.example", None, id="none is named"),
        pytest.param({"HTTPS_PROXY": "http://p:1"}, "https", "a.example", P, id="upper case"),
        pytest.param({"https_proxy": "http://p:1"}, "https", "a.example", P, id="lower case"),
        pytest.param(
            {"https_proxy": "http://p:1", "HTTPS_PROXY": "http://q:1"},
            "https", "a.example", P, id="lower case wins",
        ),
        pytest.param({"HTTPS_PROXY": "p:1"}, "https", "a.example", P, id="no scheme"),
        pytest.param({"HTTPS_PROXY": "http://p:1"}, "http", "a.example", None, id="another scheme"),
        pytest.param({"ALL_PROXY": "http://p:1"}, "http", "a.example", P, id="all schemes"),
        pytest.param(
            {"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"},
            "http", "a.example", None, id="set from a header",
        ),
        pytest.param(
            {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a.example"},
            "https", "a.example", None, id="excepted",
        ),
        pytest.param(
            {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a.example:443"},
            "https", "a.example:443", None, id="excepted with its port",
        ),
        pytest.param(
            {"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".example"},
            "https", "a.example", None, id="excepted domain",
        ),
        pytest.param(
            {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, "https", "a.example", None, id="all excepted"
        ),
        pytest.param(
            {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example"}, "https", "a.test", P, id="another"
        ),
        pytest.param({"HTTPS_PROXY": ""}, "https", "a.example", None, id="empty"),
    ],
)  # fmt: skip
def test_the_environment_names_the_proxy(
    environ: dict[str, str],
    scheme: str,
    netloc: str,
    proxy: Proxy | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(scheme, netloc) == proxy


@pytest.mark.parametrize(
    ("text", "url", "authorization"),
    [
        ("http://p:1", "http://p:1", None),
        ("https://P.example", "https://p.example", None),
        ("http://[::1]:8080/", "http://[::1]:8080", None),
        ("http://user:secret@p:1", "http://p:1", "Basic dXNlcjpzZWNyZXQ="),
        ("http://us%40er:a%3Ab@p:1", "http://p:1", "Basic dXNAZXI6YTpi"),
    ],
)
def test_credentials_are_taken_out_of_a_proxys_url(
    text: str, url: str, authorization: str | None
) -> None:
    proxy = read_proxy(text, "proxy=")
    assert (proxy.url, proxy.authorization) == (url, authorization)
    assert "Basic" not in repr(proxy)


@pytest.mark.parametrize(
    "text", ["nonsense", "", "socks5://h:1", "http://", "http://user:secret@h:99999", "http://[::1"]
)
def test_what_is_no_proxy_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(ConfigError, match="proxy= does not name an HTTP proxy") as caught:
        read_proxy(text, "proxy=")
    assert "secret" not in str(caught.value)


def _authority(folder: Path) -> Path:
    path = folder / "authority.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return path


def test_a_given_context_is_used_as_it_is() -> None:
    context = ssl.create_default_context()
    assert tls_context(context, ("SSL_CERT_FILE", "/nowhere")) is context


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_variable_replaces_the_trusted_authorities(variable: str, tmp_path: Path) -> None:
    named = certificate_settings({variable: str(_authority(tmp_path))})
    context = tls_context(None, named)
    assert len(context.get_ca_certs()) == 1
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_given_path_outranks_the_environment(tmp_path: Path) -> None:
    context = tls_context(_authority(tmp_path), ("SSL_CERT_FILE", "/nowhere"))
    assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_read_are_a_setting_to_mend(
    content: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match="SSL_CERT_FILE names certificates that cannot be read"):
        tls_context(None, ("SSL_CERT_FILE", str(path)))
