"""Surfaces: the sets of paths that servers have, and how an address tells which one it means.

========== ================================ ==================================================
surface    address                          server
========== ================================ ==================================================
gateway    ``W/ai-gateway``, or ``W`` alone the AI gateway on a workspace host
dedicated  a host with ``.ai-gateway.``     the AI gateway on a host of its own; no prefix
classic    ``W/serving-endpoints``          the serving endpoints of a workspace
mlflow     ``.../gateway``                  the gateway of an MLflow server; a gateway's paths
openai     any other path                   an OpenAI-compatible base, such as ``.../v1``
========== ================================ ==================================================

**Read from the end.** People paste the base URL that a vendor's SDK was given
(``W/ai-gateway/mlflow/v1``, ``W/ai-gateway/anthropic``) or a whole request URL. What comes after a
surface's own mark is dropped if it begins a path of that surface: one base serves all families, and
the model chooses among them, so a family that the path names is not remembered. What comes before
the mark is kept: a proxy may have put the gateway below a path of its own.

**On a host of Databricks** a path that means no surface is the address of a page in the browser,
and refused; elsewhere it is an OpenAI-compatible base. A path that names one model or endpoint is
refused everywhere: the request names the model.

**On an OpenAI-compatible base** the OpenAI dialects follow the base as it is written. The other two
have a version of their own, which takes the place of the base's, as it does in the servers that
speak several dialects: ``/v1/chat/completions`` stands beside ``/v1/messages`` and
``/v1beta/models/...``.

Sources: the base URLs in databricks-ai-bridge (``databricks_openai/utils/clients.py``) and in
databricks/ucode; MLflow's documentation of gateway endpoints ("Query Endpoints").
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

__all__ = ["Surface", "family_path", "find_surface"]

Surface: TypeAlias = Literal["gateway", "dedicated", "classic", "mlflow", "openai"]

_GATEWAY: Final = {
    "openai_chat": "/mlflow/v1/chat/completions",
    "openai_responses": "/openai/v1/responses",
    "anthropic": "/anthropic/v1/messages",
    "gemini": "/gemini/v1beta/models",
}
_CLASSIC: Final = {
    "openai_chat": "/chat/completions",
    "openai_responses": "/responses",
    "anthropic": "/anthropic/v1/messages",
    "gemini": "/gemini/v1beta/models",
}
_OPENAI: Final = {
    "openai_chat": "/chat/completions",
    "openai_responses": "/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models",
}
_PATHS: Final[dict[Surface, dict[str, str]]] = {
    "gateway": _GATEWAY,
    "dedicated": _GATEWAY,
    "classic": _CLASSIC,
    "mlflow": _GATEWAY,
    "openai": _OPENAI,
}

# Other paths that such servers have, and that people paste.
_GATEWAY_ALIASES: Final = (
    "/mlflow/v1/embeddings",
    "/mlflow/v1/responses",
    "/openai/v1/chat/completions",
    "/openai/v1/embeddings",
    "/codex/v1/responses",
    "/cursor/v1/chat/completions",
)
_CLASSIC_ALIASES: Final = ("/v1/chat/completions", "/embeddings", "/open-responses")
_OPENAI_ENDINGS: Final = (("chat", "completions"), ("responses",), ("messages",), ("embeddings",))

_MARKS: Final[dict[str, Surface]] = {
    "ai-gateway": "gateway",
    "serving-endpoints": "classic",
    "gateway": "mlflow",
}


def find_surface(
    segments: list[str], *, dedicated: bool, databricks: bool
) -> tuple[Surface, str] | None:
    """The surface that a path means, and the prefix in front of a family's path.

    Args:
        segments: the path, cut at its slashes.
        dedicated: the host is a gateway's own.
        databricks: the host is one of Databricks.

    Returns:
        ``None`` for a path that means no surface.
    """
    for place in reversed(range(len(segments))):
        surface = _MARKS.get(segments[place])
        if surface is None or not _begins(segments[place + 1 :], surface):
            continue
        if dedicated and surface == "gateway":
            return "dedicated", _path(segments[:place])
        return surface, _path(segments[: place + 1])
    if dedicated and _begins(segments, "dedicated"):
        return "dedicated", ""
    if not segments:
        return "gateway", "/ai-gateway"
    return None if databricks else ("openai", _path(_without_ending(segments)))


def family_path(surface: Surface, prefix: str, family: str) -> str | None:
    """The path that a family has on a surface; for Gemini, up to the model. ``None``: it has none."""
    path = _PATHS[surface].get(family)
    if path is None:
        return None
    if surface == "openai" and path.startswith("/v1"):
        return _without_version(prefix) + path
    return prefix + path


def _begins(tail: list[str], surface: Surface) -> bool:
    """Whether these segments begin a path of the surface; none at all begin every path."""
    text = _path(tail) + "/"
    aliases = {"classic": _CLASSIC_ALIASES, "openai": ()}.get(surface, _GATEWAY_ALIASES)
    return any(f"{path}/".startswith(text) for path in (*_PATHS[surface].values(), *aliases))


def _without_ending(segments: list[str]) -> list[str]:
    for ending in _OPENAI_ENDINGS:
        if tuple(segments[-len(ending) :]) == ending:
            return segments[: -len(ending)]
    return segments


def _without_version(prefix: str) -> str:
    for version in ("/v1", "/v1beta"):
        if prefix.endswith(version):
            return prefix.removesuffix(version)
    return prefix


def _path(segments: list[str]) -> str:
    return "".join(f"/{segment}" for segment in segments)
