"""Models' names, and the URLs they lead to."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_stream.errors import ConfigError
from gateway_stream.gateway.hosts import parse_base
from gateway_stream.gateway.routes import family_for, family_of, route
from gateway_stream.wire import FAMILIES

W = "https://acme.cloud.databricks.com"
G = "https://123.ai-gateway.cloud.databricks.com"
MLFLOW = "http://127.0.0.1:5000/gateway"


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("databricks-claude-sonnet-4-6", "anthropic"),
        ("databricks/databricks-claude-sonnet-4-6", "anthropic"),
        ("system.ai.claude-opus-4-6", "anthropic"),
        ("Databricks-Claude-Sonnet", "anthropic"),
        ("my-claude", "anthropic"),
        ("databricks-gemini-2-5-pro", "gemini"),
        ("system.ai.gemini-3-flash", "gemini"),
        ("gemini-3.5-flash", "gemini"),
        ("databricks-gpt-5", "openai_responses"),
        ("GPT-5-mini", "openai_responses"),
        ("system.ai.gpt-5-4", "openai_responses"),
        ("system.ai.gpt-5.1", "openai_responses"),
        ("databricks/system.ai.gpt-5", "openai_responses"),
        ("main.llm.databricks-gpt-5", "openai_responses"),
        ("databricks-gpt-5-1-codex-max", "openai_responses"),
        ("codex-mini", "openai_responses"),
        ("databricks-gpt-oss-120b", "openai_chat"),
        ("system.ai.gpt-oss-20b", "openai_chat"),
        ("gpt-oss-codex", "openai_chat"),
        ("databricks-meta-llama-3-3-70b-instruct", "openai_chat"),
        ("databricks-gemma-3-12b", "openai_chat"),
        ("databricks-qwen3-next-80b-a3b-instruct", "openai_chat"),
        ("main.llm.fast", "openai_chat"),
        ("claude.llm.fast", "openai_chat"),
        ("", "openai_chat"),
    ],
)
def test_a_name_tells_its_family(model: str, family: str) -> None:
    assert family_of(model) == family


@pytest.mark.parametrize("address", [MLFLOW, "https://host.example/v1"])
def test_elsewhere_than_at_databricks_the_default_is_chat(address: str) -> None:
    assert family_for(parse_base(address), "claude-sonnet-4") == "openai_chat"


@pytest.mark.parametrize("address", [W, f"{W}/serving-endpoints", G, "http://127.0.0.1:8000"])
def test_at_databricks_the_default_is_the_native_family(address: str) -> None:
    assert family_for(parse_base(address), "claude-sonnet-4") == "anthropic"


GEMINI = "gemini/v1beta/models/m:streamGenerateContent?alt=sse"


@pytest.mark.parametrize(
    ("address", "family", "url"),
    [
        (W, "openai_chat", f"{W}/ai-gateway/mlflow/v1/chat/completions"),
        (W, "openai_responses", f"{W}/ai-gateway/openai/v1/responses"),
        (W, "anthropic", f"{W}/ai-gateway/anthropic/v1/messages"),
        (W, "gemini", f"{W}/ai-gateway/{GEMINI}"),
        (G, "openai_chat", f"{G}/mlflow/v1/chat/completions"),
        (G, "openai_responses", f"{G}/openai/v1/responses"),
        (G, "anthropic", f"{G}/anthropic/v1/messages"),
        (G, "gemini", f"{G}/{GEMINI}"),
        (f"{W}/serving-endpoints", "openai_chat", f"{W}/serving-endpoints/chat/completions"),
        (f"{W}/serving-endpoints", "openai_responses", f"{W}/serving-endpoints/responses"),
        (f"{W}/serving-endpoints", "anthropic", f"{W}/serving-endpoints/anthropic/v1/messages"),
        (f"{W}/serving-endpoints", "gemini", f"{W}/serving-endpoints/{GEMINI}"),
        (MLFLOW, "openai_chat", f"{MLFLOW}/mlflow/v1/chat/completions"),
        (MLFLOW, "openai_responses", f"{MLFLOW}/openai/v1/responses"),
        (MLFLOW, "anthropic", f"{MLFLOW}/anthropic/v1/messages"),
        (MLFLOW, "gemini", f"{MLFLOW}/{GEMINI}"),
        ("https://h.io/v1", "openai_chat", "https://h.io/v1/chat/completions"),
        ("https://h.io/v1", "openai_responses", "https://h.io/v1/responses"),
        ("https://h.io/v1", "anthropic", "https://h.io/v1/messages"),
        ("https://h.io/v1beta", "gemini", f"https://h.io/{GEMINI.removeprefix('gemini/')}"),
        ("https://h.io/v1", "gemini", f"https://h.io/{GEMINI.removeprefix('gemini/')}"),
        ("https://h.io/anthropic", "anthropic", "https://h.io/anthropic/v1/messages"),
        ("https://h.io/openai/v3", "openai_chat", "https://h.io/openai/v3/chat/completions"),
    ],
)
def test_each_family_has_its_path_on_each_surface(address: str, family: str, url: str) -> None:
    assert route(parse_base(address), family, "m", stream=True).url == url


def test_a_pasted_request_url_leads_back_to_itself() -> None:
    for family in set(FAMILIES) - {"gemini"}:
        for address in (W, G, MLFLOW, f"{W}/serving-endpoints", "https://h.io/v1"):
            url = route(parse_base(address), family, "m", stream=True).url
            assert route(parse_base(url), family, "m", stream=True).url == url


def test_gemini_has_another_path_for_whole_answers() -> None:
    url = route(parse_base(W), "gemini", "m", stream=False).url
    assert url == f"{W}/ai-gateway/gemini/v1beta/models/m:generateContent"


@given(st.text(min_size=1))
def test_a_models_name_is_one_segment_of_the_path(model: str) -> None:
    try:
        url = route(parse_base(W), "gemini", model, stream=True).url
    except ConfigError:
        assert not model.isprintable() or not model.strip()
        return
    parts = urlsplit(url)
    *before, last = parts.path.split("/")
    assert "/".join(before) == "/ai-gateway/gemini/v1beta/models"
    assert unquote(last.removesuffix(":streamGenerateContent")) == model
    assert (parts.query, parts.fragment) == ("alt=sse", "")


def test_a_workspace_id_goes_into_the_query_and_a_header() -> None:
    base = parse_base("https://acme.databricks.com/?o=42")
    way = route(base, "anthropic", "m", stream=True)
    assert way.url == "https://acme.databricks.com/ai-gateway/anthropic/v1/messages?o=42"
    assert way.headers == {"X-Databricks-Workspace-Id": "42"}
    assert route(base, "gemini", "m", stream=True).url.endswith("?alt=sse&o=42")


def test_without_a_workspace_id_there_are_no_headers() -> None:
    assert route(parse_base(W), "anthropic", "m", stream=True).headers == {}


def test_a_family_that_no_surface_has_is_refused() -> None:
    with pytest.raises(ConfigError, match="'cohere'"):
        route(parse_base(W), "cohere", "m", stream=True)


def test_every_family_of_the_client_has_a_path_on_every_surface() -> None:
    for address in (W, G, MLFLOW, f"{W}/serving-endpoints", "https://h.io/v1"):
        for family in FAMILIES:
            assert route(parse_base(address), family, "m", stream=True).url.startswith("http")
