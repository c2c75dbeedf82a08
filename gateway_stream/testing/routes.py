"""Which paths a workspace has, and what it answers where it has nothing to say.

Each family is reached in three ways: over the gateway of the workspace (``/ai-gateway/...``), over a
gateway with a host of its own (the same paths without that prefix), and over the serving endpoints
that were there first (``/serving-endpoints/...``). The model is named in the body, but for Gemini
and ``invocations``, where it is one percent-encoded segment of the path. Gemini's method says whether
the answer streams; elsewhere the body's ``stream`` does.

The gateway's own refusals have one shape on every path: ``error_code`` and ``message``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway_stream.testing.script import FamilyName

__all__ = ["Place", "Received", "Surface", "gateway_error", "locate"]

Surface: TypeAlias = Literal["gateway", "dedicated", "classic"]
"""The three ways to a family."""


@dataclass(frozen=True)
class Place:
    """What a path leads to. ``model`` and ``stream`` are ``None`` where the body names them."""

    surface: Surface
    family: FamilyName
    model: str | None = None
    stream: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Received:
    """A request as it came.

    Attributes:
        method: the HTTP method.
        path: the path as sent, percent-encoding and all, without the query.
        query: the query's parameters.
        headers: by lower-case name; credentials are replaced unless they were asked for.
        body: the JSON tree, or ``None`` where the body is no JSON.
        raw: the body's bytes.
        at: when its head had come, on the clock of `time.monotonic`.
        connection: which connection brought it, counted from 1.
        surface: the way it took; ``None`` like the rest on a path of no family.
        family: the family of the path.
        model: the model of the path or the body.
        stream: whether a streamed answer was asked for.
        identity: whose token it carried, alive or not, if the gateway's `Issuer` gave it.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    raw: bytes = field(repr=False)
    at: float
    connection: int
    surface: Surface | None = None
    family: FamilyName | None = None
    model: str | None = None
    stream: bool = False
    identity: str | None = None
    _at_end: list[Callable[[], object]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def when_answered(self, work: Callable[[], object]) -> None:
        """Have ``work`` called when the answer has gone out, or cannot any more."""
        self._at_end.append(work)

    def answered(self) -> None:
        """The answer has gone out, or cannot any more."""
        while self._at_end:
            self._at_end.pop()()


_GATEWAY: Final[dict[str, FamilyName]] = {
    "/mlflow/v1/chat/completions": "openai_chat",
    "/openai/v1/responses": "openai_responses",
    "/anthropic/v1/messages": "anthropic",
}
_CLASSIC: Final[dict[str, FamilyName]] = {
    "/chat/completions": "openai_chat",
    "/v1/chat/completions": "openai_chat",
    "/responses": "openai_responses",
    "/anthropic/v1/messages": "anthropic",
}
_GEMINI: Final = "/gemini/v1beta/models/"
_GEMINI_METHODS: Final = {"streamGenerateContent": True, "generateContent": False}


def locate(path: str) -> Place | None:
    """What ``path`` (still percent-encoded, without its query) leads to, or ``None``."""
    for prefix, surface, paths in _SURFACES:
        if path.startswith(prefix):
            rest = path.removeprefix(prefix)
            return _within(surface, paths, rest)
    return None


_SURFACES: Final[tuple[tuple[str, Surface, dict[str, FamilyName]], ...]] = (
    ("/ai-gateway/", "gateway", _GATEWAY),
    ("/serving-endpoints/", "classic", _CLASSIC),
    ("/", "dedicated", _GATEWAY),
)


def _within(surface: Surface, paths: dict[str, FamilyName], rest: str) -> Place | None:
    rest = "/" + rest
    if rest in paths:
        return Place(surface, paths[rest])
    if rest.startswith(_GEMINI):
        model, _, method = rest.removeprefix(_GEMINI).rpartition(":")
        stream = _GEMINI_METHODS.get(method)
        if stream is None or not model or "/" in model:
            return None
        return Place(surface, "gemini", unquote(model), stream)
    name, _, call = rest[1:].partition("/")
    if surface == "classic" and name and call == "invocations":
        return Place(surface, "openai_chat", unquote(name))
    return None


def gateway_error(code: str | int, message: str) -> dict[str, str | int]:
    """The gateway's own error body. A refused credential has the status for its code."""
    return {"error_code": code, "message": message}
