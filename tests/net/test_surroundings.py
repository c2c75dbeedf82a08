"""Proxies and certificates mean here what they mean to a user's other tools."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from gateway_stream.errors import ConfigError
from gateway_stream.net.surroundings import proxy_for, tls_context

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("environ", "scheme", "host", "proxy"),
    [
        pytest.param({}, "https", "a.example", None, id="none is named"),
        pytest.param(
            {"HTTPS_PROXY": "http://p:1"}, "https", "a.example", "http://p:1", id="upper case"
        ),
        pytest.param(
            {"https_proxy": "http://p:1"}, "https", "a.example", "http://p:1", id="lower case"
        ),
        pytest.param({"HTTPS_PROXY": "p:1"}, "https", "a.example", "http://p:1", id="no scheme"),
        pytest.param(
            {"HTTPS_PROXY": "http://p:1"}, "http", "a.example", None, id="the other scheme"
        ),
        pytest.param(
            {"ALL_PROXY": "http://p:1"}, "http", "a.example", "http://p:1", id="all schemes"
        ),
        pytest.param(
            {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a.example"},
            "https",
            "a.example",
            None,
            id="excepted",
        ),
        pytest.param(
            {"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".example"},
            "https",
            "a.example",
            None,
            id="excepted domain",
        ),
        pytest.param(
            {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"},
            "https",
            "a.example",
            None,
            id="all excepted",
        ),
        pytest.param(
            {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example"},
            "https",
            "a.test",
            "http://p:1",
            id="another",
        ),
        pytest.param({"HTTPS_PROXY": ""}, "https", "a.example", None, id="empty"),
    ],
)
def test_the_environment_names_the_proxy(
    environ: dict[str, str], scheme: str, host: str, proxy: str | None
) -> None:
    assert proxy_for(scheme, host, environ) == proxy


def _authority(folder: Path) -> Path:
    path = folder / "authority.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return path


def test_a_given_context_is_used_as_it_is() -> None:
    context = ssl.create_default_context()
    assert tls_context(context, {"SSL_CERT_FILE": "/nowhere"}) is context


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_variable_replaces_the_trusted_authorities(variable: str, tmp_path: Path) -> None:
    path = _authority(tmp_path)
    context = tls_context(None, {variable: str(path)})
    assert len(context.get_ca_certs()) == 1
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_given_path_outranks_the_environment(tmp_path: Path) -> None:
    assert len(tls_context(_authority(tmp_path), {"SSL_CERT_FILE": "/nowhere"}).get_ca_certs()) == 1


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_read_are_a_setting_to_mend(
    content: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match="SSL_CERT_FILE names certificates that cannot be read"):
        tls_context(None, {"SSL_CERT_FILE": str(path)})
