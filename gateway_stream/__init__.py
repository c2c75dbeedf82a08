"""Every model behind a Databricks Unity AI Gateway as one typed event protocol.

The way of one request, each door crossed once::

    Request -encode-> WireRequest -quirks-> -route-> URL, headers -token-> -admission->
        -transport-> bytes -sse-> Frame -decode-> [Event] -> EventStream -> you

Start with `Client`; `gateway_stream.events` tells what comes back, `gateway_stream.request` what
can be asked, `gateway_stream.errors` what can go wrong.
"""

from __future__ import annotations

from typing import Final

from gateway_stream.budget import Budget, Price
from gateway_stream.client import Client
from gateway_stream.errors import (
    AccessDenied,
    AuthError,
    BadRequest,
    BudgetExceeded,
    ConfigError,
    ConnectError,
    ConnectionLost,
    GatewayError,
    GatewayUnavailable,
    ModelNotFound,
    Overloaded,
    ProtocolError,
    QueueFull,
    RateLimited,
    RouteNotFound,
    StreamFailed,
    StreamTruncated,
    TimedOut,
)
from gateway_stream.events import (
    BlockEnd,
    BlockStart,
    Event,
    Failure,
    Media,
    Notice,
    Opaque,
    ReasoningDelta,
    RefusalDelta,
    Reset,
    Source,
    Start,
    Stop,
    TextDelta,
    ToolCallDelta,
    Usage,
    decode_event,
)
from gateway_stream.fanout import fan_out
from gateway_stream.net.minutes import Limits
from gateway_stream.net.retry import Retry
from gateway_stream.net.watchdog import Timeouts
from gateway_stream.request import (
    DocumentPart,
    ImagePart,
    Message,
    OutputSchema,
    Reasoning,
    Request,
    TextPart,
    Tool,
    ToolChoice,
    ToolResultPart,
)
from gateway_stream.session import Session
from gateway_stream.stream import Batch, EventStream
from gateway_stream.turn import PartialTurn, Timings, ToolCall, Turn, fold

__all__ = [
    "AccessDenied",
    "AuthError",
    "BadRequest",
    "Batch",
    "BlockEnd",
    "BlockStart",
    "Budget",
    "BudgetExceeded",
    "Client",
    "ConfigError",
    "ConnectError",
    "ConnectionLost",
    "DocumentPart",
    "Event",
    "EventStream",
    "Failure",
    "GatewayError",
    "GatewayUnavailable",
    "ImagePart",
    "Limits",
    "Media",
    "Message",
    "ModelNotFound",
    "Notice",
    "Opaque",
    "OutputSchema",
    "Overloaded",
    "PartialTurn",
    "Price",
    "ProtocolError",
    "QueueFull",
    "RateLimited",
    "Reasoning",
    "ReasoningDelta",
    "RefusalDelta",
    "Request",
    "Reset",
    "Retry",
    "RouteNotFound",
    "Session",
    "Source",
    "Start",
    "Stop",
    "StreamFailed",
    "StreamTruncated",
    "TextDelta",
    "TextPart",
    "TimedOut",
    "Timeouts",
    "Timings",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolChoice",
    "ToolResultPart",
    "Turn",
    "Usage",
    "decode_event",
    "fan_out",
    "fold",
]

__version__: Final = "0.1.0"
