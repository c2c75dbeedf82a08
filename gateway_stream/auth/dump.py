"""Sources as data: for a worker process that has to ask as its parent does, or for a file of settings.

What is dumped is JSON-able: dicts, lists, text, numbers. An object is a dict whose ``kind`` names its class and
whose other keys are its fields; a credential is ``{"secret": ...}``, so that whoever reads the data, or
hides parts of it, sees what is one. It holds ``***`` unless ``expose_secrets`` is set, and what was masked is
refused when it is loaded: a gateway that is sent asterisks answers with a riddle.

Functions cannot be data. A source that is one, or needs one to get its token, is refused. ``on_rotate`` of a
`U2M` is left out: a loaded one stores nothing, and of two that hold one refresh token only the first can use it.
Give it a function of its own, ``U2M(load(data).stored, on_rotate=...)``, and use it in one place.

A stored login (`StoredLoginSource`) is dumped as what it is, a reference to the user's store. It holds no
secret, and a worker of the same user shares the login with its parent.
"""

from __future__ import annotations

import importlib
import types
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Literal,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from gateway_stream.auth.secret import MASK, Secret
from gateway_stream.auth.sources.unified import TEXTS
from gateway_stream.auth.stored import StoredLogin
from gateway_stream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway_stream.auth.services import Auth
    from gateway_stream.auth.source import TokenSource

__all__ = ["dump", "load"]

_KIND: Final = "kind"
_WHOLE: Final = "the source"
_SECRET: Final = "secret"  # noqa: S105  a key's name
_HOME: Final = "gateway_stream.auth."
_SOURCES: Final = {
    "PAT": "sources.fixed",
    "M2M": "sources.machine",
    "U2M": "sources.user",
    "Federation": "sources.federation",
    "DatabricksCLI": "sources.databricks_cli",
    "StoredLoginSource": "sources.stored_login",
    "StoredOrCLI": "sources.logins",
    "StoredOrNothing": "sources.logins",
    "Unified": "sources.unified",
}
_PARTS: Final = {
    "StoredLogin": "stored",
    "FromVariable": "sources.federation",
    "FromFile": "sources.federation",
    "FromGitHub": "sources.federation",
}
_MODULES: Final = {**_SOURCES, **_PARTS}
_FIELDS: Final[dict[str, dict[str, Any]]] = {
    "U2M": {"stored": StoredLogin, "client_secret": Secret | None}
}
"""The fields of what is no Struct, and their types."""


def dump(source: Auth, *, expose_secrets: bool = False) -> dict[str, Any]:
    """A source as data.

    Args:
        source: what ``auth=`` takes.
        expose_secrets: let the data hold the credentials themselves. Who has the data then has them.

    Raises:
        ConfigError: it is a function, or needs one.
    """
    if type(source).__name__ not in _SOURCES:
        raise _undumpable(source)
    return cast("dict[str, Any]", _dumped(source, expose_secrets))


def load(data: Mapping[str, Any]) -> TokenSource:
    """The source that `dump` gave.

    Raises:
        ConfigError: its secrets are masked, or it is none that this version knows. It quotes no value.
    """
    problem = None
    try:
        source = _loaded(data, _WHOLE)
    except ConfigError as error:
        problem = error
    if problem is None and type(source).__name__ not in _SOURCES:
        problem = _unloadable(_WHOLE)
    if problem is not None:
        del data  # tools that print tracebacks with local variables would show it
        raise problem.with_traceback(None)
    return cast("TokenSource", source)


def _dumped(value: Any, expose: bool) -> Any:  # noqa: FBT001  it goes down a tree
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Secret):
        return {_SECRET: value.reveal() if expose else MASK}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, tuple | list):
        return [_dumped(each, expose) for each in value]
    if isinstance(value, dict):
        return {str(key): _dumped(each, expose) for key, each in value.items()}
    name = type(value).__name__
    if name in _MODULES and type(value) is _class(name):
        fields = {field: getattr(value, field) for field in _fields(type(value))}
        return {_KIND: name} | {field: _dumped(each, expose) for field, each in fields.items()}
    raise _undumpable(value)


def _loaded(data: Any, where: str) -> Any:
    if isinstance(data, list | tuple):
        return tuple(_loaded(each, where) for each in data)
    if not isinstance(data, dict):
        return data
    if set(data) == {_SECRET}:
        return _secret(data[_SECRET], where)
    values = {name: _loaded(each, name) for name, each in data.items() if name != _KIND}
    if _KIND not in data:
        return values
    name = data[_KIND]
    if not isinstance(name, str) or name not in _MODULES:
        raise _unloadable(where)
    kind = _class(name)
    types_of = _FIELDS.get(name) or get_type_hints(kind)
    for field, value in values.items():
        if field not in _fields(kind) or not _fits(value, types_of[field]):
            raise _unloadable(where)
    try:
        return kind(**values)
    except TypeError:  # a field that it cannot do without
        problem = _unloadable(where)
    raise problem


def _secret(value: Any, where: str) -> Secret:
    if value == MASK:
        message = f"{where} is masked: the source was dumped without its secrets"
        raise ConfigError(message, hint="Dump it again with expose_secrets, or put the value in.")
    return Secret(value, name=where, text=where in TEXTS)


def _class(name: str) -> type[Any]:
    module = importlib.import_module(_HOME + _MODULES[name])
    return cast("type[Any]", getattr(module, name))


def _fields(kind: type[Any]) -> tuple[str, ...]:
    return tuple(_FIELDS.get(kind.__name__) or kind.__struct_fields__)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is one of the type that a field has."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, each) for each in get_args(hint))
    if origin is Literal:
        return value in get_args(hint)
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(each, get_args(hint)[0]) for each in value)
    if origin is dict:
        return isinstance(value, dict) and all(
            _fits(each, get_args(hint)[1]) for each in value.values()
        )
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(hint, type) and isinstance(value, hint)


def _undumpable(value: object) -> ConfigError:
    message = f"{type(value).__name__} cannot be dumped"
    return ConfigError(message, hint="A function, or what holds one, is made where it is needed.")


def _unloadable(where: str) -> ConfigError:
    message = f"{where} is not what a source of this version is dumped as"
    return ConfigError(message, hint="Dump it anew with this version.")
