"""Counting the tokens of a Chat answer in the sense of `gateway_stream.events.Usage`.

Every chunk may carry counts, with nulls for what is not known yet; they are snapshots, never shares.
Two questions have no common answer among the vendors, and the numbers themselves settle them:

- *Do the completion tokens include the reasoning tokens?* They do, unless the total can be reached
  only by adding the reasoning: ``total == prompt + completion + reasoning``.
- *Do the prompt tokens include the cached ones?* They do, unless the total can be reached only by
  adding the cached ones, or there are more of those than of prompt tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway_stream.wire.openai_chat.views import CompletionDetails, PromptDetails

if TYPE_CHECKING:
    from gateway_stream.wire.answer import AnswerWriter
    from gateway_stream.wire.openai_chat.views import Counts

__all__ = ["tell_usage"]


def tell_usage(counts: Counts, writer: AnswerWriter) -> None:
    """Give a chunk's counts to the writer."""
    prompt, completion, total = counts.prompt_tokens, counts.completion_tokens, counts.total_tokens
    of_prompt = counts.prompt_tokens_details or PromptDetails()
    of_completion = counts.completion_tokens_details or CompletionDetails()
    read = _first(
        of_prompt.cached_tokens,
        counts.cache_read_input_tokens,
        counts.prompt_cache_hit_tokens,
        counts.cached_tokens,
    )
    written = _first(
        of_prompt.cache_write_tokens,
        of_prompt.cache_creation_tokens,
        of_prompt.cache_creation_input_tokens,
        counts.cache_creation_input_tokens,
    )
    reasoning = _first(of_completion.reasoning_tokens, counts.reasoning_tokens)
    known = (prompt or 0) + (completion or 0)
    cached = (read or 0) + (written or 0)
    missing = (total or known) - known
    if completion is not None and reasoning and missing in (reasoning, reasoning + cached):
        completion += reasoning
        missing -= reasoning
    if prompt is not None and cached and (missing == cached or cached > prompt):
        prompt += cached
    writer.usage(
        input=prompt, output=completion, cache_read=read, cache_write=written, reasoning=reasoning
    )


def _first(*counts: int | None) -> int | None:
    return next((count for count in counts if count is not None), None)
