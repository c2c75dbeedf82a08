"""The command line about credentials: ``gateway-stream auth login | status | token | logout | profiles``.

No secret is an argument, or in any output but that of ``token``, which is one.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import anyio
import msgspec
import typer

from gateway_stream.apps.exits import Exit
from gateway_stream.apps.output import flush, write_line
from gateway_stream.apps.render import without_controls

__all__ = ["app"]

app = typer.Typer(invoke_without_command=True)

Host: TypeAlias = Annotated[
    str | None, typer.Option("--host", help="The workspace, instead of the settings' one.")
]
Profile: TypeAlias = Annotated[
    str | None, typer.Option("--profile", help="The profile of ~/.databrickscfg that is meant.")
]
AllowHost: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="A host that may get what is found in the environment or a profile."),
]


@app.callback()
def _root(context: typer.Context) -> None:
    """Log in and out, and see which credentials are meant."""
    if context.invoked_subcommand is None:
        context.get_help()  # which prints it
        raise typer.Exit(Exit.USAGE)


@app.command(context_settings={"allow_extra_args": True})
def login(
    context: typer.Context,
    host: Host = None,
    profile: Profile = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Open no browser here: one elsewhere will do.")
    ] = False,
    token: Annotated[
        bool,
        typer.Option("--token", help="Store a token, or host::token, that is typed or piped in."),
    ] = False,
) -> None:
    """Log in, or store a token, for every process of this user."""
    from gateway_stream.apps.auth_login import sign_in, store_token  # noqa: PLC0415  brings much
    from gateway_stream.apps.terminal import read_secret  # noqa: PLC0415  the same

    _take_no_argument(context, "--token" if token else "login")
    if token:
        secret = read_secret("Token, or host::token (not shown): ")
        _print([anyio.run(store_token, secret, host, profile)])
        return

    async def work() -> str:
        return await sign_in(host, profile, open_browser=not no_browser)

    _print([anyio.run(work)])


@app.command()
def status(
    host: Host = None,
    profile: Profile = None,
    allow_host: AllowHost = None,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Tell which credentials are meant, why, whose they are, and whether they work."""
    from gateway_stream.apps.auth_status import lines_of, look  # noqa: PLC0415  the same

    found, error = anyio.run(look, host, profile, tuple(allow_host or ()))
    _print([msgspec.json.encode(found).decode()] if json else lines_of(found))
    if error is not None:
        raise error


@app.command(context_settings={"allow_extra_args": True})
def token(
    context: typer.Context,
    host: Host = None,
    profile: Profile = None,
    allow_host: AllowHost = None,
) -> None:
    """Print an access token that serves for a while, for another program to use."""
    from gateway_stream.apps.auth_status import current_token  # noqa: PLC0415  the same

    _take_no_argument(context, "token")
    _print([anyio.run(current_token, host, profile, tuple(allow_host or ()))])


@app.command()
def logout(host: Host = None, profile: Profile = None) -> None:
    """Remove the logins that are stored for a host."""
    from gateway_stream.apps.auth_login import log_out  # noqa: PLC0415  the same

    _print(anyio.run(log_out, host, profile))


@app.command()
def profiles() -> None:
    """List the profiles of ~/.databrickscfg, and whether they would do."""
    from gateway_stream.apps.auth_profiles import table_of_profiles  # noqa: PLC0415  the same

    _print(anyio.run(table_of_profiles))


def _take_no_argument(context: typer.Context, name: str) -> None:
    """Refuse arguments where somebody may think that a token is one. They are not quoted.

    Raises:
        typer.BadParameter: there are some.
    """
    if context.args:
        message = (
            "it takes no argument: auth login --token asks for a token, or reads it from a pipe"
        )
        raise typer.BadParameter(message, param_hint=name)


def _print(lines: list[str]) -> None:
    """Print lines. What a host or a file says in one cannot make another, nor steer the terminal."""
    for line in lines:
        shown = without_controls(line).replace("\n", " ")
        write_line(shown.encode(errors="backslashreplace"))
    flush()
