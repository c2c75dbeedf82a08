"""MLflow's own server, its Gemini provider sent to a server on this machine.

MLflow lets one choose the address behind every provider but this. The module is run by the Python
of MLflow's own environment, and holds nothing but that one address.
"""

from __future__ import annotations

import os
from importlib import import_module

import_module("mlflow.gateway.providers.gemini").GeminiProvider.base_url = os.environ["GEMINI_BASE"]
app = import_module("mlflow.server.fastapi_app").app
