"""The device code flow (RFC 8628): a person logs in by a browser anywhere, with a code that is shown here.

The server is asked whether they did, no more often than it likes: every ``interval`` seconds (5 unless it
says otherwise), 5 seconds longer for each ``slow_down``, twice as long where it could not be reached, and
not once the code has expired.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway_stream.auth.secret import Secret
from gateway_stream.errors import AuthError, GatewayError
from gateway_stream.net.hidden import Hidden

if TYPE_CHECKING:
    from gateway_stream.auth.authority import Desk
    from gateway_stream.auth.login.pkce import Login
    from gateway_stream.auth.stored import StoredLogin

__all__ = ["Device", "begin_device", "finish_device"]

_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_INTERVAL: Final = 5.0
_SLOWER: Final = 5.0
_LIFE: Final = 600.0


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A device login that was begun.

    Attributes:
        code: what the server knows it by.
        user_code: what the person enters.
        place: where they enter it.
        place_with_code: the same, the code filled in, if the server has such a page.
        interval: seconds between questions.
        expires_at: when the code does, in seconds since 1970.
    """

    code: Secret
    user_code: str
    place: str
    place_with_code: str | None
    interval: float
    expires_at: float


async def begin_device(login: Login, desk: Desk) -> Device | None:
    """Begin a device login; ``None`` where the host has none, or not for this app.

    Raises:
        GatewayError: the server cannot be reached, or cannot answer.
    """
    endpoints = await desk.endpoints(login.origin, login.account_id)
    if endpoints.device is None:
        return None
    began = desk.clock.time()
    fields = {"client_id": login.client_id, "scope": " ".join(login.scopes)}
    try:
        told = (await desk.ask(endpoints.device, endpoints, fields, login.client)).tree
    except AuthError:
        return None
    told = told if isinstance(told, dict) else {}
    code, user_code, place = (
        _shown(told.get(name)) for name in ("device_code", "user_code", "verification_uri")
    )
    if not (code and user_code and place):
        return None
    return Device(
        code=Secret(code, name="the device code"),
        user_code=user_code,
        place=place,
        place_with_code=_shown(told.get("verification_uri_complete")),
        interval=_seconds(told.get("interval"), _INTERVAL),
        expires_at=began + _seconds(told.get("expires_in"), _LIFE),
    )


async def finish_device(device: Device, login: Login, desk: Desk) -> StoredLogin:
    """The login, once the person has allowed it. Waits for them.

    Raises:
        AuthError: they did not allow it, or not in time.
    """
    endpoints = await desk.endpoints(login.origin, login.account_id)
    fields = {"grant_type": _GRANT, "device_code": Hidden(device.code.reveal())}
    interval = device.interval
    while True:
        await desk.clock.sleep(min(interval, device.expires_at - desk.clock.time()))
        if desk.clock.time() >= device.expires_at:
            message = "nobody entered the code in time"
            hint = "Begin the login again."
            raise AuthError(message, code="expired_token", phase="login", hint=hint)
        try:
            # Asked again by this loop alone: sooner than it allows, the server only slows it down.
            grant = await desk.grant(endpoints, fields, login.client, repeatable=False)
            return login.granted(grant)
        except AuthError as error:
            if error.code == "slow_down":
                interval += _SLOWER
            elif error.code != "authorization_pending":
                raise
        except GatewayError as error:
            if not error.retryable:
                raise
            interval *= 2


def _shown(value: Any) -> str | None:
    """Text that a terminal may be given."""
    return value if isinstance(value, str) and value.isascii() and value.isprintable() else None


def _seconds(value: Any, otherwise: float) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return otherwise
    return seconds if 0 < seconds < float("inf") else otherwise
