"""Thinking, and what the vendor refuses beside it.

The vendor documents each of these as an error, so none is sent as it stands. What holds is what the
caller can tell the least from the answer that it was not kept, or pays for:

- A budget is 1,024 tokens at least: less is raised to that.
- A budget lies below ``max_tokens``, which counts thinking and answer together. The cap is the
  caller's word on what an answer may cost, so the budget is lowered to lie under it; under a cap of
  1,024 or less no budget can, and there is no thinking. (With tools and the vendor's beta of
  interleaved thinking a budget spans several answers and may be larger; then it goes as it is.)
- A tool choice that forces a call forbids thinking. The caller waits for that call, so the choice
  holds and there is no thinking. An effort still goes: it needs none.
- Thinking takes no temperature but 1, and ``top_p`` only from 0.95 to 1: others are left out.

Each is told with a `Notice`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gateway_stream.request import Request
    from gateway_stream.wire.anthropic.parts import PartEncoder

__all__ = ["room_for", "sampling_beside", "thinking_of"]

_LEAST_BUDGET: Final = 1024
_LEAST_TOP_P: Final = 0.95
_ANSWER_ROOM: Final = 4096
_THINKING_ROOM: Final = 12_000
_SPANNING: Final = "interleaved-thinking"


def thinking_of(request: Request, encoder: PartEncoder, *, forced: bool) -> dict[str, Any]:
    """The member ``thinking``, if any; ``forced`` when the tool choice forces a call."""
    reasoning = request.reasoning
    if reasoning is None or (reasoning.budget is None and reasoning.effort is None):
        return {}
    if reasoning.budget == 0 or (reasoning.budget is None and reasoning.effort == "none"):
        return {"thinking": {"type": "disabled"}}
    if forced:
        encoder.drop("thinking: the vendor refuses it beside a tool choice that forces a call")
        return {}
    if reasoning.budget is None:
        return {"thinking": {"type": "adaptive"}}
    budget = _budget(reasoning.budget, request, encoder)
    return {"thinking": {"type": "enabled", "budget_tokens": budget}} if budget else {}


def room_for(thinking: dict[str, Any]) -> int:
    """``max_tokens`` where the request leaves it open."""
    kind = thinking.get("thinking", {})
    extra = _THINKING_ROOM if kind.get("type") == "adaptive" else kind.get("budget_tokens", 0)
    return _ANSWER_ROOM + int(extra)


def sampling_beside(
    thinking: dict[str, Any], request: Request, encoder: PartEncoder
) -> dict[str, Any]:
    """``temperature`` and ``top_p``, as far as they can stand beside the thinking."""
    thinks = thinking.get("thinking", {}).get("type") in ("adaptive", "enabled")
    temperature, top_p = request.temperature, request.top_p
    if thinks and temperature not in (None, 1):
        encoder.drop(f"temperature {temperature}: the vendor takes only 1 with thinking")
        temperature = None
    if thinks and top_p is not None and not _LEAST_TOP_P <= top_p <= 1:
        encoder.drop(f"top_p {top_p}: the vendor takes only {_LEAST_TOP_P} to 1 with thinking")
        top_p = None
    given = {"temperature": temperature, "top_p": top_p}
    return {name: value for name, value in given.items() if value is not None}


def _budget(asked: int, request: Request, encoder: PartEncoder) -> int:
    """The budget that the vendor takes; 0 where there can be none."""
    budget = max(asked, _LEAST_BUDGET)
    cap = request.max_tokens
    if cap is not None and budget >= cap and not _spans_answers(request):
        if cap <= _LEAST_BUDGET:
            encoder.drop(f"thinking: max_tokens {cap} leaves no room for {_LEAST_BUDGET} tokens")
            return 0
        budget = cap - 1
    if budget != asked:
        encoder.drop(f"reasoning budget {asked}: {budget} is what the vendor takes")
    return budget


def _spans_answers(request: Request) -> bool:
    """Whether the budget is for all answers between two messages of the user."""
    betas = [value for name, value in request.headers.items() if name.lower() == "anthropic-beta"]
    return bool(request.tools) and any(_SPANNING in value for value in betas)
