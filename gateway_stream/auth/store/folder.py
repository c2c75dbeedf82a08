"""Where logins rest on the disk: a folder with an index, and the system's keyring or files beside it.

The folder is ``logins`` in ``GATEWAY_STREAM_HOME``, else in the user's own ``gateway-stream``
(``XDG_CONFIG_HOME`` or the platform's). Nobody else may look into it (0700, files 0600). A login has up
to three files of one name, made of its host and a hash of all that tells it from others:

- ``.json`` says whose login it is and where its secrets rest, and holds none itself;
- ``.secret`` holds the secrets, where they rest in a file;
- ``.lock`` is what processes lock before they change the others.

**A change is whole or has not been.** It is written beside, forced to the disk and put in place by one
rename. Secrets are written to their new place first, then the index says so, and then they are removed
from the old one. A process that is killed in between leaves at worst a file ``.new``, which the next
change overwrites. What a keyring holds is removed from it by the logout only: a login moves to a file where
the keyring does not answer, or where somebody does not want it to be asked.

**Where.** A new login goes into the keyring if there is one, else into a file, or where the caller says.
When it is renewed it stays where it is; only if the keyring does not take it does it move to a file, and
it stays there till the next login, since what a slow keyring does late may undo what it was told last.

**Damage.** A file that cannot be read as what it should be is an error, and is left as it is. The next
login puts it aside as ``.damaged``; a logout removes that too.

Everything here blocks, and is called in threads.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from gateway_stream.auth.store import keyring_store, private_files
from gateway_stream.auth.store.file_lock import FileLock
from gateway_stream.auth.store.kept import (
    DIGITS,
    Entry,
    KeptLogin,
    LoginKey,
    is_later,
    name_of,
    read_entry,
    read_kept,
)
from gateway_stream.auth.store.keyring_store import KeyringFailed, KeyringMissing, KeyringUnsure
from gateway_stream.errors import AuthError, ConfigError
from gateway_stream.net.hidden import Hidden

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gateway_stream.auth.store.kept import Rests

__all__ = ["FolderShelf", "home_folder"]

_FOLDER: Final = "logins"
_INSTALL: Final = "Install it: pip install 'gateway-stream[auth]'."


def home_folder(environ: Mapping[str, str]) -> Path | None:
    """The folder of what this library keeps for a user; ``None`` for a user without a home."""
    own, base = environ.get("GATEWAY_STREAM_HOME"), environ.get("XDG_CONFIG_HOME")
    try:
        if own:
            return Path(own).expanduser()
        if base and Path(base).is_absolute():  # the specification has others ignored
            return Path(base, "gateway-stream")
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or home / "AppData/Local", "gateway-stream")
    if sys.platform == "darwin":
        return home / "Library/Application Support/gateway-stream"
    return home / ".config/gateway-stream"


class FolderShelf:
    """Logins in a folder, their secrets in the keyring or beside.

    Args:
        home: the folder in which ours is; ``None`` where there is none.
        rests: where the secrets of a new login go; ``None`` for the keyring, else a file.
    """

    def __init__(self, home: Path | None, rests: Rests | None) -> None:
        self._home = home
        self._rests = rests

    def entries(self, host: str | None) -> list[Entry]:
        """What the index says. Reads no secret and asks no keyring.

        Raises:
            ConfigError: an entry of the host is damaged.
        """
        names = [name for name in self._files(host) if name.endswith(".json")]
        found = [self._entry(name.removesuffix(".json"), host) for name in names]
        return [entry for entry in found if entry and host in (None, entry.host)]

    def names(self, host: str, profile: str | None, client_id: str | None) -> list[str]:
        """The names of what is kept for a host, or for one profile or app there.

        Whose something damaged or unfinished is nobody knows, so it counts for the whole host.
        """
        found = []
        for name in dict.fromkeys(
            name[: len(name_of(host)) + DIGITS] for name in self._files(host)
        ):
            try:
                entry = self._entry(name)
            except ConfigError:
                entry = None
            if entry is None:
                fits = profile is None and client_id is None
            else:
                fits = entry.host == host and entry.fits(profile, client_id)
            if fits:
                found.append(name)
        return found

    def _files(self, host: str | None) -> list[str]:
        """The names of all files, or of those of a host."""
        prefix = "" if host is None else name_of(host)
        if self._home is None:
            return []
        folder = self._home / _FOLDER
        with private_files.telling(folder, "read"):
            try:
                names = [path.name for path in folder.iterdir()]
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                return []  # nothing is kept for this user
        return sorted(name for name in names if name.startswith(prefix))

    def read(self, key: LoginKey) -> KeptLogin | None:
        """The login with its secrets; ``None`` if there is none.

        Raises:
            ConfigError: its file is damaged, or what reads a keyring is missing.
            AuthError: the keyring does not give it.
        """
        entry = self._entry(key.name, key.host)
        if entry is None:
            return None
        path = self._path(key.name, ".secret")
        if entry.rests == "keyring":
            with _asking_keyring(key.host):
                text = keyring_store.get(key.name)
        else:
            text = private_files.read(path)
        if text is None:
            return None
        kept = read_kept(text)
        if kept is None or kept.key != key:
            place = "the keyring's entry" if entry.rests == "keyring" else str(path)
            raise _damaged(place, key.host)
        return kept

    def prepare(self) -> None:
        """See to it that a new login could be written.

        Raises:
            ConfigError: nothing can be written.
        """
        probe = self._path(f"probe-{os.getpid()}-{threading.get_ident()}", ".secret")
        private_files.make_private(probe.parent)
        private_files.rehearse(probe)

    def rehearse(self, name: str) -> Entry | None:
        """See to it that a renewed login can be written: what cannot be stored must not be fetched.

        Returns:
            What the index says of it.

        Raises:
            ConfigError: nothing can be written, or the entry is damaged.
        """
        private_files.rehearse(self._path(name, ".secret"))
        return self._entry(name)

    def write(self, kept: KeptLogin, before: Entry | None) -> None:
        """Keep a login, in place of whatever is there.

        Raises:
            ConfigError: nothing can be written, or there is no keyring where one was asked for.
        """
        key = kept.key
        if before is None:
            self._put_damage_aside(key.name)
        there = before or self._entry(key.name)
        rests, in_keyring = self._put(kept, before)
        entry = Entry(
            host=key.host,
            client_id=key.client_id,
            profile=key.profile,
            rests=rests,
            since=before.since if before else time.time(),
            in_keyring=in_keyring or (there is not None and there.in_keyring),
        )
        if entry != there:
            index = self._path(key.name, ".json")
            private_files.replace(index, Hidden(msgspec.json.encode(entry).decode()))
        if rests == "keyring":
            private_files.remove(self._path(key.name, ".secret"))

    def delete(self, name: str) -> None:
        """Remove every trace of a login.

        Raises:
            AuthError: the keyring does not let go of it; what says so is still there.
            ConfigError: a file cannot be removed, or what reads a keyring is missing.
        """
        entry, damaged = None, self._path(name, ".json.damaged").exists()
        try:
            entry = self._entry(name)
        except ConfigError:
            damaged = True
        private_files.remove(self._path(name, ".secret"))
        if entry and entry.in_keyring:
            may = "is" if entry.rests == "keyring" else "may be"
            with _asking_keyring(entry.host, may):
                keyring_store.delete(name)
        elif damaged:  # so nobody knows whether the keyring holds something
            with suppress(KeyringFailed, KeyringMissing):
                keyring_store.delete(name)
        for suffix in (".new", ".secret.damaged", ".json.damaged", ".json"):
            private_files.remove(self._path(name, suffix))
        FileLock(self._path(name, ".lock")).remove()

    def lock(self, name: str) -> FileLock:
        """A lock between processes.

        Raises:
            ConfigError: there is no folder for it, nor can one be made.
        """
        path = self._path(name, ".lock")
        private_files.make_private(path.parent)
        return FileLock(path)

    def _path(self, name: str, suffix: str) -> Path:
        if self._home is None:
            message = "there is no home folder to keep logins in"
            raise ConfigError(message, hint="Name a folder in GATEWAY_STREAM_HOME.")
        return self._home / _FOLDER / f"{name}{suffix}"

    def _entry(self, name: str, host: str | None = None) -> Entry | None:
        path = self._path(name, ".json")
        text = private_files.read(path)
        if text is None:
            return None
        entry = read_entry(text)
        if entry is None:
            error = _later if is_later(text) else _damaged
            raise error(str(path), host or name.partition("~")[0])
        return entry

    def _put(self, kept: KeptLogin, before: Entry | None) -> tuple[Rests, bool]:
        """Write the secrets. Gives where they rest, and whether the keyring may hold some."""
        key, text = kept.key, kept.written()
        tried = False
        if (before.rests if before else self._rests) != "file":
            try:
                keyring_store.put(key.name, text)
            except (KeyringFailed, KeyringMissing) as error:
                if before is None and self._rests == "keyring":
                    raise _no_keyring(key.host, error) from None
                tried = isinstance(error, KeyringUnsure)
            else:
                return "keyring", True
        private_files.replace(self._path(key.name, ".secret"), text)
        return "file", tried

    def _put_damage_aside(self, name: str) -> None:
        index, secrets = self._path(name, ".json"), self._path(name, ".secret")
        for path, read in ((index, read_entry), (secrets, read_kept)):
            text = private_files.read(path)
            if text is not None and read(text) is None:
                private_files.put_aside(path)


# --- errors ----------------------------------------------------------------------------------


@contextmanager
def _asking_keyring(host: str, may: str = "is") -> Iterator[None]:
    try:
        yield
    except KeyringMissing:
        raise _missing(host) from None
    except KeyringFailed as error:
        message = f"the login at {host} {may} in the system's keyring, and {error}"
        hint = f"Unlock it and try again, or log in again: {_login(host)}"
        raise AuthError(message, phase="token", retryable=True, hint=hint) from None


def _no_keyring(host: str, error: Exception) -> ConfigError:
    if isinstance(error, KeyringMissing):
        return _missing(host)
    message = f"the login at {host} was to go into the system's keyring, and {error}"
    return ConfigError(message, hint="Unlock it, or set DATABRICKS_AUTH_STORAGE=plaintext.")


def _missing(host: str) -> ConfigError:
    message = f"the login at {host} is kept in the system's keyring, which takes a package"
    return ConfigError(message, hint=_INSTALL)


def _damaged(place: str, host: str) -> ConfigError:
    message = f"{place} is damaged: it is no login as this version keeps it"
    return ConfigError(message, hint=f"Log in again, which puts it aside: {_login(host)}")


def _later(place: str, host: str) -> ConfigError:
    message = f"{place} was written by a later version of gateway-stream"
    return ConfigError(message, hint=f"Install that, or log in again: {_login(host)}")


def _login(host: str) -> str:
    return f"gateway-stream auth login --host {host}"
