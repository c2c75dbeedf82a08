"""MLflow's AI gateway, from PyPI: a gateway as a Databricks workspace has one, in the open.

It stands in front of an aimock, with one endpoint for each vendor's dialect, and translates its
unified chat to each of them. ``make peers`` installs it into an environment of its own, for its
dependencies are many, and names that environment's Python in `PYTHON`.
"""

from __future__ import annotations

import json
import os
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

from tests.peers import aimock
from tests.peers.servers import running

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

__all__ = ["ENDPOINTS", "Endpoint", "interpreter", "running_mlflow", "serving"]

PYTHON: Final = "GATEWAY_STREAM_MLFLOW_PYTHON"
ENDPOINTS: Final = {"openai": "/v1", "anthropic": "/v1", "gemini": "/v1beta"}
"""Each provider, and where its own API begins; an endpoint has its provider's name."""


class Endpoint(NamedTuple):
    """An endpoint of MLflow's: whose dialect it speaks, where, and to which model."""

    name: str
    provider: str
    base: str
    model: str


_START_SECONDS: Final = 120.0
_CALL_SECONDS: Final = 10.0


def interpreter() -> Path:
    """The Python that has MLflow. Skips where none is named."""
    if PYTHON not in os.environ:
        pytest.skip(f"MLflow is not here: run 'make peers', which installs it and sets {PYTHON}")
    return Path(os.environ[PYTHON]).absolute()


def serving(python: Path, upstream: str, folder: Path) -> AbstractContextManager[str]:
    """The origin of an MLflow server whose gateway asks ``upstream``, an aimock's origin."""
    endpoints = [
        Endpoint(provider, provider, upstream + version, f"{provider}-model")
        for provider, version in ENDPOINTS.items()
    ]
    return running_mlflow(python, folder, endpoints, gemini=f"{upstream}/v1beta/models")


@contextmanager
def running_mlflow(
    python: Path, folder: Path, endpoints: Iterable[Endpoint], *, gemini: str
) -> Iterator[str]:
    """The origin of an MLflow server with these endpoints; ``gemini`` is where all of Gemini's ask."""
    command = (
        *(python, "-m", "uvicorn", "--app-dir", Path(__file__).parent),
        *("--host", "127.0.0.1", "--port", "0", "mlflow_behind:app"),
    )
    environ = {
        "GEMINI_BASE": gemini,
        "MLFLOW_GATEWAY_API_BASE_ALLOWED_SCHEMES": "http",
        "MLFLOW_GATEWAY_API_BASE_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_CRYPTO_KEK_PASSPHRASE": "for tests",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{folder}/mlflow.db",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": str(folder / "artifacts"),
    }
    with running(command, folder, seconds=_START_SECONDS, environ=environ) as origin:
        for endpoint in endpoints:
            _add_endpoint(origin, endpoint)
        yield origin


def _add_endpoint(origin: str, endpoint: Endpoint) -> None:
    name, provider = endpoint.name, endpoint.provider
    secret = _call(
        origin,
        "secrets",
        secret_name=name,
        provider=provider,
        secret_value={"api_key": aimock.KEY},
        auth_config={"api_base": endpoint.base},
    )["secret"]
    model = _call(
        origin,
        "model-definitions",
        name=name,
        secret_id=secret["secret_id"],
        provider=provider,
        model_name=endpoint.model,
    )["model_definition"]
    link = {
        "model_definition_id": model["model_definition_id"],
        "linkage_type": "PRIMARY",
        "weight": 1.0,
    }
    _call(origin, "endpoints", name=name, usage_tracking=False, model_configs=[link])


def _call(origin: str, kind: str, **fields: Any) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310  a loopback origin
        f"{origin}/api/3.0/mlflow/gateway/{kind}/create",
        json.dumps(fields).encode(),
        {"Content-Type": "application/json"},
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=_CALL_SECONDS) as response:
        told: dict[str, Any] = json.load(response)
    return told
