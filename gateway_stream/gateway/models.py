"""What a served model's name tells about it.

A name says where a model is served and what it is. The first part is taken off before the second is
looked at, and only for that: on the wire a name goes as it was given, since the gateway knows
``databricks-gpt-5`` and not ``gpt-5``. Taken off, in this order: ``databricks/``; then catalog and
schema (of a name with exactly two dots, the last part counts; a version such as ``5.1`` in
``system.ai.gpt-5.1`` makes more dots, so ``system.ai.`` is taken off by itself); then
``databricks-``.
"""

from __future__ import annotations

from typing import Final

__all__ = ["plain_name", "provider_of"]

_UNITY_CATALOG_DOTS: Final = 2
_MAKERS: Final = (
    ("gpt-oss", None),
    ("claude", "anthropic"),
    ("gemini", "google"),
    ("gpt-", "openai"),
    ("codex", "openai"),
)
"""Who signs or encrypts what a model of that name wants back. Open models are served by many, who do neither."""


def plain_name(model: str) -> str:
    """What a name says of the model alone, in lower case."""
    name = model.lower().removeprefix("databricks/")
    if name.count(".") == _UNITY_CATALOG_DOTS:
        name = name.rpartition(".")[2]
    return name.removeprefix("system.ai.").removeprefix("databricks-")


def provider_of(model: str) -> str | None:
    """Who can read what a model wants back unread, as far as its name tells."""
    name = plain_name(model)
    return next((maker for word, maker in _MAKERS if word in name), None)
