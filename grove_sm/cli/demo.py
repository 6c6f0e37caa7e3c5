"""The command that runs the demonstration."""

from pathlib import Path
from typing import Annotated, Any

import typer

from grove_sm.cli.options import AsJson


def demo(
    *,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE.jsonl", help="A history to begin with."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="Repeat an earlier run's choices.")
    ] = None,
    kills: Annotated[
        int | None, typer.Option("--kills", metavar="N", help="How many processes to kill.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", help="How many work at once.")
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="FOLDER", help="Leave all files in this new folder."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Kill workers at random moments, with and without the journal, and compare."""
    from grove_sm.demo import run_demo

    choices: dict[str, Any] = {
        "file": file,
        "seed": seed,
        "kills": kills,
        "workers": workers,
        "keep": keep,
    }
    given = {name: value for name, value in choices.items() if value is not None}
    raise typer.Exit(run_demo(**given, as_json=as_json))
