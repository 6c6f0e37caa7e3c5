"""The command that searches for defects with the test harness of a checkout."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated, Final

import typer

import grove_sm
from grove_sm.cli.options import AsJson
from grove_sm.cli.output import make_console

_HARNESS: Final = "stateful_tests"
_ENGINE: Final = "stateful_tests.fuzz.command"


def fuzz(
    *,
    minutes: Annotated[
        float | None, typer.Option("--minutes", metavar="N", min=0.0, help="How long to search.")
    ] = None,
    histories: Annotated[
        int | None,
        typer.Option("--histories", metavar="N", min=1, help="How many histories to draw."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", metavar="N", min=1, help="How many processes; by default the cores."
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="N", min=0, help="What to draw from."),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option("--replay", metavar="FILE", help="Tell a failure's story again, and stop."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FOLDER", help="A new folder for the report; by default ./fuzz-SEED."
        ),
    ] = None,
    database: Annotated[
        Path | None,
        typer.Option(
            "--database",
            metavar="FOLDER",
            help="What earlier searches left, to go on from; by default a new one in the report.",
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option("--steps", metavar="N", min=1, help="How many steps a history takes.")
    ] = 30,
    limit: Annotated[
        float,
        typer.Option(
            "--limit", metavar="SECONDS", min=1.0, help="A history that takes longer has hung."
        ),
    ] = 60.0,
    blind: Annotated[
        bool, typer.Option("--blind", help="Do not aim at what is rarely covered.")
    ] = False,
    plant: Annotated[
        str | None,
        typer.Option("--plant", metavar="NAME", help="A mutant to search meanwhile."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Search for defects: random histories, faults and crashes, against the reference model.

    Needs a checkout of the project, which has the test harness beside the package. Exits with 0
    if nothing was found, 1 if something was, 130 if it was interrupted before.
    """
    engine = _engine()
    if replay is not None:
        try:
            status = engine.run_again(
                replay, make_console(), limit=limit, plant=plant, is_json=as_json
            )
        except engine.BrokenFileError as error:
            raise typer.BadParameter(f"--replay: {replay}: {error}") from None
        except engine.UnusableMutantError as error:
            raise typer.BadParameter(f"--plant: {error}") from None
        raise typer.Exit(status)
    if minutes is None and histories is None:
        raise typer.BadParameter("say how long: --minutes or --histories")
    options = engine.Options(
        minutes=minutes,
        histories=histories,
        workers=workers or os.cpu_count() or 1,
        seed=seed,
        steps=steps,
        limit=limit,
        out=out,
        database=database,
        is_blind=blind,
        plant=plant,
        is_json=as_json,
    )
    try:
        raise typer.Exit(engine.run_search(options, make_console()))
    except FileExistsError as error:
        raise typer.BadParameter(f"--out: {error} has something in it; name a new one") from None
    except engine.UnusableMutantError as error:
        raise typer.BadParameter(f"--plant: {error}") from None


def _engine() -> ModuleType:
    """The search, which is no part of the package. Raises BadParameter if it is not there."""
    if importlib.util.find_spec(_HARNESS) is None:
        beside = Path(grove_sm.__file__).parents[1]
        if not (beside / _HARNESS).is_dir():
            raise typer.BadParameter(
                "the test harness (stateful_tests/) is not installed with the package; "
                "run this in a checkout of the project: make nightly"
            )
        sys.path.insert(0, str(beside))
    try:
        return importlib.import_module(_ENGINE)
    except ModuleNotFoundError as error:
        raise typer.BadParameter(
            f"the test harness needs {error.name}, which is not installed; "
            "run: pip install --editable '.[fuzz]'"
        ) from error
