"""Counting the tokens of a Chat answer in the sense of `gateway_stream.events.Usage`.

Every chunk may carry counts, with nulls for what is not known yet; they are snapshots, never shares.
Two questions have no common answer among the vendors, and the numbers themselves settle them:

- *Do the completion tokens include the reasoning tokens?* They do, unless the total can be reached
  only by adding the reasoning: ``total == prompt + completion + reasoning``.
- *Do the prompt tokens include the cached ones?* They do, unless the total can be reached only by
  adding the cached ones, or there are more of those than of prompt tokens.

A count may also be written as a whole fraction (``10.0``) or in digits (``"10"``), and under the names
that newer dialects of the same vendors have (``input_tokens``, ``output_tokens``) where the dialect's
own are missing. What else stands for one is no count: it is left out, with a notice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway_stream.wire.openai_chat.views import CompletionDetails, PromptDetails

if TYPE_CHECKING:
    from gateway_stream.wire.answer import AnswerWriter
    from gateway_stream.wire.openai_chat.views import Count, Counts

__all__ = ["tell_usage"]

_LARGEST: Final = 2**53
_DIGITS: Final = 16


def tell_usage(counts: Counts, writer: AnswerWriter) -> None:
    """Give a chunk's counts to the writer."""
    of_prompt = counts.prompt_tokens_details or counts.input_tokens_details or PromptDetails()
    of_completion = (
        counts.completion_tokens_details or counts.output_tokens_details or CompletionDetails()
    )
    prompt = _first(writer, counts.prompt_tokens, counts.input_tokens)
    completion = _first(writer, counts.completion_tokens, counts.output_tokens)
    total = _first(writer, counts.total_tokens)
    read = _first(
        writer,
        of_prompt.cached_tokens,
        counts.cache_read_input_tokens,
        counts.prompt_cache_hit_tokens,
        counts.cached_tokens,
    )
    written = _first(
        writer,
        of_prompt.cache_write_tokens,
        of_prompt.cache_creation_tokens,
        of_prompt.cache_creation_input_tokens,
        counts.cache_creation_input_tokens,
    )
    reasoning = _first(writer, of_completion.reasoning_tokens, counts.reasoning_tokens)
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


def _first(writer: AnswerWriter, *counts: Count) -> int | None:
    """The first of the counts that is one."""
    for count in counts:
        if count is None:
            continue
        number = _number(count)
        if number is not None:
            return number
        writer.notice("invalid_field", f"usage: {str(count)[:_DIGITS]!r} is no count of tokens")
    return None


def _number(count: float | str) -> int | None:
    if isinstance(count, str):
        digits = count.strip()
        return int(digits) if digits.isdecimal() and len(digits) < _DIGITS else None
    whole = -_LARGEST < count < _LARGEST and count == int(count)
    return int(count) if whole else None
