"""What the surroundings of a process say about the way out: proxies and certificates.

Users set these for all their tools at once, so they mean here what they mean elsewhere.
``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` are read by the standard library's
rules (lower case wins; ``HTTP_PROXY`` does not count where a web server may have set it from a
header). ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` replace the system's trust store, as OpenSSL has it;
``REQUESTS_CA_BUNDLE`` does so where neither is set. What is given to the client outranks all.

A proxy's URL may hold credentials. They are taken out of it at once, so that no error, log line or
dump that names the proxy names them.
"""

from __future__ import annotations

import base64
import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import unquote, urlsplit

import msgspec

from gateway_stream.errors import ConfigError
from gateway_stream.net.hidden import Hidden

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Proxy", "certificate_settings", "proxy_for", "read_proxy", "tls_context"]

_CERTIFICATE_VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


class Proxy(msgspec.Struct, frozen=True):
    """A way out: its address, and what to authorize with there."""

    url: str
    authorization: str | None = None

    def __repr__(self) -> str:
        return f"Proxy({self.url!r})"

    def __reduce__(self) -> NoReturn:
        message = "a Proxy cannot be pickled, since its credentials would be"
        raise TypeError(message)


def proxy_for(scheme: str, netloc: str) -> Proxy | None:
    """The proxy that the environment names for a server, or ``None``.

    Raises:
        ConfigError: what it names is no proxy's URL.
    """
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    # Here, because it loads all of http and email, and few processes have a proxy.
    from urllib.request import (  # type: ignore[attr-defined]  # noqa: PLC0415  not in its stubs
        getproxies_environment,
        proxy_bypass_environment,
    )

    proxies = {name: Hidden(url) for name, url in getproxies_environment().items()}
    if proxy_bypass_environment(netloc, proxies):
        return None
    text = proxies.get(scheme) or proxies.get("all")
    if not text:
        return None
    return read_proxy(
        Hidden(text if "://" in text else f"http://{text}"), f"{scheme.upper()}_PROXY"
    )


def read_proxy(text: str, named_by: str) -> Proxy:
    """A proxy from its URL.

    Raises:
        ConfigError: it is no URL of an HTTP proxy. The error does not quote it.
    """
    parts = urlsplit("")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        del text, parts  # tools that print tracebacks with local variables would show them
        message = f"{named_by} does not name an HTTP proxy"
        raise ConfigError(message, hint="Give http://host:port, with user:password@ if it asks.")
    netloc = f"[{host}]" if ":" in host else host
    url = f"{parts.scheme}://{netloc}:{port}" if port else f"{parts.scheme}://{netloc}"
    if parts.username is None:
        return Proxy(url)
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Proxy(url, Hidden("Basic " + base64.b64encode(user.encode()).decode()))


def certificate_settings(environ: Mapping[str, str]) -> tuple[str, str] | None:
    """The variable that names the certificates to trust, and the path that it names."""
    for variable in _CERTIFICATE_VARIABLES:
        if environ.get(variable):
            return variable, environ[variable]
    return None


def tls_context(
    given: ssl.SSLContext | str | os.PathLike[str] | None, named: tuple[str, str] | None
) -> ssl.SSLContext:
    """The TLS settings to connect with. Reads certificates from disk: not for the event loop.

    Raises:
        ConfigError: a file or folder that was named cannot be read as certificates.
    """
    if isinstance(given, ssl.SSLContext):
        return given
    if given is not None:
        return _trusting(Path(given), "ssl=")
    if named is not None:
        return _trusting(Path(named[1]), named[0])
    return ssl.create_default_context()


def _trusting(path: Path, named_by: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if path.is_dir():
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError) as error:
        message = f"{named_by} names certificates that cannot be read: {path}"
        raise ConfigError(message, hint="Give a PEM file, or a folder of hashed ones.") from error
    return context
