"""The application: its commands, and how what they raise becomes an exit status."""

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final, cast

import typer
from typer.core import TyperGroup

from grove_sm.cli import (
    bounties,
    claims,
    contributions,
    credits,
    demo,
    doctor,
    exporting,
    fuzz,
    importing,
    inbox,
    journal,
    sweeping,
    threads,
    upkeep,
)
from grove_sm.cli.exits import USAGE_ERROR, describe_statuses, status_of
from grove_sm.cli.output import write_error, write_line

_PROGRAM: Final = "grove-sm"

# The base of every usage error; typer itself exports only this subclass of it.
_UsageError: Final = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])


class _Commands(TyperGroup):
    """Commands whose errors are told in a line, or a JSON document, and by the exit status."""

    _as_json = False

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Note whether errors are to be JSON, even if the command's arguments cannot be read."""
        self._as_json = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Raises Exit with its status."""
        from grove_sm.domain.errors import GroveError

        try:
            with _warnings(silent=self._as_json):
                return super().invoke(ctx)
        except GroveError as error:
            document = error.to_document()
        except _UsageError as error:
            if not self._as_json:
                raise
            document = {"code": USAGE_ERROR, "message": error.format_message(), "facts": {}}
        except BrokenPipeError:
            raise
        except OSError as error:
            # The library tells of its own files in GroveErrors, so this is our output.
            document = {"code": "OUTPUT_ERROR", "message": f"cannot write: {error}", "facts": {}}
        write_error(document, as_json=self._as_json)
        raise typer.Exit(status_of(document["code"]))


app = typer.Typer(
    name=_PROGRAM,
    cls=_Commands,
    help="Agent contributions, handoffs, claims and bounties across unlike stores, as one.",
    epilog=describe_statuses(),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(upkeep.init)
app.command()(contributions.contribute)
app.command("review")(contributions.review)
app.command("reproduce")(contributions.reproduce)
app.command("discuss")(contributions.discuss)
app.command("adopt")(contributions.adopt)
app.command()(contributions.contributions)
app.command()(contributions.search)
app.command()(threads.thread)
app.command()(threads.children)
app.command()(threads.ancestors)
app.command()(exporting.export)
app.command("import")(importing.import_file)
app.command()(inbox.handoffs)
app.command("pick-up")(inbox.pick_up)
app.command()(inbox.acknowledge)
app.command("dead-letter")(inbox.dead_letter)
app.command()(claims.claim)
app.command()(claims.heartbeat)
app.command()(claims.release)
app.command()(claims.complete)
app.command()(claims.claims)
app.command()(claims.stalled)
app.command()(upkeep.counts)
app.command()(sweeping.sweep)
app.command()(upkeep.recover)
app.command()(upkeep.audit)
app.command()(upkeep.outcome)
app.command()(doctor.doctor)
app.command()(demo.demo)
app.command()(fuzz.fuzz)
app.add_typer(bounties.app, name="bounty", help="Create, list, claim and end bounties.")
app.add_typer(credits.app, name="credits", help="Grant, transfer and list credits.")
app.add_typer(
    journal.app, name="journal", help="Show transactions, and deal with what they left undone."
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        typer.echo(f"{_PROGRAM} {version(_PROGRAM)}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # An agent's words must not fail on a terminal that lacks their letters.
            stream.reconfigure(errors="backslashreplace")
    app(prog_name=_PROGRAM)


class _ToStderr(logging.Handler):
    """Tells each thing once, however often it is met."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        line = f"{_PROGRAM}: {record.levelname.lower()}: {record.getMessage()}"
        if line not in self._told:
            self._told.add(line)
            write_line(line, to_stderr=True)


@contextmanager
def _warnings(*, silent: bool) -> Iterator[None]:
    """Show the library's warnings; a program that asks for JSON gets nothing else on stderr."""
    log = logging.getLogger("grove_sm")
    handler = logging.NullHandler() if silent else _ToStderr(logging.WARNING)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
