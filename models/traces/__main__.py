"""Holds recorded runs against the specification: `python -m models.traces --help`."""

import json
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from grove_sm.domain.errors import ValidationError
from models.tla.tlc import ModelError
from models.traces.calls import read_lines
from models.traces.pool import check_all
from models.traces.report import Report, judged
from models.traces.runs import Run, batches

_INTERRUPTED: Final = 130
_SEED_BITS: Final = 32


def main(
    *,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE",
            help="Traces to check, as Grove.open(trace=FILE) writes them, instead of new runs.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    number: Annotated[
        int, typer.Option("--number", "-n", metavar="N", min=1, help="How many runs to record.")
    ] = 50,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", min=0, help="What to draw runs from.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", min=1, help="Processes; by default the cores."),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep",
            metavar="FOLDER",
            help="Keep the traces that are not allowed there, one file each, to check them again.",
            file_okay=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Have TLC decide whether the specification allows what was recorded.

    Without FILE, histories of the stateful suite are run and recorded: crashes, recoveries,
    outages, late and repeated requests, coordinators that are taken for dead. Each trace is held
    step by step against models/tla/Protocol.tla. Of one that is not allowed you are told how far
    it is, the first step that is not, and what the specification says at that point.

    Exits with 0 if all are allowed, 1 if one is not, 2 for a wrong option or a file that is no
    trace, 3 if something could not be checked, 130 if it was interrupted.
    """
    if files:
        report = _check_files(files)
    else:
        seed = secrets.randbits(_SEED_BITS) if seed is None else seed
        if not as_json:
            typer.echo(f"seed {seed}")
        todo = batches(number, seed)
        try:
            with _progress(number) as advance:
                report = check_all(todo, workers or os.cpu_count() or 1, advance)
        except KeyboardInterrupt:
            raise typer.Exit(_INTERRUPTED) from None
    if keep is not None:
        _keep(report, keep)
    if as_json:
        typer.echo(json.dumps({"seed": seed, **report.to_document()}, indent=2))
    else:
        for line in report.lines():
            typer.echo(line)
    raise typer.Exit(report.status)


def _check_files(files: Sequence[Path]) -> Report:
    runs = []
    try:
        for path in files:
            with path.open() as text:
                runs.append(Run(str(path), list(read_lines(text, str(path)))))
        return judged(runs)
    except (ValidationError, UnicodeDecodeError) as error:
        raise typer.BadParameter(str(error), param_hint="FILE") from None
    except ModelError as error:
        return Report(failed=[str(error)])


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], object]]:
    """A bar on a terminal; what advances it."""
    console = Console(stderr=True)
    columns = (TextColumn("runs"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("runs", total=total)
        yield lambda size: bar.advance(task, size)


def _keep(report: Report, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, (run, _) in enumerate(report.refused, 1):
        lines = "".join(f"{json.dumps(line)}\n" for line in run.lines)
        (folder / f"{number}.jsonl").write_text(lines)


if __name__ == "__main__":
    typer.run(main)
