"""The command that imports a file of contributions."""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from grove_sm.cli.exits import status_of
from grove_sm.cli.exporting import export_facts
from grove_sm.cli.options import HERE, AsJson, GroveFolder, open_grove
from grove_sm.cli.output import make_console, write_facts, write_json, write_line, write_result

if TYPE_CHECKING:
    from grove_sm.importing import ImportReport
    from grove_sm.lines import Line
    from grove_sm.results import Restored


def import_file(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE.jsonl",
            help="One contribution a line, or what export wrote; - for standard input.",
        ),
    ],
    stop_on_error: Annotated[
        bool,
        typer.Option("--stop-on-error", help="Stop at the first bad line; an export always does."),
    ] = False,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Publish every contribution of a file, or take over a whole grove that was exported.

    Contributions that are there already add nothing. A bad line is told with its number, its field
    and the rule, and does not stop the others. The exit status is that of the first bad line's
    error.

    A file that grove-sm export wrote is known by its first line. It is taken over as it is, all of
    it or nothing, and the grove must be empty.
    """
    from grove_sm.importing import import_lines
    from grove_sm.lines import read_lines
    from grove_sm.operations.exported import is_export

    with ExitStack() as stack:
        opened_file = stack.enter_context(_open(file))
        opened = stack.enter_context(open_grove(grove))
        on_line = stack.enter_context(_progress(opened_file, is_shown=not as_json))
        lines = read_lines(opened_file)
        first = next(lines, None)
        beginning = () if first is None else (first,)
        lines = chain(beginning, lines)
        if first is not None and is_export(first.text):
            where = "standard input" if file == "-" else file
            _tell_restored(opened.restore_lines(lines, where, on_line=on_line), as_json=as_json)
            return
        report = import_lines(opened, lines, stop_on_error=stop_on_error, on_line=on_line)
    if as_json:
        write_json(_to_document(report))
    else:
        _write(report)
    if report.error is not None:
        raise typer.Exit(status_of(report.error.code))


@contextmanager
def _open(file: str) -> Iterator[BinaryIO]:
    from grove_sm.lines import open_to_read

    if file == "-":
        yield sys.stdin.buffer
        return
    with open_to_read(file, "FILE.jsonl") as opened:
        yield opened


@contextmanager
def _progress(file: BinaryIO, *, is_shown: bool) -> Iterator[Callable[["Line"], None]]:
    """A bar on stderr, where that is a terminal."""
    console = make_console(to_stderr=True)
    if not (is_shown and console.is_terminal):
        yield lambda _: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("importing"),
        BarColumn(),
        TextColumn("{task.fields[lines]:,} lines"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=_size(file), lines=0)
        yield lambda line: bar.update(task, completed=line.end, lines=line.number)


def _size(file: BinaryIO) -> int | None:
    """A regular file's size in bytes; None for a pipe, which has none."""
    try:
        found = os.fstat(file.fileno())
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _tell_restored(restored: "Restored", *, as_json: bool) -> None:
    state = "it was there already" if restored.already_there else "taken over"
    facts = [("export", state), ("transaction", restored.txid)]
    write_result(restored, [*facts, *export_facts(restored)], as_json=as_json)


def _to_document(report: "ImportReport") -> dict[str, object]:
    stopped_by = report.stopped_by
    return {
        "imported": report.imported,
        "alreadyThere": report.already_there,
        "failed": len(report.failures),
        "heldBack": report.held_back,
        "handoffs": report.handoffs,
        "replies": report.replies,
        "failures": [
            {"line": failure.line, "error": failure.error.to_document()}
            for failure in report.failures
        ],
        **({} if stopped_by is None else {"stoppedBy": stopped_by.to_document()}),
    }


def _write(report: "ImportReport") -> None:
    for failure in report.failures:
        write_line(f"line {failure.line}: {failure.error.message}", to_stderr=True)
    if report.stopped_by is not None:
        write_line(f"the import was stopped: {report.stopped_by.message}", to_stderr=True)
    write_facts(
        [
            ("imported", report.imported),
            ("already there", report.already_there),
            ("failed", len(report.failures)),
            ("still waiting for a later line", report.held_back or None),
            ("handoffs created", report.handoffs),
            ("handoffs answered", report.replies),
        ]
    )
