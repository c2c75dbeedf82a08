"""A public test kit: a gateway on loopback that says and breaks what a test wants.

`FakeGateway` serves, a `Reply` says what, a `Fault` what goes wrong with it and a `ConnectionFault` what
goes wrong with a connection; a `Capacity` takes only so much. `chop` cuts bytes into reads. `check_family` holds a wire family, one of the four or one of your own, to the rules. The pytest fixture is in `gateway_stream.testing.fixtures`.
"""

from __future__ import annotations

from gateway_stream.testing.capacity import Capacity
from gateway_stream.testing.cassettes import Cassette
from gateway_stream.testing.chop import Cuts, chop
from gateway_stream.testing.clock import HandClock
from gateway_stream.testing.connections import ConnectionFault
from gateway_stream.testing.families import check_answer, check_family
from gateway_stream.testing.oauth import DeviceFlow, Issuer, Login, TokenRequest
from gateway_stream.testing.recorder import Recorder
from gateway_stream.testing.replies import Fault, Reply
from gateway_stream.testing.routes import Received, Surface
from gateway_stream.testing.script import FamilyName, Script, ScriptedCall
from gateway_stream.testing.server import FakeGateway, Handler

__all__ = [
    "Capacity",
    "Cassette",
    "ConnectionFault",
    "Cuts",
    "DeviceFlow",
    "FakeGateway",
    "FamilyName",
    "Fault",
    "HandClock",
    "Handler",
    "Issuer",
    "Login",
    "Received",
    "Recorder",
    "Reply",
    "Script",
    "ScriptedCall",
    "Surface",
    "TokenRequest",
    "check_answer",
    "check_family",
    "chop",
]
