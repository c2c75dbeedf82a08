"""Logging in from a terminal: the way that fits the machine, and what the person is told meanwhile.

Three ways, in this order:

1. *The browser of this machine*, where there is one: it is sent to the host and comes back to a port here
   (`gateway_stream.auth.login.loopback`).
2. *A browser anywhere, with a code* that is shown here (`gateway_stream.auth.login.device`), where the host has
   that for the app.
3. *A browser anywhere, and back by hand*: it ends at an address that does not exist there and holds the
   code. The person copies that address, whose state is checked, or the code alone, which only the verifier of
   this login can be exchanged with.

A machine has a browser if ``BROWSER`` names one or there is a screen; a program at the far end of SSH has no
screen. Nothing is printed or read here: that is done by whoever asks for the login.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import threading
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Final

import anyio
import msgspec

from gateway_stream.auth.login.device import begin_device, finish_device
from gateway_stream.auth.login.loopback import listen
from gateway_stream.auth.login.own_desk import open_desk
from gateway_stream.auth.login.pkce import read_redirect
from gateway_stream.auth.secret import Secret
from gateway_stream.errors import AuthError, TimedOut

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from gateway_stream.auth.authority import Desk
    from gateway_stream.auth.login.pkce import Login
    from gateway_stream.auth.stored import StoredLogin

__all__ = ["SECONDS", "has_browser", "log_in", "open_in_browser"]

SECONDS: Final = 300.0
"""How long a person has in their browser: long enough for a password and a second factor."""

_ADDRESS: Final = re.compile(r"://|\?|(?:^|&)(?:code|state|error)=")


async def log_in(
    login: Login,
    *,
    show: Callable[[str], object],
    ask: Callable[[str], Awaitable[str]],
    open_browser: bool = True,
    browse: Callable[[str], bool] | None = None,
    seconds: float = SECONDS,
    desk: Desk | None = None,
) -> StoredLogin:
    """Log a person in.

    Args:
        login: where, and for which app; ``Login(host=...)`` is the public one.
        show: shows a line to the person.
        ask: asks them for a line, with these words.
        open_browser: whether a browser may be opened on this machine.
        browse: opens an address in it and says whether that went well; runs in a thread.
        seconds: how long the person has in the browser of this machine.
        desk: what to ask the host through; without it, connections of its own.

    Raises:
        AuthError: the login was refused.
        TimedOut: nobody came back in time.
        ConfigError: the host is no address, or no port is free for the browser to come back to.
        GatewayError: the host cannot be reached, or cannot answer.
    """
    async with nullcontext(desk) if desk else open_desk(login.host, login.account_id) as asked:
        if open_browser and has_browser(os.environ, sys.platform):
            stored = await _by_browser(login, asked, show, browse or open_in_browser, seconds)
            if stored is not None:
                return stored
            show("No browser could be opened.")
        device = await begin_device(login, asked)
        if device is None:
            return await _by_hand(login, asked, show, ask)
        show(f"Go to {device.place} with any browser and enter the code {device.user_code}")
        if device.place_with_code:
            show(f"or go to {device.place_with_code}")
        return await finish_device(device, login, asked)


async def _by_browser(
    login: Login,
    desk: Desk,
    show: Callable[[str], object],
    browse: Callable[[str], bool],
    seconds: float,
) -> StoredLogin | None:
    """The login by this machine's browser; ``None`` where it does not open."""
    came_back = None
    async with listen(login.redirect_uri) as loopback:
        login = msgspec.structs.replace(login, redirect_uri=loopback.redirect_uri)
        begun = await login.begin(desk)
        show(f"Log in with the browser that opens now. If none does, go to {begun.url}")
        with anyio.CancelScope() as opening:

            def failed() -> None:
                if loopback.target is None:  # what was opened may fail after it did its work
                    opening.cancel()

            _beside(browse, begun.url, failed)
            with anyio.move_on_after(seconds) as limit:
                came_back = await loopback.came_back(begun.state)
    if came_back is not None:
        return await login.finish(came_back, state=begun.state, verifier=begun.verifier, desk=desk)
    if limit.cancelled_caught:
        message = f"nobody came back from the browser within {seconds:g} s"
        raise TimedOut(message, phase="login", hint="Begin the login again.")
    return None


def _beside(browse: Callable[[str], bool], url: str, failed: Callable[[], object]) -> None:
    """Open an address in a thread that nobody waits for: some browsers end when their window does.

    So it is none of anyio's threads, which a program waits for at its end.
    """
    loop = asyncio.get_running_loop()

    def run() -> None:
        opened = False
        with suppress(Exception):  # whatever a browser fails with
            opened = browse(url)
        if not opened:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(failed)

    threading.Thread(target=run, name="gateway_stream: browser", daemon=True).start()


async def _by_hand(
    login: Login,
    desk: Desk,
    show: Callable[[str], object],
    ask: Callable[[str], Awaitable[str]],
) -> StoredLogin:
    begun = await login.begin(desk)
    show(f"Log in with any browser: {begun.url}")
    show(
        f"It then goes to an address that begins with {login.redirect_uri}; never mind if nothing is there."
    )
    pasted = (await ask("Paste that address, or the code in it: ")).strip()
    if not pasted:
        message = "nothing was pasted"
        raise AuthError(message, phase="login", hint="Begin the login again.")
    if _ADDRESS.search(pasted):
        code = read_redirect(pasted, begun.state)
    else:
        code = Secret(pasted, name="the code")
    return await login.exchange(code, begun.verifier, desk)


def has_browser(environ: Mapping[str, str], platform: str) -> bool:
    """Whether a browser can be opened that the person sees."""
    if any(environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")):
        return True
    return platform in ("darwin", "win32") and not environ.get("SSH_CONNECTION")


def open_in_browser(url: str) -> bool:
    """Open an address in the browser that ``BROWSER`` or the system names. May take as long as it is open."""
    import webbrowser  # noqa: PLC0415  few programs log in

    return webbrowser.open(url)
