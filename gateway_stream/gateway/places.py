"""What each place says: the arguments, the environment, a profile.

A place is read into values by the names that Databricks' SDKs give to settings, which are also the keys of
a profile. Nothing is checked here but what contradicts itself within one place, because only what is used
has to be good.

**One pasted credential.** Wherever a token stands, ``host::token`` may stand: it is cut at the first ``::``,
both parts are trimmed, and the first is the host of its place. It may repeat the host that the same place
names otherwise, and not contradict it. Such a token is for that host alone.

Values that may be credentials are `Hidden`, so that a traceback with local variables does not show them.

Sources: databricks-sdk-py (``config.py``: the attributes and their variables); the variables
``DATABRICKS_API_KEY`` and ``DATABRICKS_API_BASE`` are LiteLLM's, ``host::token`` is altimate-code's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from gateway_stream.auth.secret import Secret
from gateway_stream.errors import ConfigError
from gateway_stream.gateway.hosts import parse_base
from gateway_stream.net.hidden import Hidden

if TYPE_CHECKING:
    from gateway_stream.gateway.profiles import Profile

__all__ = [
    "VARIABLES",
    "Environment",
    "Origin",
    "Place",
    "of_arguments",
    "of_environment",
    "of_profile",
]

Origin: TypeAlias = Literal["argument", "environment", "profile"]
"""What kind of place a value was found in."""

VARIABLES: Final[dict[str, tuple[str, ...]]] = {
    "host": ("DATABRICKS_HOST",),
    "token": ("DATABRICKS_TOKEN", "DATABRICKS_API_KEY"),
    "auth_type": ("DATABRICKS_AUTH_TYPE",),
    "account_id": ("DATABRICKS_ACCOUNT_ID",),
    "workspace_id": ("DATABRICKS_WORKSPACE_ID",),
    "cloud": ("DATABRICKS_CLOUD",),
    "client_id": ("DATABRICKS_CLIENT_ID",),
    "client_secret": ("DATABRICKS_CLIENT_SECRET",),
    "username": ("DATABRICKS_USERNAME",),
    "password": ("DATABRICKS_PASSWORD",),
    "token_audience": ("DATABRICKS_TOKEN_AUDIENCE",),
    "oidc_token": ("DATABRICKS_OIDC_TOKEN",),
    "oidc_token_env": ("DATABRICKS_OIDC_TOKEN_ENV",),
    "oidc_token_filepath": ("DATABRICKS_OIDC_TOKEN_FILEPATH", "DATABRICKS_OIDC_TOKEN_FILE"),
    "metadata_service_url": ("DATABRICKS_METADATA_SERVICE_URL",),
    "databricks_cli_path": ("DATABRICKS_CLI_PATH",),
    "azure_workspace_resource_id": ("DATABRICKS_AZURE_RESOURCE_ID",),
    "azure_client_id": ("ARM_CLIENT_ID",),
    "azure_client_secret": ("ARM_CLIENT_SECRET",),
    "azure_tenant_id": ("ARM_TENANT_ID",),
    "azure_environment": ("ARM_ENVIRONMENT",),
    "google_credentials": ("GOOGLE_CREDENTIALS",),
    "google_service_account": ("DATABRICKS_GOOGLE_SERVICE_ACCOUNT",),
}
"""The variables of each setting; where there are two, the first that is set holds."""

_SEPARATOR: Final = "::"


class Environment(Mapping[str, str]):
    """Variables that do not show themselves."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def __getitem__(self, name: str) -> str:
        return self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)

    def __repr__(self) -> str:
        return f"Environment({len(self)} variables)"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What one place says.

    Attributes:
        origin: what kind of place it is.
        values: its settings, none of them empty but what an argument gives.
        names: what messages call them.
        api_base: where streams go, if the environment says so apart from the host.
        own_host: whether its credentials are for its own host alone.
        profile: the profile's name.
        named: whether somebody named the profile, rather than its being the default.
    """

    origin: Origin
    values: dict[str, str | Secret]
    names: dict[str, str] = {}
    api_base: str | None = None
    own_host: bool = False
    profile: str | None = None
    named: bool = False

    def __repr__(self) -> str:
        return f"Place({self.origin!r})"

    def get(self, setting: str) -> str | None:
        """A setting as plain text, for what is no credential."""
        value = self.values.get(setting)
        return None if value is None or isinstance(value, Secret) else str(value)

    def name(self, setting: str) -> str:
        """What messages call a setting of this place."""
        if self.profile is not None:
            return f"the {setting} of profile {self.profile!r}"
        return self.names.get(setting, setting)

    def secret(self, setting: str) -> Secret | None:
        """A credential, checked now, because only the one that is sent has to be good."""
        value = self.values.get(setting)
        if value is None or isinstance(value, Secret):
            return value
        return Secret(value, name=self.name(setting))


def of_arguments(host: str | None, token: str | Secret | None) -> Place:
    """What the program says.

    Raises:
        ConfigError: the host in the token is none, or is another than ``host``.
    """
    values: dict[str, str | Secret] = {}
    if host is not None:
        values["host"] = host
    if token is not None:
        values["token"] = token
    return _cut(Place(origin="argument", values=values))


def of_environment(environ: Mapping[str, str], *, whole: bool, outranked: bool) -> Place:
    """What the environment says. An empty variable is an unset one.

    Args:
        environ: the environment.
        whole: whether an argument says all of where requests go, ``DATABRICKS_API_BASE`` included.
        outranked: whether an argument says what authorizes them.

    Raises:
        ConfigError: two names of the token have two values, and it is wanted.
    """
    names = {
        setting: next((name for name in variables if environ.get(name)), variables[0])
        for setting, variables in VARIABLES.items()
    }
    values: dict[str, str | Secret] = {
        setting: Hidden(environ[name]) for setting, name in names.items() if environ.get(name)
    }
    tokens = [name for name in VARIABLES["token"] if environ.get(name)]
    if len({environ[name] for name in tokens}) > 1 and not outranked:
        message = f"{' and '.join(tokens)} are both set, and differ"
        raise ConfigError(message, hint="Unset one of them, or pass token=.")
    place = Place(origin="environment", values=values, names=names)
    if not outranked:
        place = _cut(place)
    api_base = None if whole else environ.get("DATABRICKS_API_BASE") or None
    if api_base and "host" not in place.values and not api_base.startswith("/"):
        place.values["host"] = api_base
        names["host"] = "DATABRICKS_API_BASE"
        return place
    return msgspec.structs.replace(place, api_base=api_base)


def of_profile(profile: Profile, *, named: bool) -> Place:
    """What a profile says.

    Raises:
        ConfigError: the host in its token is none, or is another than its host.
    """
    return _cut(
        Place(
            origin="profile",
            values=dict(profile.values),
            own_host=True,
            profile=profile.name,
            named=named,
        )
    )


def _cut(place: Place) -> Place:
    """The place, with its token cut into host and token where it is both."""
    token = place.values.get("token")
    text = Hidden(token.reveal() if isinstance(token, Secret) else token or "")
    if _SEPARATOR not in text:
        return place
    start, rest = map(Hidden, text.split(_SEPARATOR, 1))
    name = place.name("token")
    there = parse_base(start, allow_http=True, name=f"the host in {name}")
    host = place.values.get("host")
    if host is None:
        host = Hidden(start.strip())
    elif parse_base(str(host), allow_http=True, name=place.name("host")).origin != there.origin:
        message = f"{place.name('host')} and the host in {name} are two servers"
        raise ConfigError(message, hint="Leave one of them out, or make them the same.")
    values = {**place.values, "host": host, "token": Hidden(rest.strip())}
    names = {"host": f"the host in {name}", **place.names} if place.profile is None else {}
    return msgspec.structs.replace(place, values=values, names=names, own_host=True)
