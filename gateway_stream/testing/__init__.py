"""A public test kit: a gateway on loopback that says and breaks what a test wants.

`FakeGateway` serves, a `Reply` says what, a `Fault` says what goes wrong with it, `chop` cuts bytes
into reads. `check_family` holds a wire family, one of the four or one of your own, to the rules. The pytest fixture is in `gateway_stream.testing.fixtures`.
"""

from __future__ import annotations

from gateway_stream.testing.chop import Cuts, chop
from gateway_stream.testing.families import check_answer, check_family
from gateway_stream.testing.oauth import DeviceFlow, Issuer, Login, TokenRequest
from gateway_stream.testing.replies import Fault, Reply
from gateway_stream.testing.routes import Received, Surface
from gateway_stream.testing.script import FamilyName, Script, ScriptedCall
from gateway_stream.testing.server import FakeGateway, Handler

__all__ = [
    "Cuts",
    "DeviceFlow",
    "FakeGateway",
    "FamilyName",
    "Fault",
    "Handler",
    "Issuer",
    "Login",
    "Received",
    "Reply",
    "Script",
    "ScriptedCall",
    "Surface",
    "TokenRequest",
    "check_answer",
    "check_family",
    "chop",
]
