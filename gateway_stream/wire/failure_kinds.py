"""Which kind of failure it is, as data: exceptions first, then the status.

1. `RULES`, in order: the first whose every condition holds decides. They are what a status cannot
   say; each begins with the reason why it exists.
2. `BY_STATUS`, then the class of the status, decides the rest. The status to judge by is that of
   `gateway_stream.wire.failure_words.judged_status`.

Inside a stream a kind stays when a word, a rule, or a status with a kind of its own (401, 403, 404,
429, 503, 529...) names it. What only says that something went wrong (500, 502, 504, 400 as a bare
number, nothing at all) is the model failing midway: ``stream_failed``, worth sending again unless
the status says that the request is at fault.

Sources of the facts: the Databricks SDKs (transient texts), clients of the gateway (absent surfaces;
texts of 403, 404 and 501), the vendors' documentation, and recorded errors. Where they contradict
each other, ``docs/reference/errors.md`` says what holds here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway_stream.wire.failure_words import WORDS, key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway_stream.events import FailureKind

__all__ = ["BY_STATUS", "RULES", "Rule", "Verdict", "classify"]

_FAULTS_OF_REQUEST: Final = frozenset((400, 413, 422))
_FLAGS: Final = re.IGNORECASE | re.MULTILINE


class Verdict(NamedTuple):
    """A kind, and whether the same request may succeed later."""

    kind: FailureKind
    retryable: bool


class Rule(NamedTuple):
    """A verdict and its conditions; one that is ``None`` always holds.

    ``text`` is a pattern. `re` compiles it at its first use, which costs too much for an import.
    """

    name: str
    verdict: Verdict
    words: frozenset[str] | None = None
    text: str | None = None
    statuses: frozenset[int | None] | None = None
    waits: bool | None = None

    def holds(self, words: frozenset[str], text: str, status: int | None, *, waits: bool) -> bool:
        """Whether every condition holds; of words, one is enough."""
        return (
            (self.words is None or not self.words.isdisjoint(words))
            and (self.statuses is None or status in self.statuses)
            and (self.waits is None or self.waits == waits)
            and (self.text is None or re.search(self.text, text, _FLAGS) is not None)
        )


def _words(words: str) -> frozenset[str]:
    return frozenset(map(key, words.split()))


def _text(*patterns: str) -> str:
    return "|".join(patterns)


def _statuses(*statuses: int | None) -> frozenset[int | None]:
    return frozenset(statuses)


_REFUSED: Final = _statuses(None, 400, 401, 403)

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "the model wrote a tool call or JSON that its host refused; the next try may be well formed",
        Verdict("stream_failed", True),
        words=_words("tool_use_failed json_validate_failed output_parse_failed"),
    ),
    Rule(
        "the same, told in words",
        Verdict("stream_failed", True),
        text=_text(r"malformed[ _]function[ _]call"),
    ),
    Rule(
        "a refused token comes as 401, as 403, and from a few deployments as 400",
        Verdict("auth", False),
        text=_text(
            r"(?:^|:\s)\W{0,3}(?:invalid|expired) token\W{0,3}$",
            r"\b(?:invalid|expired) (?:access|bearer|auth|authentication|oauth) token\b",
            r"\btoken (?:is |has |was )?(?:been )?(?:expired|expiring|revoked)\b",
            r"\bapi[ -]key (?:is )?(?:not valid|invalid|expired)\b",
            r"\b(?:incorrect|invalid) (?:x-)?api[ -]key\b",
            r"\bcredential was not sent\b",
        ),
        statuses=_REFUSED,
    ),
    Rule(
        "under 403 the words need not stand alone: no prompt is refused there for its tokens",
        Verdict("auth", False),
        text=_text(r"\b(?:invalid|expired) token\b"),
        statuses=_statuses(403),
    ),
    Rule(
        "where the caller is decides, under a status that blames the request",
        Verdict("access_denied", False),
        text=_text(r"\blocation is not supported\b", r"\bregion, or territory not supported\b"),
        statuses=_statuses(None, 400, 403),
    ),
    Rule(
        "the tokens of a day, told without the word for a limit",
        Verdict("rate_limited", False),
        text=_text(r"\btoo many tokens per (?:day|week|month)\b"),
    ),
    Rule(
        "a throttle that counts tokens; a prompt that is too long would not be asked to wait",
        Verdict("rate_limited", True),
        text=_text(r"\btoo many tokens\b[^.]{0,40}\b(?:wait|try again|slow down|per minute)\b"),
        statuses=_statuses(None, 400, 429, 500, 502),
    ),
    Rule(
        "the limit of a time span that no retry outlasts, or of money",
        Verdict("rate_limited", False),
        text=_text(
            r"\b(?:daily|monthly|weekly)\b",
            r"per[ _-]?(?:day|month|week)",
            r"\bspend(?:ing)?\b[^.]{0,20}\b(?:limit|cap|quota)\b",
            r"\bbudget\b(?![ _-]tokens)",
            r"\blimit(?: is| of|:| was)? (?:set to )?0\b",
            r"\bkey limit exceeded\b",
            r"\brequest too large\b|\bmust be reduced\b",
        ),
        statuses=_statuses(402, 429),
    ),
    Rule(
        "no money left, under any status that refuses",
        Verdict("rate_limited", False),
        text=_text(
            r"\bcredit balance is too low\b",
            r"\binsufficient (?:credits?|funds|balance|quota)\b",
            r"\bspend(?:ing)? limit\b",
            r"\bapi usage limits\b",
            r"\bpayment required\b",
            r"\bbudget has been exceeded\b",
        ),
        statuses=_statuses(None, 400, 402, 403, 429),
    ),
    Rule(
        "a quota that money moves",
        Verdict("rate_limited", False),
        words=_words("insufficient_quota billing_error billing_hard_limit_reached"),
    ),
    Rule(
        "a quota exceeded, without a word on when it ends: not one that a minute heals",
        Verdict("rate_limited", False),
        text=_text(r"\bexceeded your current quota\b"),
        statuses=_statuses(429),
        waits=False,
    ),
    Rule(
        "no capacity, under a status that does not say so",
        Verdict("overloaded", True),
        text=_text(r"overloaded", r"\bat capacity\b", r"\bcapacity constraints\b"),
        statuses=_statuses(None, 429, 500, 502, 504),
    ),
    Rule(
        "the platform's own token bucket, whatever the status",
        Verdict("rate_limited", True),
        text=_text(r"RPC token bucket limit has been exceeded"),
    ),
    Rule(
        "a limit told in words only",
        Verdict("rate_limited", True),
        text=_text(
            r"\brate[ -]limit(?:ed)?\b[^.]{0,40}\b(?:reached|exceeded)\b", r"\btoo many requests\b"
        ),
        statuses=_statuses(None, 400, 500, 502),
    ),
    Rule(
        "the platform's transient texts, whatever the status (Databricks SDKs)",
        Verdict("gateway_unavailable", True),
        text=_text(
            r"UnknownWorkerEnvironmentException",
            r"does not have any associated worker environments",
            r"There is no worker environment with id",
            r"\bworker env\b[^.]{0,80}\bnot found\b",
            r"\bWorker environment not ready\b",
            r"ClusterNotReadyException",
            r"\bUnexpected error\b",
            r"try again later or try a faster operation",
            r"\bTimed out after\b",
            r"\bdeadline exceeded\b",
        ),
        statuses=_statuses(None, 400, 404, 409, 422, 500, 502, 504),
    ),
    Rule(
        "the surface is absent or switched off; the model may well exist",
        Verdict("route_not_found", False),
        words=_words("ENDPOINT_NOT_FOUND FEATURE_DISABLED"),
    ),
    Rule(
        "the model is served, and not on this route",
        Verdict("route_not_found", False),
        text=_text(
            r"\bnot (?:a chat model|supported in the v1/)",
            r"\bis not available on the [\w/ -]{1,40} endpoint\b",
            r"\bonly (?:available|supported) (?:on|in|via|with|through)\b[^.]{0,20}"
            r"\b(?:v1/\w|responses api|chat completions)",
            r"\bno OpenAI Response API backing\b",
            r"\buse Unity Catalog model services\b",
        ),
        statuses=_statuses(None, 400, 404, 405, 500, 501),
    ),
    Rule(
        "a path that the gateway does not know, even if it ends in the word model",
        Verdict("route_not_found", False),
        text=_text(r"\binvalid path\b", r"\bno api found\b", r"\bunknown path\b"),
        statuses=_statuses(404),
    ),
    Rule(
        "404 for what the request holds or asks of a model that exists",
        Verdict("bad_request", False),
        text=_text(
            r"^(?:tools?|tool use|tool calling|functions?) (?:is|are) not supported",
            r"\bno endpoints found that support\b",
            r"^(?:item|previous response|response|file|conversation|container|vector store) with id\b",
            r"^previous[ _]response\b",
        ),
        statuses=_statuses(404),
    ),
    Rule(
        "the model is missing, by word",
        Verdict("model_not_found", False),
        words=_words(
            "RESOURCE_DOES_NOT_EXIST NOT_FOUND not_found_error NotFoundError model_not_found "
            "ModelNotFound model_not_exist model_decommissioned DeploymentNotFound "
            "ResourceNotFoundException"
        ),
        statuses=_statuses(404),
    ),
    Rule(
        "the model is missing, in plain words, under 404",
        Verdict("model_not_found", False),
        text=_text(
            r"(?<![/\w])(?:models?|deployment|serving endpoint|ai gateway endpoint)\b",
            r"\bendpoint\b[^.]{0,80}\b(?:does not|doesn't) exist\b",
            r"\bno endpoints found for\b",
        ),
        statuses=_statuses(404),
    ),
    Rule(
        "the model is missing, in plain words, under 400",
        Verdict("model_not_found", False),
        text=_text(
            r"\b(?:model|deployment|endpoint)\b[^.]{0,120}\b(?:does not|doesn't) exist\b",
            r"\bmodel\b[^.]{0,120}\b(?:not found|has been decommissioned|no longer (?:available|supported))",
            r"\b(?:unknown|no such|invalid) model\b(?! (?:parameter|input|output|argument|config))",
            r"\bnot a valid model\b",
            r"\bmodel (?:id|identifier|name)\b[^.]{0,80}\bis (?:invalid|not valid)\b",
        ),
        statuses=_statuses(None, 400, 422),
    ),
    Rule(
        "the prompt does not fit the model; nor will it the next time",
        Verdict("bad_request", False),
        text=_text(
            r"\bprompt is too long\b|\binput is too long\b|\btoo many (?:input )?tokens\b",
            r"\bcontext (?:length|window|size)\b|\bmaximum context\b",
        ),
        statuses=_statuses(None, 400, 413, 422, 500, 502),
    ),
    Rule(
        "a guardrail refused the content; it is no defect of the gateway",
        Verdict("bad_request", False),
        words=_words(
            "input_guardrail_triggered output_guardrail_triggered content_filter "
            "content_policy_violation ResponsibleAIPolicyViolation"
        ),
        statuses=_statuses(None, 400, 422, 500),
    ),
    Rule(
        "what exists already will exist the next time too",
        Verdict("bad_request", False),
        words=_words("ALREADY_EXISTS RESOURCE_ALREADY_EXISTS"),
    ),
)

BY_STATUS: Final[dict[int, Verdict]] = {
    401: Verdict("auth", False),
    402: Verdict("rate_limited", False),
    403: Verdict("access_denied", False),
    404: Verdict("route_not_found", False),
    405: Verdict("route_not_found", False),
    407: Verdict("auth", False),
    408: Verdict("gateway_unavailable", True),
    409: Verdict("gateway_unavailable", True),
    410: Verdict("model_not_found", False),
    424: Verdict("gateway_unavailable", True),
    425: Verdict("gateway_unavailable", True),
    429: Verdict("rate_limited", True),
    499: Verdict("gateway_unavailable", True),
    501: Verdict("route_not_found", False),
    503: Verdict("overloaded", True),
    505: Verdict("gateway_unavailable", False),
    511: Verdict("gateway_unavailable", False),
    529: Verdict("overloaded", True),
}
_OTHER_4XX: Final = Verdict("bad_request", False)
_OTHER_5XX: Final = Verdict("gateway_unavailable", True)
_NO_ANSWER: Final = Verdict("protocol", False)
_MIDWAY: Final = Verdict("stream_failed", True)


def classify(
    status: int | None, words: Sequence[str], text: str, *, waits: bool, in_stream: bool
) -> Verdict:
    """The kind of an error.

    Args:
        status: the status to judge by, see `judged_status`.
        words: the vendor's words.
        text: all messages and words, outer and inner, a line each.
        waits: whether the error says how long to wait.
        in_stream: whether it came inside a stream.
    """
    keys = frozenset(map(key, words))
    rule = next((rule for rule in RULES if rule.holds(keys, text, status, waits=waits)), None)
    verdict = rule.verdict if rule else _by_status(status, in_stream=in_stream)
    if not in_stream:
        return verdict
    if verdict.kind == "gateway_unavailable":
        return Verdict("stream_failed", verdict.retryable)
    says_so = rule is not None or any(WORDS.get(word) in _FAULTS_OF_REQUEST for word in keys)
    if verdict.kind == "bad_request" and not says_so:
        return Verdict("stream_failed", verdict.retryable)
    return verdict


def _by_status(status: int | None, *, in_stream: bool) -> Verdict:
    if status is None:
        return _MIDWAY if in_stream else _NO_ANSWER
    verdict = BY_STATUS.get(status)
    if verdict is not None:
        return verdict
    return _OTHER_5XX if status >= 500 else _OTHER_4XX  # noqa: PLR2004  the server errors
