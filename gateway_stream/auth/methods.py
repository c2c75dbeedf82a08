"""The ways to log in, by the names that Databricks' SDKs give them (``auth_type``), and what makes each a source.

Five are this library's own, two more are logins that somebody made before (the Databricks CLI's, and a stored
one of ``gateway-stream auth login``, which takes the place of the SDK's ``external-browser``). All others are
left to databricks-sdk, which is told the method and handed its settings that were found. What these leave
open it looks up itself.
``unified`` is the whole chain of databricks-sdk, which then looks for everything itself.

Source: databricks-sdk-py (``credentials_provider.py``: the names, and what each requires).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gateway_stream.auth.sources.fixed import PAT
from gateway_stream.auth.sources.machine import M2M

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway_stream.auth.secret import Secret
    from gateway_stream.auth.source import TokenSource
    from gateway_stream.gateway.places import Place
    from gateway_stream.gateway.servers import Servers

__all__ = ["METHODS", "NEEDS", "Reading", "build", "scopes_of"]

NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "pat": ("token",),
    "oauth-m2m": ("client_id", "client_secret"),
    "env-oidc": (),
    "file-oidc": ("oidc_token_filepath",),
    "github-oidc": (),
    "basic": ("username", "password"),
    "metadata-service": ("metadata_service_url",),
    "azure-client-secret": ("azure_client_id", "azure_client_secret"),
    "google-credentials": ("google_credentials",),
    "google-id": ("google_service_account",),
}
"""What a method cannot do without, where that can be told beforehand."""

_AZURE: Final = ("azure_workspace_resource_id", "azure_tenant_id", "azure_environment", "cloud")
_SDK: Final[dict[str, tuple[str, ...]]] = {
    "basic": ("username", "password"),
    "metadata-service": ("metadata_service_url",),
    "azure-client-secret": ("azure_client_id", "azure_client_secret", *_AZURE),
    "azure-cli": _AZURE,
    "github-oidc-azure": ("azure_client_id", *_AZURE),
    "azure-devops-oidc": ("client_id", "token_audience", "scopes"),
    "google-credentials": ("google_credentials",),
    "google-id": ("google_service_account",),
    "runtime-oauth": ("scopes",),
    "runtime": (),
    "model-serving": (),
}
"""What databricks-sdk is told, method by method: of what is secret only what the method is about."""


class Reading:
    """The settings of several places, the first that says something first.

    Args:
        places: the places.
        servers: where requests go.
    """

    def __init__(self, places: list[Place], servers: Servers) -> None:
        self._places = places
        self.home = servers.home.origin
        self.workspace = servers.workspace.origin if servers.workspace else None

    def __contains__(self, setting: str) -> bool:
        return any(setting in place.values for place in self._places)

    def get(self, setting: str) -> str | None:
        """A setting that is no credential."""
        return next((place.get(setting) for place in self._places if place.get(setting)), None)

    def secret(self, setting: str) -> Secret | None:
        """A credential."""
        place = next((place for place in self._places if setting in place.values), None)
        return place.secret(setting) if place else None

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that somebody named."""
        return scopes_of(self.get("scopes")) if "scopes" in self else ()

    @property
    def profile(self) -> str | None:
        """The profile, if somebody named one."""
        return next((place.profile for place in self._places if place.named), None)

    @property
    def cli_profile(self) -> str | None:
        """The same, where other tools know by it which workspace is meant."""
        named = (place for place in self._places if place.named and "host" in place.values)
        return next((place.profile for place in named), None)


def scopes_of(text: str | None) -> tuple[str, ...]:
    """Scopes as a profile has them: set apart by commas or blanks, in any order; ``all-apis`` if there are none."""
    return tuple(sorted(set(filter(None, re.split(r"[,\s]+", text or ""))))) or ("all-apis",)


def build(method: str, reading: Reading) -> TokenSource:
    """The source for a method that `METHODS` has, of settings that have what it `NEEDS`."""
    make = _OWN.get(method)
    return make(reading) if make else _left_to_sdk(method, reading)


def _pat(reading: Reading) -> TokenSource:
    token = reading.secret("token")
    assert token is not None  # noqa: S101  it is needed, and was looked for
    return PAT(token)


def _m2m(reading: Reading) -> TokenSource:
    client_secret = reading.secret("client_secret")
    assert client_secret is not None  # noqa: S101  it is needed, and was looked for
    return M2M(
        client_id=reading.get("client_id") or "",
        client_secret=client_secret,
        host=reading.workspace,
        scopes=scopes_of(reading.get("scopes")),
    )


def _federation(method: str) -> Callable[[Reading], TokenSource]:
    def make(reading: Reading) -> TokenSource:
        from gateway_stream.auth.sources.federation import (  # noqa: PLC0415  few need it
            Federation,
            FromFile,
            FromGitHub,
            FromVariable,
            Supplier,
        )

        subject: Supplier = FromGitHub()
        if method == "env-oidc":
            subject = FromVariable(reading.get("oidc_token_env") or "DATABRICKS_OIDC_TOKEN")
        elif method == "file-oidc":
            subject = FromFile(reading.get("oidc_token_filepath") or "")
        return Federation(
            subject=subject,
            client_id=reading.get("client_id"),
            host=reading.workspace,
            audience=reading.get("token_audience"),
            scopes=scopes_of(reading.get("scopes")),
        )

    return make


def _databricks_cli(reading: Reading) -> TokenSource:
    from gateway_stream.auth.sources.databricks_cli import DatabricksCLI  # noqa: PLC0415  few need it

    return DatabricksCLI(
        host=reading.workspace,
        profile=reading.cli_profile,
        command=reading.get("databricks_cli_path"),
        scopes=reading.scopes,
    )


def _stored_login(reading: Reading) -> TokenSource:
    from gateway_stream.auth.sources.stored_login import StoredLoginSource  # noqa: PLC0415  few need it

    return StoredLoginSource(host=reading.home, profile=reading.profile)


def _unified(reading: Reading) -> TokenSource:
    from gateway_stream.auth.sources.unified import Unified  # noqa: PLC0415  few need it

    return Unified(host=reading.home, profile=reading.cli_profile)


def _left_to_sdk(method: str, reading: Reading) -> TokenSource:
    from gateway_stream.auth.sources.unified import Unified  # noqa: PLC0415  few need it

    told = {name: reading.get(name) for name in ("account_id", "workspace_id", *_SDK[method])}
    settings: dict[str, str | Secret] = {name: value for name, value in told.items() if value}
    return Unified(host=reading.home, auth_type=method, settings=settings)


_OWN: Final[dict[str, Callable[[Reading], TokenSource]]] = {
    "pat": _pat,
    "oauth-m2m": _m2m,
    "env-oidc": _federation("env-oidc"),
    "file-oidc": _federation("file-oidc"),
    "github-oidc": _federation("github-oidc"),
    "databricks-cli": _databricks_cli,
    "external-browser": _stored_login,
    "unified": _unified,
}

METHODS: Final = (*_OWN, *_SDK)
"""The names of all ways to log in."""
