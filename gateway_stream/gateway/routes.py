"""Which family a model speaks, and the URL where it does.

**By name.** A served model's name tells its maker, and the maker its native dialect, which is the
one that loses nothing. The rules, in this order, on what `models.plain_name` leaves of the name:

1. It contains ``claude``: Anthropic Messages.
2. It contains ``gemini``: Gemini.
3. It begins with ``gpt-oss``: OpenAI Chat. Tested before rule 4: an open model, whatever follows.
4. It begins with ``gpt-`` and a digit, or contains ``codex``: OpenAI Responses. Some of these are
   served nowhere else.
5. Everything else: OpenAI Chat.

A name of the user's own (``main.llm.fast``) tells nothing, so rule 5 holds, and the caller may name
the family.

**Elsewhere than at Databricks** a name tells less. On an OpenAI-compatible base and on an MLflow
gateway OpenAI Chat is what every model has; the native dialects exist there only where the server
stands in front of that vendor. So chat is the default there, and the others are there to be asked
for.

**The workspace id**, where known, goes into the query and a header: a custom URL of an account
chooses the workspace by ``?o=``, and Databricks' SDK sends ``X-Databricks-Workspace-Id``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from gateway_stream.errors import ConfigError
from gateway_stream.gateway.models import plain_name
from gateway_stream.gateway.surfaces import Surface, family_path

if TYPE_CHECKING:
    from gateway_stream.gateway.hosts import Base

__all__ = ["Route", "family_for", "family_of", "route"]


class Route(msgspec.Struct, frozen=True):
    """Where a request goes.

    Attributes:
        url: whole and percent-encoded; to be sent as it is, not quoted again.
        headers: what the address wants, credentials aside.
        surface: the surface that it is on.
    """

    url: str
    headers: dict[str, str]
    surface: Surface


_UNRESERVED: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._~-]*").fullmatch
"""Names that are a segment as they are (RFC 3986, section 2.3). One that begins with a dot may lead elsewhere."""

_OPENAI_OWN: Final = re.compile(r"gpt-[0-9]|.*codex")


def family_of(model: str) -> str:
    """The family that a model speaks natively, as far as its name tells."""
    name = plain_name(model)
    if "claude" in name:
        return "anthropic"
    if "gemini" in name:
        return "gemini"
    if _OPENAI_OWN.match(name) and not name.startswith("gpt-oss"):
        return "openai_responses"
    return "openai_chat"


def family_for(base: Base, model: str) -> str:
    """The family to ask a model in at this address, where the caller names none."""
    return "openai_chat" if base.surface in ("openai", "mlflow") else family_of(model)


def route(base: Base, family: str, model: str, *, stream: bool) -> Route:
    """Where a request for a model goes.

    Raises:
        ConfigError: there is no such family at this address, or the model's name is none.
    """
    path = family_path(base.surface, base.prefix, family)
    if path is None:
        message = f"no path is known for family {family!r} on {base.origin}"
        raise ConfigError(message, hint="Name a family that the client has, or leave it out.")
    query = []
    if family == "gemini":
        path = (
            f"{path}/{_segment(model)}:{'streamGenerateContent' if stream else 'generateContent'}"
        )
        if stream:
            query.append("alt=sse")
    headers = {}
    if base.workspace_id:
        query.append(f"o={base.workspace_id}")
        headers["X-Databricks-Workspace-Id"] = base.workspace_id
    url = f"{base.origin}{path}"
    return Route(f"{url}?{'&'.join(query)}" if query else url, headers, base.surface)


def _segment(model: str) -> str:
    """A model's name as one segment of a path, so that no name leads to another path."""
    if _UNRESERVED(model):
        return model
    from urllib.parse import quote  # noqa: PLC0415  a client has loaded it, an import need not

    if not model.strip() or not model.isprintable():
        message = "the model's name is empty or has characters that no name has"
        raise ConfigError(message, hint="Name a model that the gateway lists.")
    return quote(model, safe="")
