"""The command line: ``gateway-stream demo | chat | auth | decode | simulate``.

Standard output is for what was asked, standard error for everything about it. An error is one line
that says what to do, wrong usage too; what each exit status means stands in
`gateway_stream.apps.exits`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Final, NoReturn

import anyio
import msgspec
import typer
from rich.console import Console
from rich.text import Text

from gateway_stream import __version__
from gateway_stream.apps import auth
from gateway_stream.apps.decode import decode_body, describe, read_body
from gateway_stream.apps.exits import Exit, exit_of
from gateway_stream.apps.output import OutputLost, flush, open_streams, printable, write_line
from gateway_stream.apps.words import line_of
from gateway_stream.errors import GatewayError
from gateway_stream.wire import FAMILIES

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Exit statuses: 0 done, 1 a fault of this program, 2 wrong usage, 3 an answer was not whole, "
        "4 settings, credentials or the request, 5 the network or the gateway, 130 interrupted."
    ),
)

app.add_typer(auth.app, name="auth")

Family = Enum("Family", {name: name for name in FAMILIES}, type=str)  # type: ignore[misc]
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_WrongUsage: Final = typer.BadParameter.__mro__[1]  # typer gives its base no public name


def main() -> NoReturn:
    """Run the command line; errors become one line and an exit status."""
    open_streams()
    sys.exit(_status())


def _status() -> int:
    """Run the command and say what went wrong."""
    try:
        status = typer.main.get_command(app)(standalone_mode=False)
        flush()
    except (KeyboardInterrupt, typer.Abort):
        status = Exit.INTERRUPTED
    except OutputLost as lost:
        if lost.reader_left:
            return Exit.DONE
        _say(f"the output cannot be written: {lost.reason}")
        return Exit.YOURS
    except Exception as error:  # noqa: BLE001  the last one to see it
        line, status = _told(error)
        _say(line)
        return status
    if status == Exit.INTERRUPTED:
        _say("interrupted")
    return status or Exit.DONE


def _told(error: Exception) -> tuple[str, Exit]:
    """The line and the status that an error ends the command with."""
    if isinstance(error, GatewayError):
        return line_of(error), exit_of(error)
    if isinstance(error, _WrongUsage):
        return _usage_line(error), Exit.USAGE
    if sys.flags.dev_mode:
        raise error
    line = f"a fault of this program: {_where(error)}; python -X dev shows the way to it"
    return line, Exit.FAULT


def _say(text: str) -> None:
    line = Text.assemble(("gateway-stream:", "bold red"), " ", " ".join(text.split()))
    Console(stderr=True).print(line, soft_wrap=True)


def _usage_line(error: Exception) -> str:
    """What typer says about a wrong call, in one line."""
    context = getattr(error, "ctx", None)
    told = error.format_message().rstrip(".")  # type: ignore[attr-defined]
    told = told.replace(": Value error, ", ": ")  # of pydantic, which newer ones ask
    return f"{told}; see {context.command_path if context else 'gateway-stream'} --help"


def _where(error: Exception) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__}: {error}{place}"


def _version(asked: bool) -> None:
    if asked:
        write_line(f"gateway-stream {__version__}".encode())
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    _asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Stream every model behind a Databricks Unity AI Gateway."""
    if context.invoked_subcommand is None:
        context.get_help()  # which prints it
        raise typer.Exit(Exit.USAGE)


def _run(work: Callable[[], Awaitable[None]]) -> None:
    """Run async work; Ctrl-C cancels it, which closes its streams."""
    anyio.run(work)


@app.command()
def demo() -> None:
    """Stream one answer of each wire family from a server in this process. No credentials."""
    from gateway_stream.apps.demo import run_demo  # noqa: PLC0415  brings the server along

    _run(lambda: run_demo(Console(highlight=False)))


@app.command()
def chat(
    prompt: Annotated[
        str | None,
        typer.Argument(help="What to ask; - reads it from standard input, and so does a pipe."),
    ] = None,
    *,
    model: Annotated[str, typer.Option("-m", "--model", help="The model's name, sent verbatim.")],
    system: Annotated[str | None, typer.Option(help="The system prompt.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="The most the model may write.")
    ] = None,
    family: Annotated[Family | None, typer.Option(help="Speak this wire family.")] = None,
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", "--host", help="The workspace, gateway or base URL."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A host that may get the token found in the environment or a profile."),
    ] = None,
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="Allow plain http:// beyond this machine.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the events as JSON lines.")] = False,
) -> None:
    """Ask a model and stream its answer."""
    from gateway_stream.apps.chat import Question, run_chat  # noqa: PLC0415  the same

    question = Question(
        model=_sendable(model, "model", "--model"),
        prompt=_prompt(prompt),
        system=None if system is None else _sendable(system, "system prompt", "--system"),
        max_tokens=max_tokens,
        family=family.value if family else None,
        base_url=base_url,
        allow_host=tuple(allow_host or ()),
        allow_http=allow_http,
    )
    _run(lambda: run_chat(question, as_json=json))


def _prompt(prompt: str | None) -> str:
    """The prompt, from where it is to come."""
    if prompt is None and sys.stdin.isatty():
        message = "give a prompt, or - to read one from standard input"
        raise typer.BadParameter(message, param_hint="PROMPT")
    if prompt in (None, "-"):
        try:
            prompt = sys.stdin.buffer.read().decode(errors="surrogateescape")
        except OSError as error:
            message = f"standard input cannot be read: {error.strerror}"
            raise typer.BadParameter(message, param_hint="PROMPT") from error
    return _sendable(str(prompt), "prompt", "PROMPT")


def _sendable(text: str, what: str, parameter: str) -> str:
    """A text that can stand in a request. What was no UTF-8 came here as surrogates."""
    if _SURROGATE.search(text):
        problem = "is not UTF-8 text"
    elif not text.strip():
        problem = "is empty"
    else:
        return text
    message = f"the {what} {problem}"
    raise typer.BadParameter(message, param_hint=parameter)


@app.command()
def decode(
    family: Annotated[Family, typer.Argument(help="The wire family of the bodies.")],
    files: Annotated[
        list[Path], typer.Argument(help="Recorded response bodies; - is standard input.")
    ],
    *,
    read_size: Annotated[
        int | None, typer.Option(min=1, help="Feed so many bytes at a time.")
    ] = None,
    turn: Annotated[bool, typer.Option("--turn", help="Print the folded answers.")] = False,
    loss: Annotated[
        bool, typer.Option("--loss", help="Print the fields that reach no event.")
    ] = False,
) -> None:
    """Print the events of recorded bodies as JSON lines, file after file."""
    if turn and loss:
        message = "--turn and --loss print different things; give one of them"
        raise typer.BadParameter(message, param_hint="--loss")
    whole = True
    for file in files:
        name, body = printable(file), read_body(file)
        decoded = decode_body(family.value, body, read_size)
        if decoded.foreign:
            _say(f"{name} holds no event of {family.value}; is it another family?")
        if loss:
            _print_loss(family.value, name, body)
            continue
        answer = describe(name, decoded)
        whole = whole and answer["complete"]
        for line in [answer] if turn else decoded.events:
            write_line(msgspec.json.encode(line))
    if not whole:
        raise typer.Exit(Exit.NOT_WHOLE)


def _print_loss(family: str, name: str, body: bytes) -> None:
    from gateway_stream.wire.loss import lost_fields, reason_for  # noqa: PLC0415  rarely asked

    for path, times in sorted(lost_fields(FAMILIES[family], body).items()):
        reason = reason_for(family, path) or "not listed: report it"
        write_line(f"{name}\t{path}\t{times}\t{reason}".encode(errors="backslashreplace"))


@app.command()
def simulate(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 0,
    *,
    scenario: Annotated[
        str | None, typer.Option(help="Fail as this scenario does, by name or number; see --list.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Print the scenarios.")] = False,
    score: Annotated[
        bool, typer.Option("--score", help="Play them all against this client: 80 seconds.")
    ] = False,
) -> None:
    """Serve a gateway with scripted answers on this machine, until Ctrl-C.

    With a scenario it fails as the hosts of models do.
    """
    from gateway_stream.apps import simulate as work  # noqa: PLC0415  the same

    if (scenario is not None) + list_ + score > 1:
        message = "--scenario, --list and --score are three things; give one"
        raise typer.BadParameter(message, param_hint="--scenario")
    if port and (list_ or score):
        message = "--port is for what is served"
        raise typer.BadParameter(message, param_hint="--port")
    if list_:
        work.print_scenarios()
        return
    if score:
        if not anyio.run(work.print_scores):
            raise typer.Exit(Exit.FAULT)
        return
    chosen = None if scenario is None else work.find_scenario(scenario)
    if chosen is None and scenario is not None:
        message = f"there is no scenario {scenario!r}; --list shows them"
        raise typer.BadParameter(message, param_hint="--scenario")
    _run(lambda: work.run_simulation(port, chosen))
