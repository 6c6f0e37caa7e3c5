"""What `make mutants` does: gives every mutant to the layers of tests, and tells who noticed."""

import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from faults.mutants.display import display
from faults.mutants.judging import Judging
from faults.mutants.layers import LAYERS, Layer
from faults.mutants.mutant import Mutant, UnusableMutantError, mutants, usable
from faults.mutants.page import Page
from faults.mutants.results import Result, about, headings, row, totals

ALL_CAUGHT: Final = 0
SURVIVED: Final = 1
UNUSABLE: Final = 2
INTERRUPTED: Final = 130
"""Exit statuses; the last as shells call what Ctrl-C has ended."""


def judge(
    *,
    mutant: Annotated[
        list[str] | None,
        typer.Option("--mutant", metavar="NAME", help="Only this one; may be given several times."),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option("--layer", metavar="NAME", help="Only this one; may be given several times."),
    ] = None,
    every: Annotated[
        bool,
        typer.Option("--every", help="Give each mutant to all of every layer. Takes hours."),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", metavar="N", min=1, help="How many at once; by default the cores."
        ),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option("--write", metavar="FILE", help="Put the table into this page of docs/."),
    ] = None,
    list_only: Annotated[
        bool, typer.Option("--list", help="Print the mutants with their defects, and stop.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document, and nothing else.")
    ] = False,
) -> None:
    """Plant each defect in a copy of the code, and see which layer of tests notices it.

    The layers are run from the cheapest on, until a test fails; first of all on the library as it
    is, where none may. Exits with 0 if every mutant was caught, 1 if one was not or a test fails
    without any, 2 if that could not be found out, and 130 if it was interrupted.
    """
    chosen, layers = _mutants(mutant), _layers(layer)
    if list_only:
        _tell_list(chosen, as_json=as_json)
        return
    page = _page(write)
    console = Console(stderr=as_json, highlight=False)
    judging = Judging(layers, is_every=every, workers=workers or os.cpu_count() or 1)
    # Whoever looks at one mutant has just seen the tests pass.
    subjects = [*([] if mutant else [None]), *chosen]
    results: list[Result] = []
    begun = time.monotonic()
    try:
        with display(console, len(subjects), is_silent=as_json) as shown:
            for result in judging.judge(subjects, shown):
                results.append(result)
                if page is not None:
                    # Each takes minutes: what is known survives whatever ends the others.
                    page.write(results)
    except KeyboardInterrupt:
        console.print(f"interrupted; of {len(subjects)}, {len(results)} were done with")
        raise typer.Exit(INTERRUPTED) from None
    results.sort(key=lambda result: subjects.index(result.mutant))
    seconds = time.monotonic() - begun
    if as_json:
        typer.echo(json.dumps(_document(results, seconds), indent=2))
    else:
        _print(results, layers, console)
        console.print(f"{totals(results)}, in {seconds / 60:.0f} minutes")
    raise typer.Exit(_status(results))


def main() -> None:
    """Run the command."""
    # Whatever asks for the end, no tests go on.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(judge)
    app(prog_name="python -m faults.mutants")


def _mutants(names: Sequence[str] | None) -> Sequence[Mutant]:
    try:
        return [usable(name) for name in names or [each.name for each in mutants()]]
    except UnusableMutantError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(UNUSABLE) from None


def _layers(names: Sequence[str] | None) -> Sequence[Layer]:
    known = {each.name: each for each in LAYERS}
    for name in names or ():
        if name not in known:
            raise typer.BadParameter(f"--layer: there is no {name}; there are: {', '.join(known)}")
    return tuple(layer for layer in LAYERS if not names or layer.name in names)


def _page(path: Path | None) -> Page | None:
    """Where the table goes; refused now, and not after the hours that it takes."""
    if path is None:
        return None
    try:
        return Page(path)
    except ValueError as error:
        raise typer.BadParameter(f"--write: {error}") from None


def _tell_list(chosen: Sequence[Mutant], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([about(each) for each in chosen], indent=2))
        return
    for each in chosen:
        typer.echo(f"{each.name}: {each.defect} (breaks {', '.join(each.promises)})")


def _document(results: Sequence[Result], seconds: float) -> dict[str, Any]:
    sound = [result for result in results if result.mutant is None]
    found = [result for result in results if result.mutant is not None]
    return {
        "caught": sum(result.is_well for result in found),
        "of": len(found),
        "seconds": round(seconds, 1),
        "sound": [result.to_document() for result in sound],
        "mutants": [result.to_document() for result in found],
    }


def _print(results: Sequence[Result], layers: Sequence[Layer], console: Console) -> None:
    table = Table(*headings(layers))
    for result in results:
        table.add_row(*row(result, layers), style=None if result.is_well else "bold red")
    console.print(table)
    for result in results:
        if not result.is_well:
            console.print(result.line(), style="bold red", markup=False, soft_wrap=True)


def _status(results: Sequence[Result]) -> int:
    if any(result.trouble for result in results):
        return UNUSABLE
    return ALL_CAUGHT if all(result.is_well for result in results) else SURVIVED
