"""What a session may use, in tokens or money, and what a request is thought to take.

Nobody but the vendor can count tokens before they are billed, so what is not told is *estimated*: a token is
taken for four bytes of UTF-8. That is the rule of thumb that OpenAI's help pages give for English, and in bytes it
is less far off than in characters for writing that is not Latin. Of a request the texts count, the JSON of its
tools and the arguments of their calls, and what only a vendor can read; an image or a document counts
as `IMAGE_TOKENS`, whatever its size. `gateway_stream.ledger` tells how long an estimate holds.

Money needs prices. They are given with the budget, by model, so that a model without one is refused and does not
pass for one that is free.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway_stream.errors import ConfigError
from gateway_stream.request import (
    DocumentPart,
    ImagePart,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    parts_of,
)

if TYPE_CHECKING:
    from gateway_stream.events import Usage
    from gateway_stream.request import Part, Request

__all__ = [
    "BYTES_OF_A_TOKEN",
    "IMAGE_TOKENS",
    "LIMITS",
    "Budget",
    "Price",
    "Spent",
    "estimate",
    "size_of",
]

BYTES_OF_A_TOKEN: Final = 4
IMAGE_TOKENS: Final = 1500
"""What an image is taken for: nearly the most that Anthropic counts (pixels / 750, at most about 1,600)."""

LIMITS: Final = ("tokens", "input_tokens", "output_tokens", "cost")
_MILLION: Final = 1_000_000


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What a model costs: money for a million tokens, in any one currency.

    A cache price left out is that of ``input``. Reasoning is output.

    Raises:
        ConfigError: a price that is negative, infinite or no number.
    """

    input: float
    output: float
    cache_read: float | None = None
    cache_write: float | None = None

    def __post_init__(self) -> None:
        """Refuse what no sum can be made of."""
        for name in self.__struct_fields__:
            price = getattr(self, name)
            if price is not None and not 0 <= price < inf:
                message = f"the price of {name} is {price}"
                raise ConfigError(message, hint="Give 0 or more, for a million tokens.")

    def of(self, usage: Usage) -> float:
        """What so many tokens cost. A count that is ``None`` costs nothing."""
        read, written = usage.cache_read or 0, usage.cache_write or 0
        plain = max(0, (usage.input or 0) - read - written)
        read_at = self.input if self.cache_read is None else self.cache_read
        written_at = self.input if self.cache_write is None else self.cache_write
        money = plain * self.input + read * read_at + written * written_at
        return (money + (usage.output or 0) * self.output) / _MILLION


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What all requests of a session together may use; what is left out is not limited.

    Args:
        tokens: input and output together. Input counts cached tokens, output reasoning.
        input_tokens: what is sent.
        output_tokens: what is answered.
        cost: money, in the currency of ``price``.
        price: what models cost: one `Price` for all, or one for each model's name.

    Raises:
        ConfigError: no limit, a negative one, or ``cost`` without ``price``.
    """

    tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    price: Price | Mapping[str, Price] | None = None

    def __post_init__(self) -> None:
        """Hold the budget to its rules."""
        limits = {name: getattr(self, name) for name in LIMITS}
        given = {name: limit for name, limit in limits.items() if limit is not None}
        if not given:
            message = "a budget needs a limit"
            raise ConfigError(message, hint=f"Give one of {', '.join(LIMITS)}.")
        for name, limit in given.items():
            if not limit >= 0:  # which is how NaN is caught
                message = f"{name} of a budget is {limit}"
                raise ConfigError(message, hint="Give 0 or more.")
        if self.cost is not None and self.price is None:
            message = "a budget of money needs prices"
            raise ConfigError(message, hint="Give price=Price(input=..., output=...).")

    def price_of(self, model: str) -> Price | None:
        """What a model costs; ``None`` where that limits nothing.

        Raises:
            ConfigError: the budget is of money, and the model has no price.
        """
        price = self.price
        if isinstance(price, Mapping):
            price = price.get(model)
        if price is None and self.cost is not None:
            message = f"the budget is of money, and {model!r} has no price in it"
            raise ConfigError(message, hint="Add the model to the budget's price.")
        return price


class Spent(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a budget is held against: counts that were told, and estimates of what was not.

    ``cost`` is 0 where there are no prices.
    """

    input: int = 0
    output: int = 0
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        """Input and output together."""
        return self.input + self.output


def estimate(request: Request) -> int:
    """About how many tokens a request takes, as a vendor counts its input."""
    system = request.system or ""
    size = (
        size_of(system) if isinstance(system, str) else sum(size_of(part.text) for part in system)
    )
    size += sum(map(_size_of_json, request.tools))
    if request.output is not None:
        size += _size_of_json(request.output)
    size += sum(_size_of_part(part) for message in request.messages for part in parts_of(message))
    return -(-size // BYTES_OF_A_TOKEN)


def _size_of_part(part: Part) -> int:
    match part:
        case TextPart(text=text) | ReasoningPart(text=str(text)) if text:
            return size_of(text)
        case ToolCallPart(name=name, arguments=arguments):
            return size_of(name) + size_of(arguments)
        case ToolResultPart(content=content):
            return (
                size_of(content) if isinstance(content, str) else sum(map(_size_of_part, content))
            )
        case ImagePart() | DocumentPart():
            return IMAGE_TOKENS * BYTES_OF_A_TOKEN
        case _:  # unread: hidden reasoning, what a server's tools gave
            return size_of(part.opaque.json) if part.opaque else 0


def size_of(text: str) -> int:
    """The bytes of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _size_of_json(value: Any) -> int:
    try:
        return len(msgspec.json.encode(value))
    except (TypeError, UnicodeEncodeError, RecursionError):
        return 0  # whoever writes the request refuses it
