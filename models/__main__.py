"""Checks the TLA+ models with TLC: `python -m models --help`."""

import json
import signal
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from models.tla.configuration import Configuration
from models.tla.configurations import ALL, BROKEN, HOLDING
from models.tla.run import COUNTEREXAMPLES, Verdict, check_all, transcript, transcript_path
from models.tla.tables import PATH, tables_module

_INTERRUPTED: Final = 130
_SETS: Final = {
    "quick": tuple(c for c in ALL if c.size == "quick"),
    "nightly": ALL,
    "holding": HOLDING,
    "broken": BROKEN,
}

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Check the TLA+ models of models/tla with TLC.",
)

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME]...",
        help="Configurations (see `list`), or quick, nightly, holding, broken; by default quick.",
    ),
]


@app.command()
def check(
    names: Names = None,
    *,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", metavar="N", min=1, help="How many at a time; by default the cores."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Search every state of each configuration, and tell the counterexample of what fails.

    A configuration with a rule left out has to be refuted. Exits with 0 if everything is as it
    has to be, 1 if not, 130 if it was interrupted.
    """
    verdicts = _run(_chosen(names), jobs)
    if as_json:
        typer.echo(json.dumps([_facts(verdict) for verdict in verdicts], indent=2))
    else:
        _print(verdicts)
    raise typer.Exit(0 if all(verdict.passed for verdict in verdicts) else 1)


@app.command("list")
def list_(names: Names = None) -> None:
    """Say what each configuration is about."""
    table = Table("name", "size", "has to", "what it is", box=None, pad_edge=False)
    for configuration in _chosen(names or ["nightly"]):
        expected = "hold" if configuration.without is None else "be refuted"
        table.add_row(configuration.name, configuration.size, expected, configuration.about)
    Console().print(table)


@app.command()
def tell(name: Annotated[str, typer.Argument(help="A configuration that is refuted.")]) -> None:
    """Print the counterexample of one configuration."""
    (verdict,) = _run(_chosen([name]), 1)
    typer.echo(verdict.story or f"{name} {verdict.outcome}")


@app.command()
def rewrite() -> None:
    """Write what is generated: Tables.tla, and the counterexample of each broken variant.

    Then read the difference: it is right only if it says what the protocol is to say.
    """
    PATH.write_text(tables_module(), encoding="utf-8")
    COUNTEREXAMPLES.mkdir(exist_ok=True)
    for verdict in _run(BROKEN, None):
        if not verdict.passed:
            _print([verdict])
            raise typer.Exit(1)
        transcript_path(verdict.configuration).write_text(transcript(verdict), encoding="utf-8")
    kept = {transcript_path(configuration) for configuration in BROKEN}
    for path in set(COUNTEREXAMPLES.glob("*.txt")) - kept:
        path.unlink()


def _chosen(names: Sequence[str] | None) -> tuple[Configuration, ...]:
    known = {configuration.name: configuration for configuration in ALL}
    chosen: dict[str, Configuration] = {}
    for name in names or ("quick",):
        if name not in known and name not in _SETS:
            raise typer.BadParameter(
                f"{name!r} is none of {', '.join((*_SETS, *known))}", param_hint="NAME"
            )
        for configuration in _SETS.get(name) or (known[name],):
            chosen[configuration.name] = configuration
    return tuple(chosen.values())


def _run(configurations: Sequence[Configuration], jobs: int | None) -> list[Verdict]:
    """Check them, with their progress on the terminal; in their own order."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_INTERRUPTED))
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        overall = progress.add_task(_counted(0, configurations))
        tasks = {
            configuration.name: progress.add_task("", visible=False)
            for configuration in configurations
        }

        def found(name: str, states: int) -> None:
            progress.update(tasks[name], visible=True, description=f"{name}: {states:,} states")

        verdicts: dict[str, Verdict] = {}
        for verdict in check_all(configurations, jobs=jobs, on_progress=found):
            name = verdict.configuration.name
            verdicts[name] = verdict
            progress.update(tasks[name], visible=False)
            progress.update(overall, description=_counted(len(verdicts), configurations))
    return [verdicts[configuration.name] for configuration in configurations]


def _counted(done: int, configurations: Sequence[Configuration]) -> str:
    return f"checking models: {done} of {len(configurations)}"


def _facts(verdict: Verdict) -> dict[str, Any]:
    configuration, search = verdict.configuration, verdict.search
    return {
        "name": configuration.name,
        "about": configuration.about,
        "module": configuration.module,
        "checked": [*configuration.invariants, *configuration.properties],
        "without": configuration.without,
        "outcome": verdict.outcome,
        "passed": verdict.passed,
        "error": verdict.error,
        "statesGenerated": search and search.generated,
        "distinctStates": search and search.distinct,
        "depth": search and search.depth,
        "seconds": search and round(search.seconds, 1),
        "counterexample": verdict.story.splitlines(),
    }


def _print(verdicts: Sequence[Verdict]) -> None:
    table = Table("model", box=None, pad_edge=False)
    for header in ("distinct states", "depth", "seconds"):
        table.add_column(header, justify="right")
    table.add_column("outcome")
    for verdict in verdicts:
        search = verdict.search
        numbers = (
            ("", "", "")
            if search is None
            else (f"{search.distinct:,}", f"{search.depth}", f"{search.seconds:.1f}")
        )
        table.add_row(verdict.configuration.name, *numbers, verdict.outcome)
    Console(soft_wrap=True).print(table)
    for verdict in verdicts:
        if verdict.passed:
            continue
        configuration = verdict.configuration
        typer.echo(f"\n{configuration.name}: {configuration.about}: {verdict.outcome}")
        typer.echo(verdict.error or verdict.story or _survived(configuration))


def _survived(configuration: Configuration) -> str:
    return (
        f"No state breaks {', '.join((*configuration.properties, *configuration.invariants))}, "
        f"though the rule is left out: the model does not need it, or has lost its teeth."
    )


if __name__ == "__main__":
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
