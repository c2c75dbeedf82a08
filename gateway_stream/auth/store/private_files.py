"""Files that nobody but their user reads, and that are whole or not there.

A file is written beside its place (``.new``), forced to the disk and put into place by one rename; who reads
finds the old one or the new one. On POSIX systems files have mode 0600 from their first byte on and folders
0700; on Windows the user's own folders are closed to others.

What is read and written here is `Hidden`, since it may be a secret, and the system's errors, which name
files and quote nothing of them, are told in our words.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from gateway_stream.errors import ConfigError
from gateway_stream.net.hidden import Hidden

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["make_private", "put_aside", "read", "rehearse", "remove", "replace", "telling"]

_PROBE: Final = Hidden("\0" * 65_536)  # more than a login has
_TRIES: Final = 40
_PAUSE: Final = 0.05


@contextmanager
def telling(path: Path, what: str = "written") -> Iterator[None]:
    """Tell the system's errors in our words."""
    try:
        yield
    except OSError as error:
        message = f"{path} cannot be {what}: {error.strerror or type(error).__name__}"
        hint = "Let this user do so, or name another folder in GATEWAY_STREAM_HOME."
        raise ConfigError(message, hint=hint) from error


def make_private(folder: Path) -> None:
    """Have a folder of our own, in one that is made if it is missing.

    Raises:
        ConfigError: it cannot be had. So do the others.
    """
    with telling(folder):
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        if os.name == "posix" and folder.stat().st_mode & 0o077:
            folder.chmod(0o700)


def read(path: Path) -> Hidden | None:
    """The text of a file; ``None`` if it is not there."""
    with telling(path, "read"):
        try:
            return Hidden(path.read_bytes().decode("utf-8", "replace"))
        except FileNotFoundError:
            return None


def replace(path: Path, text: Hidden) -> None:
    """Put a text into the place of a file. One process at a time may."""
    beside = path.with_suffix(".new")
    with telling(path):
        _write_whole(beside, text)
        _rename(beside, path)


def rehearse(path: Path) -> None:
    """Fail now, if `replace` would: write as much beside the file, and remove it."""
    beside = path.with_suffix(".new")
    with telling(path):
        _write_whole(beside, _PROBE)
        beside.unlink()


def put_aside(path: Path) -> None:
    """Keep a damaged file as ``.damaged``."""
    with telling(path):
        _rename(path, path.with_name(f"{path.name}.damaged"))


def remove(path: Path) -> None:
    """Have a file no more."""
    with telling(path, "removed"):
        path.unlink(missing_ok=True)


def _write_whole(path: Path, text: Hidden) -> None:
    file = _open_new(path)
    try:
        with os.fdopen(file, "w", encoding="utf-8", newline="") as writer:
            writer.write(text)
            writer.flush()
            os.fsync(file)
    except BaseException:
        path.unlink()  # a full disk wants it back
        raise


def _open_new(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return os.open(path, flags, 0o600)
    except FileExistsError:  # of who was killed, or a link or a file with modes of somebody else's
        path.unlink()
    return os.open(path, flags, 0o600)


def _rename(source: Path, target: Path) -> None:
    for _ in range(_TRIES):
        try:
            source.replace(target)
            break
        except PermissionError:
            if os.name == "posix":
                raise
            time.sleep(_PAUSE)  # Windows replaces no file that somebody reads
    else:
        source.replace(target)
    if os.name == "posix":
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
