"""What keeps logins: a shelf. `gateway_stream.auth.store.folder` keeps them on the disk, `MemoryShelf` does not.

A shelf blocks and is used in threads. What changes a login is done by the holder of its lock.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Protocol

from gateway_stream.auth.store.kept import Entry

if TYPE_CHECKING:
    from gateway_stream.auth.store.kept import KeptLogin, LoginKey

__all__ = ["Lock", "MemoryShelf", "Shelf"]


class Lock(Protocol):
    """See `gateway_stream.auth.store.file_lock.FileLock`."""

    def attempt(self) -> bool:
        """Take it, if it is free."""

    def release(self) -> None:
        """Give it back."""


class Shelf(Protocol):
    """Keeps logins, by key, or by the `LoginKey.name` that even a damaged one has.

    `write`, `rehearse` and `delete` want the login's lock to be held.
    """

    def entries(self, host: str | None) -> list[Entry]:
        """What is kept, for a host or for all."""

    def names(self, host: str, profile: str | None, client_id: str | None) -> list[str]:
        """The names of what is kept for a host, or for one profile or app there; damaged ones too."""

    def read(self, key: LoginKey) -> KeptLogin | None:
        """A login with its secrets."""

    def prepare(self) -> None:
        """Fail now, if no new login could be kept."""

    def rehearse(self, name: str) -> Entry | None:
        """Fail now, if a write would. Gives what the index says of the login."""

    def write(self, kept: KeptLogin, before: Entry | None) -> None:
        """Keep a login that was renewed, and ``before`` the renewal was so; or a new one, with ``None``."""

    def delete(self, name: str) -> None:
        """Forget a login."""

    def lock(self, name: str) -> Lock:
        """What keeps others from changing it."""


class MemoryShelf:
    """Logins that end with the process."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Entry, KeptLogin]] = {}
        self._locks: dict[str, threading.Lock] = {}

    def entries(self, host: str | None) -> list[Entry]:
        """What is kept."""
        return [entry for entry, _ in list(self._kept.values()) if host in (None, entry.host)]

    def names(self, host: str, profile: str | None, client_id: str | None) -> list[str]:
        """The names of what is kept."""
        return [e.key.name for e in self.entries(host) if e.fits(profile, client_id)]

    def read(self, key: LoginKey) -> KeptLogin | None:
        """A login; ``None`` if there is none."""
        kept = self._kept.get(key.name)
        return kept[1] if kept else None

    def prepare(self) -> None:
        """Memory takes any."""

    def rehearse(self, name: str) -> Entry | None:
        """Memory takes it."""
        kept = self._kept.get(name)
        return kept[0] if kept else None

    def write(self, kept: KeptLogin, before: Entry | None) -> None:
        """Keep a login."""
        key = kept.key
        entry = Entry(
            host=key.host,
            client_id=key.client_id,
            profile=key.profile,
            rests="memory",
            since=before.since if before else time.time(),
        )
        self._kept[key.name] = (entry, kept)

    def delete(self, name: str) -> None:
        """Forget a login."""
        self._kept.pop(name, None)

    def lock(self, name: str) -> MemoryLock:
        """A lock between threads and tasks."""
        return MemoryLock(self._locks.setdefault(name, threading.Lock()))


class MemoryLock:
    """A lock of one process, taken as a `FileLock` is."""

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self._turn = threading.Lock()
        self._held = self._over = False

    def attempt(self) -> bool:
        """Take it, if it is free. Never succeeds after `release`."""
        with self._turn:
            if not (self._held or self._over):
                self._held = self._lock.acquire(blocking=False)
            return self._held

    def release(self) -> None:
        """Give it back, if it is held."""
        with self._turn:
            self._over = True
            held, self._held = self._held, False
            if held:
                self._lock.release()
