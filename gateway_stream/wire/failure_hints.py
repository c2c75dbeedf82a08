"""What to do about a failure: one sentence, chosen by a table.

For each kind the rows are tried in order; the first whose conditions all fit gives the sentence,
and the last row of every kind always fits. The text is all that the error says, its
messages and its words. A sentence says what a person can do, whatever program shows it, and one that
says that retrying does not help is never given where it may (``retryable``). Sources are those of `gateway_stream.wire.failure_kinds`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from gateway_stream.events import FailureKind

__all__ = ["HINTS", "LOGIN_PAGE", "OTHER_PAGE", "Hint", "choose_hint"]

LOGIN_PAGE: Final = (
    "Check that the host is the workspace's own address, or has ?o=<workspace id> behind it where it "
    "serves a whole account, and that the credentials are for that workspace."
)
OTHER_PAGE: Final = (
    "Check that the host is the workspace's own address, and what proxy answers for it."
)

_CONTENT: Final = "Change the content of the prompt: a guardrail or content policy refused it."
_SMALLER: Final = "Make the request smaller: it will never fit this limit."
_SHORTER: Final = "Shorten the prompt, or use a model with a larger context."


class Hint(NamedTuple):
    """A sentence and its conditions; one that is empty always holds.

    ``text`` is a pattern. `re` compiles it at its first use, which costs too much for an import.
    """

    sentence: str
    text: str = ""
    statuses: tuple[int, ...] = ()
    retryable: bool | None = None


HINTS: Final[dict[FailureKind, tuple[Hint, ...]]] = {
    "auth": (
        Hint("Give the proxy its credentials.", statuses=(407,)),
        Hint(LOGIN_PAGE, statuses=tuple(range(300, 400))),
        Hint("Get a new token, or use credentials that renew themselves.", r"expir|revoked"),
        Hint(
            "Send credentials: none reached the gateway.",
            r"was not sent|missing|credentials_missing",
        ),
        Hint("Check that the token belongs to this workspace and is neither expired nor revoked."),
    ),
    "access_denied": (
        Hint(
            "Ask the model's owner for EXECUTE on it, and USE CATALOG and USE SCHEMA on its parents.",
            r"(?-i:\bEXECUTE\b)|USE[ _](?:SCHEMA|CATALOG)",
        ),
        Hint("Ask the endpoint's owner for the permission CAN QUERY.", r"CAN[ _]QUERY|CAN_MANAGE"),
        Hint(
            "Send from an address that the workspace's IP access list allows, or have this one added.",
            r"\bIP (?:ACL|access list|address)|source IP|network policy",
        ),
        Hint(
            "Connect through the gateway's private link: its public access is off.",
            r"private[- ](?:link|endpoint)|public (?:network )?access|network access",
        ),
        Hint(
            "Ask an account admin to allow cross-geography serving, or use a model served in your region.",
            r"access to org|geograph|region|country|location is not supported",
        ),
        Hint(
            "Ask a workspace admin to enable the model: it is switched off or its rate limit is 0.",
            r"rate limit of 0|not enabled|disabled",
        ),
        Hint(
            _CONTENT, r"guardrail|content (?:policy|violates)|usage guidelines|safety|\bflagged\b"
        ),
        Hint("Ask a workspace admin for access to this model."),
    ),
    "route_not_found": (
        Hint(
            "Use the model's Unity Catalog name (catalog.schema.model, such as system.ai.<model>).",
            r"unity catalog",
        ),
        Hint(
            "Ask a workspace admin to enable AI Gateway, or use the serving-endpoints route.",
            r"feature_disabled|ai gateway is not available",
        ),
        Hint(
            "Send this model's requests to the Responses route.",
            r"chat_completions endpoint|v1/responses",
        ),
        Hint("Send this model's requests to a route that serves it.", r"not a chat model|backing"),
        Hint(
            "Use the serving-endpoints route, or the model's Unity Catalog name: "
            "the gateway does not serve this one here.",
            statuses=(501,),
        ),
        Hint("Check the host and the route: this gateway has no such path."),
    ),
    "model_not_found": (
        Hint("Choose a model that is still served.", r"decommission|deprecat|no longer|retired"),
        Hint("Check the model's name, list the models you may use, or ask for access to it."),
    ),
    "rate_limited": (
        Hint(
            "Raise the spend limit or wait until it resets: retrying does not help.",
            r"spend|\bbudget(?:\b|_exceeded)(?![ _-]tokens)",
            retryable=False,
        ),
        Hint(
            "Add credit or raise the quota: retrying does not help.",
            r"credit|billing|insufficient|payment|funds|your current quota",
            retryable=False,
        ),
        Hint(_SMALLER, r"request too large|must be reduced", retryable=False),
        Hint(
            "Wait until the limit resets or ask for a higher one: retrying sooner does not help.",
            r"daily|monthly|weekly|per[ _-]?(?:day|week|month)|usage limits|key limit",
            retryable=False,
        ),
        Hint(
            "Ask for a limit above 0: this model is switched off for you.",
            r"limit[^.]{0,12}\b0\b",
            retryable=False,
        ),
        Hint(
            "Lower max_tokens: the whole cap counts against the limit before the answer begins.",
            r"output[ _]tokens?",
        ),
        Hint(
            "Send fewer or shorter prompts per minute, or ask for a higher limit.",
            r"\btokens?\b|prompt bytes",
        ),
        Hint("Send fewer requests at once, or ask for a higher limit."),
    ),
    "overloaded": (
        Hint(
            "Wait for the endpoint to start, then send the request again.",
            r"scaled to zero|not ready",
        ),
        Hint("Send the request again after a pause, or use another model if this lasts."),
    ),
    "bad_request": (
        Hint(
            _CONTENT,
            r"guardrail|content[ _](?:policy|filter|management|violates)|ResponsibleAI|\bflagged\b",
        ),
        Hint(
            "Lower max_tokens to the cap that the message names.",
            r"max_(?:completion_|output_)?tokens\b[^.]{0,60}\b(?:exceed|too large|greater|at most|maximum|cap)",
        ),
        Hint(
            _SHORTER,
            r"prompt is too long|input is too long|too many (?:input )?tokens"
            r"|context[ _](?:length|window|size)|maximum context",
        ),
        Hint("Make the request smaller: 4 MB is what the gateway takes.", statuses=(413,)),
        Hint(
            "Remove the field that the message names.",
            r"unknown (?:field|name|parameter)|extra inputs",
        ),
        Hint(
            "Remove or change the parameter that the message names.",
            r"unsupported|not supported|does(?: not|n't) support|not enabled for",
        ),
        Hint("Simplify the JSON schema that the request sends.", r"json schema|schema:"),
        Hint(
            "Give every tool call of the conversation its result, right after it.",
            r"tool_(?:use|result|call)|tool output|tool call",
        ),
        Hint("Change the request as the message says."),
    ),
    "gateway_unavailable": (
        Hint(
            "Send the request again; ask for a shorter answer if it times out again.",
            "",
            (408, 499, 504),
        ),
        Hint("Log in to the network in front of the gateway.", statuses=(511,)),
        Hint("Check what proxy stands before the gateway.", statuses=(505,)),
        Hint(
            "Send the request again after a pause; if it repeats, quote the request id to the gateway's owner."
        ),
    ),
    "stream_failed": (
        Hint(
            "Send the request again; if it repeats, simplify the tools or the schema.",
            r"tool[ _]use|tool[ _]call|function[ _]call|json_validate",
        ),
        Hint("Change the request as the message says, then send it again.", retryable=False),
        Hint("Send the request again; what came before is kept."),
    ),
    "config": (Hint("Set the host to the address that the redirect names."),),
    "protocol": (
        Hint("Check that the host is an AI gateway: its answer is no answer of a model."),
    ),
}


def choose_hint(kind: FailureKind, status: int | None, text: str, *, retryable: bool) -> str:
    """What to do about a failure of that kind."""
    return next(
        hint.sentence
        for hint in HINTS[kind]
        if (not hint.statuses or status in hint.statuses)
        and hint.retryable in (None, retryable)
        and re.search(hint.text, text, re.IGNORECASE)
    )
