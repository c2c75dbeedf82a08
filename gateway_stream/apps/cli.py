"""The command line: ``gateway-stream demo | chat | decode | simulate``.

Standard output is for what was asked, standard error for everything about it. An error is one line
that says what to do; what each exit status means stands in `gateway_stream.apps.exits`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, NoReturn

import anyio
import msgspec
import typer
from rich.console import Console
from rich.markup import escape

from gateway_stream import __version__
from gateway_stream.apps.decode import decode_file, describe
from gateway_stream.apps.exits import Exit, exit_of
from gateway_stream.errors import ConfigError, GatewayError
from gateway_stream.wire import FAMILIES

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Stream every model behind a Databricks Unity AI Gateway.",
    epilog=(
        "Exit statuses: 0 done, 2 wrong usage, 3 an answer was not whole, 4 settings, credentials or "
        "the request, 5 the network or the gateway, 130 interrupted."
    ),
)

Family = Enum("Family", {name: name for name in FAMILIES}, type=str)  # type: ignore[misc]


def main() -> NoReturn:
    """Run the command line; errors become one line and an exit status."""
    try:
        app()
    except GatewayError as error:
        _say(str(error))
        sys.exit(exit_of(error))
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not trip over it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.DONE)
    sys.exit(Exit.DONE)


def _say(text: str) -> None:
    Console(stderr=True).print(f"[bold red]gateway-stream:[/] {escape(text)}", soft_wrap=True)


def _run(work: Callable[[], Awaitable[None]]) -> None:
    """Run async work; Ctrl-C cancels it, which closes its streams."""
    try:
        anyio.run(work)
    except KeyboardInterrupt:
        _say("interrupted")
        raise typer.Exit(Exit.INTERRUPTED) from None


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"gateway-stream {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Stream every model behind a Databricks Unity AI Gateway."""


@app.command()
def demo() -> None:
    """Stream one answer of each wire family from a server in this process. No credentials."""
    from gateway_stream.apps.demo import run_demo  # noqa: PLC0415  brings the server along

    _run(lambda: run_demo(Console(highlight=False)))


@app.command()
def chat(
    prompt: Annotated[
        str | None, typer.Argument(help="What to ask; - or nothing reads standard input.")
    ] = None,
    *,
    model: Annotated[str, typer.Option("-m", "--model", help="The model's name, sent verbatim.")],
    system: Annotated[str | None, typer.Option(help="The system prompt.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="The most the model may write.")
    ] = None,
    family: Annotated[Family | None, typer.Option(help="Speak this wire family.")] = None,
    base_url: Annotated[
        str | None, typer.Option(help="The workspace, gateway or base URL.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the events as JSON lines.")] = False,
) -> None:
    """Ask a model and stream its answer."""
    from gateway_stream.apps.chat import Question, run_chat  # noqa: PLC0415  the same

    question = Question(
        model=model,
        prompt=_prompt(prompt),
        system=system,
        max_tokens=max_tokens,
        family=family.value if family else None,
        base_url=base_url,
    )
    _run(lambda: run_chat(question, as_json=json))


def _prompt(prompt: str | None) -> str:
    if prompt is None and sys.stdin.isatty():
        message = "nothing to ask"
        raise typer.BadParameter(message, param_hint="PROMPT")
    text = sys.stdin.read() if prompt in (None, "-") else prompt
    if not text or not text.strip():
        message = "the prompt is empty"
        raise typer.BadParameter(message, param_hint="PROMPT")
    return text


@app.command()
def decode(
    family: Annotated[Family, typer.Argument(help="The wire family of the bodies.")],
    files: Annotated[list[Path], typer.Argument(help="Recorded response bodies.")],
    *,
    read_size: Annotated[
        int | None, typer.Option(min=1, help="Feed so many bytes at a time.")
    ] = None,
    turn: Annotated[bool, typer.Option("--turn", help="Print the folded answers.")] = False,
    loss: Annotated[
        bool, typer.Option("--loss", help="Print the fields that reach no event.")
    ] = False,
) -> None:
    """Print the events of recorded bodies as JSON lines."""
    whole = True
    for file in files:
        try:
            if loss:
                _print_loss(family.value, file)
                continue
            decoded = decode_file(family.value, file, read_size)
        except OSError as error:
            message = f"{file} cannot be read: {error.strerror}"
            raise ConfigError(message, hint="Give the path of a recorded response body.") from error
        answer = describe(str(file), decoded)
        whole = whole and answer["complete"]
        lines = [answer] if turn else decoded.events
        for line in lines:
            typer.echo(msgspec.json.encode(line))
    if not whole:
        raise typer.Exit(Exit.NOT_WHOLE)


def _print_loss(family: str, file: Path) -> None:
    from gateway_stream.wire.loss import lost_fields, reason_for  # noqa: PLC0415  rarely asked

    for path, times in sorted(lost_fields(FAMILIES[family], file.read_bytes()).items()):
        typer.echo(f"{file}\t{path}\t{times}\t{reason_for(family, path) or 'NOT LISTED'}")


@app.command()
def simulate(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 0,
) -> None:
    """Serve a gateway with scripted answers on this machine, until Ctrl-C."""
    from gateway_stream.apps.simulate import run_simulation  # noqa: PLC0415  the same

    _run(lambda: run_simulation(port))
