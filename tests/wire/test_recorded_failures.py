"""Recorded error responses of every vendor, each with its reading, reviewed row by row."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from gateway_stream.wire.failures import read_failure, read_stray, read_stream_failure
from tests.support.corpus import Recording, corpus, hostile, needs_corpus, recordings

if TYPE_CHECKING:
    from gateway_stream.events import Failure

FIELD = re.compile(rb"(?:event|data|id|retry)?:")
NOW = 1_759_845_400.0  # 20 s before the one reset that is recorded as a point in time

READINGS = """
anthropic/anthropic-400-invalid-request-error-anthropicpy  bad_request         never 400     - id
anthropic/anthropic-400-invalid-request-error-ddpy         bad_request         never 400     - id
anthropic/anthropic-400-invalid-request-error-pydai        bad_request         never 400     - id
anthropic/anthropic-400-invalid-request-error-reqllm       bad_request         never 400     - id
anthropic/anthropic-401-authentication-error-ddpy          auth                never 401     - id
anthropic/anthropic-404-not-found-error-pydai              model_not_found     never 404     - id
anthropic/anthropic-429-rate-limit-error-anthropicpy       rate_limited        again 429     - id
anthropic/anthropic-429-with-all-limit-headers             rate_limited        again 429    16 -
anthropic/ollama-400-invalid-request-error-llamastack      bad_request         never 400     - id
databricks/400-external-model-message-error-string         bad_request         never 400     - -
databricks/400-html-pre                                    gateway_unavailable again 400     - -
databricks/400-input-guardrail-json-in-message             bad_request         never 400     - -
databricks/400-invalid-parameter-hipaa                     bad_request         never 400     - -
databricks/400-json-schema-refs                            bad_request         never 400     - -
databricks/400-plain-text-malformed-request                bad_request         never 400     - -
databricks/400-prompt-too-long                             bad_request         never 400     - -
databricks/400-request-limit-under-400                     rate_limited        again 400     - -
databricks/400-unknown-field                               bad_request         never 400     - -
databricks/404-all-google-rpc-details                      model_not_found     never 404    42 -
databricks/404-json-string-body                            route_not_found     never 404     - -
databricks/429-daily-spend-limit-trailing-newline          rate_limited        never 429     - -
databricks/429-retry-after-100                             rate_limited        again 429   100 -
databricks/429-workspace-input-tokens                      rate_limited        again 429     - -
databricks/429-workspace-qps                               rate_limited        again 429     - -
databricks/503-capacity                                    overloaded          again 503     - -
gemini/google-429-array-wrapped                            rate_limited        again 429     - -
gemini/google-ai-studio-400-400-firebase                   bad_request         never 400     - -
gemini/google-ai-studio-400-400-newrelic                   auth                never 400     - -
gemini/google-ai-studio-400-400-reqllm-sgs-2               auth                never 400     - -
gemini/google-ai-studio-400-400-reqllm-sgs-3               bad_request         never 400     - -
gemini/google-ai-studio-400-400-reqllm-sgs-4               bad_request         never 400     - -
gemini/google-ai-studio-400-400-reqllm-sgs-5               bad_request         never 400     - -
gemini/google-ai-studio-400-400-reqllm-sgs                 auth                never 400     - -
gemini/google-ai-studio-404-404-newrelic-2                 model_not_found     never 404     - -
gemini/google-ai-studio-404-404-newrelic                   model_not_found     never 404     - -
gemini/google-ai-studio-404-404-reqllm-sgs                 model_not_found     never 404     - -
gemini/google-ai-studio-429-quota-no-retryinfo             rate_limited        never 429     - -
gemini/google-ai-studio-503-high-demand                    overloaded          again 503     - -
gemini/google-vertex-400-400-firebase-2                    bad_request         never 400     - -
gemini/google-vertex-400-400-firebase-3                    bad_request         never 400     - -
gemini/google-vertex-400-400-firebase                      auth                never 400     - -
gemini/google-vertex-401-401-newrelic-2                    auth                never 401     - -
gemini/google-vertex-401-401-newrelic                      auth                never 401     - -
gemini/google-vertex-404-404-firebase                      model_not_found     never 404     - -
gemini/google-vertex-404-404-newrelic-2                    model_not_found     never 404     - -
gemini/google-vertex-404-404-newrelic                      model_not_found     never 404     - -
openai_chat/azure-404-deploymentnotfound-openllmetry       model_not_found     never 404     - id
openai_chat/azure-422-invalid-input-reqllm-2               bad_request         never 422     - id
openai_chat/azure-422-invalid-input-reqllm                 bad_request         never 422     - id
openai_chat/groq-400-invalid-request-error-reqllm-sgs      bad_request         never 400     - id
openai_chat/groq-400-model-decommissioned-reqllm-sgs       model_not_found     never 400     - id
openai_chat/groq-400-tool-use-failed-pydai-2               stream_failed       again 400     - -
openai_chat/groq-400-tool-use-failed-pydai                 stream_failed       again 400     - -
openai_chat/groq-400-tool-use-failed-reqllm-2              stream_failed       again 400     - id
openai_chat/groq-400-tool-use-failed-reqllm                stream_failed       again 400     - id
openai_chat/groq-401-invalid-api-key-reqllm-sgs            auth                never 401     - id
openai_chat/groq-404-model-not-found-pydai                 model_not_found     never 404     - -
openai_chat/openai-400-invalid-image-url-openinference     bad_request         never 400     - -
openai_chat/openai-400-invalid-image-url-openllmetry       bad_request         never 400     - id
openai_chat/openai-400-invalid-request-error-pydai         bad_request         never 400     - -
openai_chat/openai-400-invalid-value-pydai                 bad_request         never 400     - -
openai_chat/openai-400-unsupported-value-pydai-2           bad_request         never 400     - -
openai_chat/openai-400-unsupported-value-pydai             bad_request         never 400     - -
openai_chat/openai-401-invalid-api-key-openinference       auth                never 401     - -
openai_chat/openai-403-invalid-request-error-reqllm        access_denied       never 403     - id
openai_chat/openai-404-invalid-request-error-reqllm-2      route_not_found     never 404     - id
openai_chat/openai-404-invalid-request-error-reqllm        bad_request         never 404     - id
openai_chat/openai-429-tpm-try-again-in-6ms                rate_limited        again 429 0.006 -
openai_chat/openrouter-400-400-reqllm-2                    bad_request         never 400     - -
openai_chat/openrouter-400-400-reqllm-sgs-2                bad_request         never 400     - -
openai_chat/openrouter-400-400-reqllm-sgs                  bad_request         never 400     - -
openai_chat/openrouter-400-400-reqllm                      bad_request         never 400     - -
openai_chat/openrouter-403-403-reqllm                      access_denied       never 403     - -
openai_chat/openrouter-404-404-reqllm-sgs-2                model_not_found     never 404     - -
openai_chat/openrouter-404-404-reqllm-sgs-3                bad_request         never 404     - -
openai_chat/openrouter-404-404-reqllm-sgs                  model_not_found     never 404     - -
openai_chat/openrouter-404-404-reqllm                      bad_request         never 404     - -
openai_chat/openrouter-429-429-pydai                       rate_limited        again 429     - -
openai_chat/openrouter-429-429-reqllm-sgs-2                rate_limited        again 429    20 -
openai_chat/openrouter-429-429-reqllm-sgs                  rate_limited        again 429     - -
openai_chat/xai-400-reqllm                                 bad_request         never 400     - -
openai_chat/xai-404-reqllm-sgs                             model_not_found     never 404     - -
openai_responses/deepseek-400-invalid-request-error-pydai  bad_request         never 400     - -
openai_responses/openai-400-model-not-found-ddpy           model_not_found     never 400     - id
openai_responses/openai-400-model-not-found-newrelic       model_not_found     never 400     - id
openai_responses/openai-400-unsupported-parameter-reqllm   bad_request         never 400     - id
openai_responses/openai-429-no-limit-headers               rate_limited        again 429 23.03 -
openai_responses/xai-400-rubyllm                           auth                never 400     - -
"""
ROWS = {row.split()[0]: row.split()[1:] for row in READINGS.strip().splitlines()}


def response(name: str) -> dict[str, Any]:
    folder = corpus()
    assert folder is not None
    loaded: dict[str, Any] = json.loads((folder / "errors" / f"{name}.json").read_text())
    return loaded


def reading(recorded: dict[str, Any]) -> Failure:
    headers = {name.title(): str(value) for name, value in (recorded["headers"] or {}).items()}
    return read_failure(recorded["status"], headers, recorded["body"].encode(), now=NOW)


@needs_corpus
@pytest.mark.parametrize("name", ROWS)
def test_a_recorded_error_is_read_as_reviewed(name: str) -> None:
    failure = reading(response(name))
    wait = "-" if failure.retry_after is None else f"{failure.retry_after:g}"
    assert [
        failure.kind,
        "again" if failure.retryable else "never",
        str(failure.status),
        wait,
        "id" if failure.request_id else "-",
    ] == ROWS[name]


def all_names() -> list[str]:
    folder = corpus()
    files = sorted((folder / "errors").glob("*/*.json")) if folder else []
    return [f"{file.parent.name}/{file.stem}" for file in files]


@needs_corpus
@pytest.mark.parametrize("name", all_names())
def test_a_recorded_error_can_be_shown(name: str) -> None:
    failure = reading(response(name))
    assert failure.message.isprintable()
    assert failure.message
    assert not failure.message.startswith(("{", "[", "<"))
    assert failure.hint
    assert failure.status
    assert failure.status >= 400
    assert failure.phase == "response"


@needs_corpus
@pytest.mark.parametrize("name", all_names())
def test_a_recorded_error_means_the_same_inside_a_stream(name: str) -> None:
    """The kind stays, but where only the status knew it: then the model failed, or nobody can tell."""
    recorded = response(name)
    outside = reading(recorded)
    inside = read_stream_failure(recorded["body"].encode())
    if inside is None:
        assert recorded["body"][:1] not in ("{", "["), "an error object was taken for an answer"
        return
    assert inside.message == outside.message
    assert inside.code == outside.code
    assert inside.phase == "stream"
    assert inside.status is None or inside.status >= 400
    assert inside.kind in (outside.kind, "stream_failed", "bad_request")


@needs_corpus
def test_every_recorded_answer_without_an_error_has_no_failing_frame() -> None:
    """What `error`, `message`, `code` and `status` of healthy answers are must not look like errors."""
    for recording in recordings():
        if recording.expected["error"]:
            continue
        for line in recording.body.splitlines():
            if line.startswith(b"data:"):
                assert read_stream_failure(line[5:].strip()) is None, (recording.name, line[:200])


def failures_inside(body: bytes) -> list[Failure]:
    """The errors of a stream: in its frames, else in the lines that are no fields, else it is one."""
    lines = body.splitlines()
    framed = [read_stream_failure(line[5:]) for line in lines if line.startswith(b"data:")]
    strays = b"\n".join(line for line in lines if line and not FIELD.match(line))
    found = [*framed, read_stray(strays), read_stream_failure(body)]
    return [failure for failure in found if failure]


def told_errors() -> list[Recording]:
    """Streams with an error that the bytes tell, which is not how the bytes end or what they lack."""
    errors = [one for one in (*recordings(), *hostile()) if one.expected["error"]]
    return [
        one for one in errors if one.expected["error"].get("type") not in ("truncated", "blocked")
    ]


@needs_corpus
@pytest.mark.parametrize("recording", told_errors(), ids=lambda recording: recording.name)
def test_a_recorded_error_inside_a_stream_is_found(recording: Recording) -> None:
    error = recording.expected["error"]
    failure = failures_inside(recording.body)[0]
    assert failure.message
    assert failure.hint
    assert failure.status != 200
    if isinstance(error.get("code"), str):
        assert failure.code == error["code"]
    if isinstance(error.get("code"), int):
        assert failure.status == error["code"]
