"""A process that uses a stored login: ``python -m tests.support.login_child WHAT HOST [STEP]``.

It writes ``ready`` and waits for a line before it begins. ``WHAT``:

- ``stream``: a client streams an answer, authorized by the login; then it writes ``done``;
- ``fetch``: fetches a token, writes ``fetched`` and how many steps it took, and waits to be killed, since
  what is done with a token comes after;
- ``hold``: holds the login, writes ``held`` and waits to be killed.

A step is what it does to the store's files and to the network. With ``STEP`` the process kills itself before
that one.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, Final

import anyio

from gateway_stream import Client
from gateway_stream.auth.login.own_desk import open_desk
from gateway_stream.auth.sources.stored_login import StoredLoginSource
from gateway_stream.auth.store.login_store import LoginStore

HOME: Final = os.environ["GATEWAY_STREAM_HOME"]
ON_FILES: Final = ("open", "os.listdir", "os.mkdir", "os.remove", "os.rename")
OTHERS: Final = ("fcntl.flock", "socket.connect")


class Steps:
    """Counts what the process does, as Python's audit events tell it."""

    def __init__(self, last: int | None) -> None:
        self.taken = 0
        self._last = last

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in OTHERS or (event in ON_FILES and HOME in str(arguments[0])):
            self.taken += 1
            if self.taken == self._last:
                os.kill(os.getpid(), signal.SIGKILL)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def stream(host: str) -> None:
    async with Client(host=host, auth=StoredLoginSource(host=host)) as client:
        await client.complete("claude", "hi")
    say("done")


async def fetch(host: str, last: int | None) -> None:
    async with open_desk(host) as desk:
        steps = Steps(last)
        sys.addaudithook(steps)
        await StoredLoginSource(host=host).fetch(desk, instead_of=None)
        say(f"fetched {steps.taken}")
        await anyio.sleep_forever()


async def hold(host: str) -> None:
    store = LoginStore()
    entry = await store.find(host)
    assert entry is not None
    async with store.alone(entry.key):
        say("held")
        await anyio.sleep_forever()


def main(what: str, host: str, step: str | None = None) -> None:
    say("ready")
    sys.stdin.readline()
    if what == "stream":
        anyio.run(stream, host)
    elif what == "fetch":
        anyio.run(fetch, host, int(step) if step else None)
    else:
        anyio.run(hold, host)


if __name__ == "__main__":
    main(*sys.argv[1:])
