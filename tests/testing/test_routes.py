from __future__ import annotations

import pytest

from gateway_stream.testing.routes import Place, locate

PLACES = {
    "/ai-gateway/mlflow/v1/chat/completions": Place("gateway", "openai_chat"),
    "/ai-gateway/openai/v1/responses": Place("gateway", "openai_responses"),
    "/ai-gateway/anthropic/v1/messages": Place("gateway", "anthropic"),
    "/ai-gateway/gemini/v1beta/models/a.b.c:streamGenerateContent": Place(
        "gateway", "gemini", "a.b.c", stream=True
    ),
    "/ai-gateway/gemini/v1beta/models/a:generateContent": Place(
        "gateway", "gemini", "a", stream=False
    ),
    "/mlflow/v1/chat/completions": Place("dedicated", "openai_chat"),
    "/openai/v1/responses": Place("dedicated", "openai_responses"),
    "/anthropic/v1/messages": Place("dedicated", "anthropic"),
    "/gemini/v1beta/models/a:generateContent": Place("dedicated", "gemini", "a", stream=False),
    "/serving-endpoints/some-model/invocations": Place("classic", "openai_chat", "some-model"),
    "/serving-endpoints/chat/completions": Place("classic", "openai_chat"),
    "/serving-endpoints/responses": Place("classic", "openai_responses"),
    "/serving-endpoints/anthropic/v1/messages": Place("classic", "anthropic"),
    "/serving-endpoints/gemini/v1beta/models/a:streamGenerateContent": Place(
        "classic", "gemini", "a", stream=True
    ),
}


@pytest.mark.parametrize("path", PLACES)
def test_each_path_of_a_workspace_leads_to_its_family(path: str) -> None:
    assert locate(path) == PLACES[path]


@pytest.mark.parametrize(
    ("segment", "model"),
    [("a%2Fb", "a/b"), ("a%3Ab", "a:b"), ("a:b", "a:b"), ("%C3%A4%20b", "ä b"), ("a%253A", "a%3A")],
)
def test_a_model_in_the_path_is_one_encoded_segment(segment: str, model: str) -> None:
    place = locate(f"/ai-gateway/gemini/v1beta/models/{segment}:generateContent")
    assert place == Place("gateway", "gemini", model, stream=False)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/ai-gateway",
        "/ai-gateway/",
        "/ai-gateway/chat/completions",
        "/ai-gateway/mlflow/v1/chat/completions/",
        "/ai-gateway/some-model/invocations",
        "/ai-gateway/gemini/v1beta/models/a/b:generateContent",
        "/ai-gateway/gemini/v1beta/models/:generateContent",
        "/ai-gateway/gemini/v1beta/models/a:countTokens",
        "/serving-endpoints//invocations",
        "/serving-endpoints/a/b/invocations",
        "/serving-endpoints/mlflow/v1/chat/completions",
        "/v1/chat/completions",
    ],
)
def test_other_paths_lead_nowhere(path: str) -> None:
    assert locate(path) is None
