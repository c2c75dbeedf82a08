"""A keyring for tests: it keeps what it is given in memory, and fails in the ways in which keyrings fail."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import keyring
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from keyring.errors import KeyringLocked

if TYPE_CHECKING:
    from collections.abc import Iterator


FAILS: Final = fail.Keyring()  # type: ignore[no-untyped-call]
NULL: Final = null.Keyring()  # type: ignore[no-untyped-call]
"""What ``keyring`` finds where there is none, and where somebody wants none."""


class TestKeyring(KeyringBackend):
    """``asked`` is what it was asked to do.

    It may be ``locked`` (it refuses, and its error quotes what it was given), refuse the things in ``refuses``, wait
    for ``opened`` to be set before it does one of those in ``waits`` (``reached`` tells that it does), or cut what
    is longer than ``longest``.
    """

    __test__ = False
    priority: float = 5

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}
        self.asked: list[str] = []
        self.locked = False
        self.refuses: set[str] = set()
        self.waits: set[str] = set()
        self.reached = threading.Event()
        self.opened = threading.Event()
        self.longest = 1_000_000

    def _ask(self, what: str, told: str = "") -> None:
        self.asked.append(what)
        if what in self.waits:
            self.reached.set()
            self.opened.wait()
        if self.locked or what in self.refuses:
            message = f"locked, and was told {told}"
            raise KeyringLocked(message)

    def get_password(self, service: str, username: str) -> str | None:
        self._ask("get")
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._ask("set", password)
        self.kept[service, username] = str(password)[: self.longest]

    def delete_password(self, service: str, username: str) -> None:
        self._ask("delete")
        del self.kept[service, username]


@contextmanager
def keyring_of_this_machine(backend: KeyringBackend) -> Iterator[None]:
    """Have ``keyring`` find a backend, for a while."""
    before = keyring.get_keyring()
    keyring.set_keyring(backend)
    try:
        yield
    finally:
        keyring.set_keyring(before)
