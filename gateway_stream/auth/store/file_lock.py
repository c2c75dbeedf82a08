"""A lock between processes: a file that one at a time holds, and that the system frees when its holder dies.

The lock is the kernel's (``flock``, on Windows ``LockFile``), not the file's existence: a process that
is killed leaves the file and no lock, so nobody has to guess how old a lock may grow. It also keeps
apart the threads of one process, since each holder opens the file for itself.

A lock file may be removed by its holder. Who opened it before that holds a lock on a file that
nobody finds any more, so a lock counts only if the file that is locked is the one that is there.

Waiting is not done here: `FileLock.attempt` returns at once, and whoever waits asks again. A system call that
waits could not be called off.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway_stream.auth.store.private_files import telling

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FileLock"]


class FileLock:
    """Held from an `attempt` that succeeds until `release`, which any thread may call, at any time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.Lock()
        self._file: int | None = None
        self._over = False

    def attempt(self) -> bool:
        """Take the lock if it is free. Never succeeds after `release`.

        Raises:
            ConfigError: the file cannot be opened, or the file system has no locks.
        """
        with self._turn:
            if self._over:
                return False
            with telling(self._path, "locked"):
                file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
                try:
                    if _lock(file) and self._is_there(file):
                        self._file = file
                finally:
                    if self._file is None:
                        os.close(file)
            return self._file is not None

    def release(self) -> None:
        """Give the lock back; an attempt under way in another thread comes to nothing."""
        with self._turn:
            self._over = True
            file, self._file = self._file, None
            if file is not None:
                # Unlocked first: a forked child may have the file open, and would keep the lock.
                _unlock(file)
                os.close(file)

    def remove(self) -> None:
        """Remove the file. Only its holder may."""
        # Windows removes no file that is open, and who waits for it has it open now and then.
        with suppress(OSError):
            self._path.unlink()

    def _is_there(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), self._path.stat())
        except FileNotFoundError:
            return False


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> bool:
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def _unlock(file: int) -> None:
        os.lseek(file, 0, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
