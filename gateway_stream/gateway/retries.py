"""Retries as the environment sets them, in the variables of Goose's Databricks provider.

====================================== ======================= =======
``DATABRICKS_MAX_RETRIES``             `Retry.retries`         3
``DATABRICKS_INITIAL_RETRY_INTERVAL_MS`` `Retry.first_wait`    1000
``DATABRICKS_BACKOFF_MULTIPLIER``      `Retry.factor`          2.0
``DATABRICKS_MAX_RETRY_INTERVAL_MS``   `Retry.longest_wait`    60000
====================================== ======================= =======

An empty variable is an unset one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from gateway_stream.errors import ConfigError
from gateway_stream.net.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["retry_of"]

_MILLISECONDS: Final = 1000


def retry_of(environ: Mapping[str, str]) -> Retry:
    """The retries that the environment asks for.

    Raises:
        ConfigError: a variable is no number, or one that makes no sense.
    """
    plain = Retry()
    retries = _number(environ, "DATABRICKS_MAX_RETRIES", plain.retries, least=0, whole=True)
    first = _number(
        environ,
        "DATABRICKS_INITIAL_RETRY_INTERVAL_MS",
        plain.first_wait * _MILLISECONDS,
        least=0,
    )
    factor = _number(environ, "DATABRICKS_BACKOFF_MULTIPLIER", plain.factor, least=1)
    longest = _number(
        environ, "DATABRICKS_MAX_RETRY_INTERVAL_MS", plain.longest_wait * _MILLISECONDS, least=0
    )
    return Retry(
        retries=int(retries),
        first_wait=first / _MILLISECONDS,
        factor=factor,
        longest_wait=longest / _MILLISECONDS,
    )


def _number(
    environ: Mapping[str, str], name: str, otherwise: float, *, least: float, whole: bool = False
) -> float:
    text = environ.get(name, "").strip()
    if not text:
        return otherwise
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not least <= number < math.inf or (whole and not number.is_integer()):
        message = f"{name} is {text[:40]!r}"
        kind = "whole number" if whole else "number"
        raise ConfigError(message, hint=f"Give a {kind}, {least:g} or more, or unset it.")
    return number
