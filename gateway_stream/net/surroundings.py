"""What the surroundings of a process say about the way out: proxies and certificates.

Users set these for all their tools at once, so they mean here what they mean elsewhere:
``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` (either case) name proxies and who
goes around them; ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` replace the system's trust store, as OpenSSL
has it; ``REQUESTS_CA_BUNDLE`` does so where neither is set. What is given to the client outranks
all of them.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # not in stubs

from gateway_stream.errors import ConfigError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

__all__ = ["proxy_for", "tls_context"]


def proxy_for(scheme: str, host: str, environ: Mapping[str, str]) -> str | None:
    """The proxy that the environment names for a host, or ``None``."""
    proxies = {
        name[: -len("_proxy")]: value
        for name, value in sorted((key.lower(), value) for key, value in environ.items())
        if name.endswith("_proxy") and value
    }
    if proxy_bypass_environment(host, proxies):
        return None
    proxy = proxies.get(scheme) or proxies.get("all")
    if proxy is None or "://" in proxy:
        return proxy
    return f"http://{proxy}"


def tls_context(
    given: ssl.SSLContext | str | os.PathLike[str] | None, environ: Mapping[str, str]
) -> ssl.SSLContext:
    """The TLS settings to connect with. Reads certificates from disk: not for the event loop.

    Raises:
        ConfigError: a file or folder that was named cannot be read as certificates.
    """
    if isinstance(given, ssl.SSLContext):
        return given
    if given is not None:
        return _trusting(Path(given), "ssl=")
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"):
        if environ.get(variable):
            return _trusting(Path(environ[variable]), variable)
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
