"""What models' names tell."""

from __future__ import annotations

import pytest

from gateway_stream.gateway.models import plain_name, provider_of


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("databricks-gpt-5", "gpt-5"),
        ("databricks/databricks-gpt-5", "gpt-5"),
        ("system.ai.gpt-5", "gpt-5"),
        ("system.ai.gpt-5.1", "gpt-5.1"),
        ("Main.LLM.Databricks-Fast", "fast"),
        ("gemini-3.5-flash", "gemini-3.5-flash"),
        ("", ""),
    ],
)
def test_what_says_where_a_model_is_served_is_taken_off(model: str, name: str) -> None:
    assert plain_name(model) == name


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("databricks-claude-sonnet-4-6", "anthropic"),
        ("databricks-gemini-2-5-pro", "google"),
        ("databricks-gpt-5", "openai"),
        ("databricks-gpt-oss-120b", None),
        ("main.llm.fast", None),
    ],
)
def test_a_name_tells_its_maker(model: str, provider: str | None) -> None:
    assert provider_of(model) == provider
