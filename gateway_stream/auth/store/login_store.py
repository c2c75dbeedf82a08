"""The store of logins: what ``gateway-stream auth login`` leaves, and every process of the user shares.

Secrets rest in the system's keyring where there is one, else in a file, in memory on request; see
`gateway_stream.auth.store.folder`. What is stored where stands in an index without secrets, so for a host that nobody
logged in to no keyring is asked and nobody is asked to unlock one. Other tools' stores are never touched.

**Together.** Many processes read a login at any time, and one at a time changes it: whoever holds its lock
(`LoginStore.alone`). What was read before the lock was taken may be old by then, so a holder reads again.
Who dies while holding it holds it no more (`gateway_stream.auth.store.file_lock`). Who waits can be cancelled, and
gives up after `PATIENCE` seconds, for a holder may be alive and stuck.

**To the end.** A change that has begun is made whoever is cancelled: it runs in a thread of its own, which gives
the lock back when all is on the disk. It begins at once, without a moment in which a task could be cancelled
before it: what is to be stored may be a refresh token that exists nowhere else.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, Self

import anyio
import anyio.to_thread

from gateway_stream.auth.store.folder import FolderShelf, home_folder
from gateway_stream.auth.store.kept import Entry, KeptLogin, LoginKey, Rests, origin_of
from gateway_stream.auth.store.shelves import MemoryShelf
from gateway_stream.errors import AuthError, ConfigError, GatewayError
from gateway_stream.net.hidden import Hidden

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from gateway_stream.auth.store.shelves import Lock, Shelf

__all__ = ["PATIENCE", "Alone", "Entry", "KeptLogin", "LoginKey", "LoginStore", "Rests"]

PATIENCE: Final = 60.0
"""Seconds that a lock is waited for: more than all calls of a refresh may take."""

_FIRST_PAUSE: Final = 0.01
_LONGEST_PAUSE: Final = 0.25
_STORAGES: Final[dict[str, Rests | None]] = {"plaintext": "file", "secure": "keyring", "": None}


class LoginStore:
    """The logins of a user.

    Args:
        home: the folder to keep them in. Left out, it is ``GATEWAY_STREAM_HOME``, else the user's own.
        rests: where the secrets of new logins go. Left out, ``DATABRICKS_AUTH_STORAGE`` says it, as it
            does to the Databricks CLI (``plaintext``, or ``secure``, which wants a keyring), else the keyring
            if there is one, else a file. ``"memory"`` is a store of its own, which ends with the process.

    Raises:
        ConfigError: ``DATABRICKS_AUTH_STORAGE`` names no place.
    """

    def __init__(self, home: Path | None = None, *, rests: Rests | None = None) -> None:
        self._shelf: Shelf
        if rests == "memory":
            self._shelf = MemoryShelf()
            return
        storage = os.environ.get("DATABRICKS_AUTH_STORAGE", "").strip().lower()
        if rests is None and storage not in _STORAGES:
            message = "DATABRICKS_AUTH_STORAGE names no place for logins"
            raise ConfigError(message, hint="Set it to secure or plaintext, or unset it.")
        self._shelf = FolderShelf(home or home_folder(os.environ), rests or _STORAGES[storage])

    async def entries(self, host: str | None = None) -> list[Entry]:
        """What is stored, for a host or for all: whose, and where it rests. Touches no secret.

        Raises:
            ConfigError: an entry is damaged.
        """
        origin = None if host is None else origin_of(host := Hidden(host))
        return await anyio.to_thread.run_sync(self._shelf.entries, origin)

    async def find(self, host: str, profile: str | None = None) -> Entry | None:
        """The login that serves a host.

        One that was made for the profile comes first, then one that was made for none; one of another
        profile is somebody else's. Of several the newest counts.

        Raises:
            ConfigError: an entry of the host is damaged.
        """
        host = Hidden(host)  # for tracebacks: what is refused may be a credential
        fitting = [e for e in await self.entries(host) if e.profile in (profile, None)]
        return max(fitting, key=lambda entry: (entry.profile == profile, entry.since), default=None)

    async def read(self, key: LoginKey) -> KeptLogin | None:
        """A login with its secrets; ``None`` if it is not there.

        Raises:
            ConfigError: its file is damaged, or the package that reads a keyring is missing.
            AuthError: the keyring does not give it.
        """
        return await anyio.to_thread.run_sync(self._shelf.read, key)

    async def prepare(self) -> None:
        """See to it that a login can be stored, before somebody logs in for it.

        Raises:
            ConfigError: it cannot be stored.
        """
        await anyio.to_thread.run_sync(self._shelf.prepare)

    async def save(self, kept: KeptLogin) -> None:
        """Store a new login, in place of the one before.

        Raises:
            ConfigError: it cannot be stored.
            AuthError: another process holds the login and does not let go.
        """
        async with self.alone(kept.key) as alone:
            await alone.save(kept)

    async def remove(
        self, host: str, *, profile: str | None = None, client_id: str | None = None
    ) -> int:
        """Log out: remove all traces of the logins at a host, or of those for one profile or app.

        What is damaged does not say whose it is, and goes with its whole host. One that cannot be removed
        keeps none of the others.

        Returns:
            How many there were.

        Raises:
            AuthError: a keyring does not let go of one.
            ConfigError: a file cannot be removed.
        """
        origin = origin_of(host := Hidden(host))
        names = await anyio.to_thread.run_sync(self._shelf.names, origin, profile, client_id)
        problem: GatewayError | None = None
        for name in names:
            try:
                async with Alone(self._shelf, name) as alone:
                    await alone.remove()
            except GatewayError as error:
                problem = error
        if problem is not None:
            raise problem
        return len(names)

    def alone(self, key: LoginKey) -> Alone:
        """Hold a login, in ``async with``: nobody else changes it meanwhile."""
        return Alone(self._shelf, key.name)


class Alone:
    """One login, held. Its last act is one `save` or one `remove`, with which it is given back."""

    def __init__(self, shelf: Shelf, name: str, *, patience: float = PATIENCE) -> None:
        self._shelf = shelf
        self._name = name
        self._patience = patience
        self._lock: Lock | None = None
        self._ending = False

    async def __aenter__(self) -> Self:
        """Wait for the login.

        Raises:
            AuthError: another process holds it and does not let go.
            ConfigError: it cannot be locked.
        """
        lock = self._lock = await anyio.to_thread.run_sync(self._shelf.lock, self._name)
        pause = _FIRST_PAUSE
        try:
            with anyio.move_on_after(self._patience):
                while not await anyio.to_thread.run_sync(lock.attempt):
                    await anyio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  or all come at once
                    pause = min(2 * pause, _LONGEST_PAUSE)
                return self
        except BaseException:
            lock.release()
            raise
        lock.release()
        message = f"another process has held the stored login for {self._patience:g} s"
        raise AuthError(
            message, phase="token", retryable=True, hint="Try again; end the process if it hangs."
        )

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._lock is not None and not self._ending:
            self._lock.release()

    async def rehearse(self) -> Entry | None:
        """See to it that a renewed login can be stored, before it is renewed.

        Returns:
            What the index says of it, for `save`.

        Raises:
            ConfigError: it cannot be stored.
        """
        return await anyio.to_thread.run_sync(self._shelf.rehearse, self._name)

    async def save(self, kept: KeptLogin, before: Entry | None = None) -> None:
        """Store a new login, or one that was renewed, of which `rehearse` gave ``before``.

        Raises:
            ConfigError: it cannot be stored.
        """
        await self._end_with(lambda: self._shelf.write(kept, before))

    async def remove(self) -> None:
        """Remove all traces of it.

        Raises:
            AuthError: the keyring does not let go of it.
            ConfigError: a file cannot be removed.
        """
        await self._end_with(lambda: self._shelf.delete(self._name))

    async def _end_with(self, change: Callable[[], None]) -> None:
        lock, done = self._lock, Future[None]()
        assert lock is not None  # noqa: S101  it is held
        done.set_running_or_notify_cancel()  # so that no waiter that is cancelled can cancel it

        def run() -> None:
            try:
                change()
            except BaseException as error:  # noqa: BLE001  it is told to who waits
                lock.release()
                done.set_exception(error)
            else:
                lock.release()
                done.set_result(None)

        thread = threading.Thread(target=run, name="gateway_stream: login")
        thread.start()
        self._ending = True
        await asyncio.wrap_future(done)
