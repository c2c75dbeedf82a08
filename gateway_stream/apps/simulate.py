"""``gateway-stream simulate``: a gateway on this machine that answers by script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway_stream.apps.output import flush, write_line
from gateway_stream.errors import ConfigError
from gateway_stream.gateway.hosts import parse_base
from gateway_stream.gateway.routes import route
from gateway_stream.testing.demo import simulate
from gateway_stream.wire import FAMILIES

if TYPE_CHECKING:
    from gateway_stream.testing import FakeGateway

__all__ = ["run_simulation"]


async def run_simulation(port: int) -> None:
    """Serve until cancelled.

    Raises:
        ConfigError: the port is taken.
        OutputLost: standard output takes no more.
    """
    try:
        await simulate(_announce, port=port)
    except OSError as error:
        message = f"port {port} cannot be served: {error.strerror or error}"
        raise ConfigError(message, hint="Give another with --port, or 0 for a free one.") from error


def _announce(gateway: FakeGateway) -> None:
    url, base = gateway.url, parse_base(gateway.url)
    paths = [(family, route(base, family, "MODEL", stream=True).url) for family in FAMILIES]
    lines = [
        f"listening on {url}; Ctrl-C ends it",
        "it answers for every model, in the family whose path is asked:",
        *(f"  {family:<17} POST {path}" for family, path in paths),
        f"try: gateway-stream chat -m claude --base-url {url} 'Why is the sky blue?'",
    ]
    write_line("\n".join(lines).encode())
    flush()
