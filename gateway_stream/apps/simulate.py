"""``gateway-stream simulate``: a gateway on this machine that answers by script."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from gateway_stream.errors import ConfigError
from gateway_stream.testing.demo import simulate

if TYPE_CHECKING:
    from gateway_stream.testing import FakeGateway

__all__ = ["run_simulation"]


async def run_simulation(port: int) -> None:
    """Serve until cancelled.

    Raises:
        ConfigError: the port is taken.
    """
    try:
        await simulate(_announce, port=port)
    except OSError as error:
        message = f"port {port} cannot be served: {error.strerror or error}"
        raise ConfigError(message, hint="Give another with --port, or 0 for a free one.") from error


def _announce(gateway: FakeGateway) -> None:
    typer.echo(f"listening on {gateway.url}; Ctrl-C ends it")
    typer.echo(
        f"try: gateway-stream chat -m claude --base-url {gateway.url} 'Why is the sky blue?'"
    )
