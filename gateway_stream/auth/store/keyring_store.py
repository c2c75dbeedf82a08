"""The system's keyring: macOS' Keychain, Windows' Credential Manager, the Secret Service, KWallet.

It is reached through the package ``keyring``, which is imported when it is first needed. A keyring may ask the
user to unlock it, and one without a screen waits for an answer for ever; so each operation has
`SECONDS`, in a thread of its own that dies with the process, and one that takes longer counts as failed. So
does any error of a backend: it is told by its type, since its text and its frames may hold the secret.

There is no keyring where the package finds only a stand-in that stores nothing or stores in the clear:
``keyring`` gives those a priority below 1 (``keyring.core.recommended``). Where there are several backends it
finds a chain of them, which stores in the first that it can.

What was written is read again: some keyrings cut what is too long for them. Windows' takes 1,280
characters (https://github.com/jaraco/keyring/issues/355), which is less than many logins have.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gateway_stream.net.hidden import Hidden

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "SECONDS",
    "SERVICE",
    "KeyringFailed",
    "KeyringMissing",
    "KeyringUnsure",
    "NoKeyring",
    "delete",
    "get",
    "put",
]

SERVICE: Final = "gateway-stream"
"""What our entries are called in the keyring."""

SECONDS: Final = 3.0
"""How long an operation may take; the Databricks CLI gives it as long."""

_RECOMMENDED: Final = 1
_T = TypeVar("_T")


class KeyringMissing(Exception):
    """The package ``keyring`` is not installed."""


class KeyringFailed(Exception):
    """The keyring did not do it. The text says why and holds no secret."""


class KeyringUnsure(KeyringFailed):
    """Nobody knows whether it did, or will yet."""


class NoKeyring(KeyringFailed):
    """There is none."""


def get(name: str) -> Hidden | None:
    """What is kept under a name. Blocks for up to `SECONDS`, as the others do.

    Raises:
        KeyringMissing: the package is not installed.
        NoKeyring: there is none on this machine.
        KeyringFailed: it cannot be read.
    """

    def work(keyring: Any) -> Hidden | None:
        text = keyring.get_password(SERVICE, name)
        return None if text is None else Hidden(text)

    return _in_time(work)


def put(name: str, text: Hidden) -> None:
    """Keep a text under a name. Raises as `get` does, also where it was not kept whole.

    Raises:
        KeyringUnsure: it may be kept all the same.
    """

    def is_whole(keyring: Any) -> bool:
        if keyring.get_password(SERVICE, name) == text:
            return True
        keyring.delete_password(SERVICE, name)
        return False

    _in_time(lambda keyring: keyring.set_password(SERVICE, name, text))
    try:
        whole = _in_time(is_whole)
    except KeyringFailed as error:
        raise KeyringUnsure(str(error)) from None
    if not whole:
        message = "it does not keep so long a text"
        raise KeyringFailed(message)


def delete(name: str) -> None:
    """Forget what is kept under a name, if anything is. Raises as `get` does."""

    def work(keyring: Any) -> None:
        if keyring.get_password(SERVICE, name) is not None:
            keyring.delete_password(SERVICE, name)

    _in_time(work)


def _in_time(work: Callable[[Any], _T]) -> _T:
    outcome: Future[_T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work(_backend()))
        except (KeyringMissing, KeyringFailed) as error:
            outcome.set_exception(error)
        except BaseException as error:  # noqa: BLE001  a backend's, which may hold the secret
            outcome.set_exception(KeyringFailed(f"it failed with {type(error).__name__}"))

    threading.Thread(target=run, name="gateway_stream: keyring", daemon=True).start()
    try:
        return outcome.result(SECONDS)
    except TimeoutError:
        message = f"it did not answer within {SECONDS:g} s"
        raise KeyringUnsure(message) from None


def _backend() -> Any:
    try:
        import keyring  # noqa: PLC0415  optional
    except ImportError:
        raise KeyringMissing from None
    backend = keyring.get_keyring()
    chained = getattr(backend, "backends", ())  # a chain's own priority says only that it is one
    if max((each.priority for each in chained), default=backend.priority) < _RECOMMENDED:
        message = "there is none on this machine"
        raise NoKeyring(message)
    return backend
