"""The demo from beginning to end."""

import json
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from grove_sm.demo.deployment import open_safe
from grove_sm.demo.show import Outcome, show, to_document
from grove_sm.demo.storm import Crew, in_child, make_schedule
from grove_sm.demo.verdict import Verdict, judge
from grove_sm.demo.work import sponsor_of
from grove_sm.domain.errors import StoreUnavailable, ValidationError
from grove_sm.importing import import_lines
from grove_sm.lines import read_lines

DEFAULT_KILLS: Final = 40
DEFAULT_WORKERS: Final = 4

OWN_HISTORY: Final = Path(__file__).with_name("history.jsonl")
_CREDITS: Final = 1_000_000_000
_MOST_BASES: Final = 100
_SIDES: Final = (("safe", True), ("unsafe", False))

Tick = Callable[[], None]


def run_demo(
    *,
    file: Path | None = None,
    seed: int | None = None,
    kills: int = DEFAULT_KILLS,
    workers: int = DEFAULT_WORKERS,
    keep: Path | None = None,
    as_json: bool = False,
) -> int:
    """Kill workers of a grove at random moments, with and without a journal, and compare.

    Must be called in a process that has no grove open, since it forks.

    Args:
        file: a history to begin with, one contribution document a line; the project's own, if
            None.
        seed: repeats the choices of an earlier run (not its timing); drawn, if None.
        kills: SIGKILLs on each side; the last ones end each worker.
        workers: processes at work at once, at most as many as kills.
        keep: an empty or new folder to leave all files in; otherwise they are removed.
        as_json: print one JSON document instead of a table.

    Returns 0 if the side with the journal has no violation, else 1. Raises ValidationError for
    bad arguments or a bad history; StoreUnavailable if a file cannot be read or written.
    """
    if not 1 <= workers <= kills:
        rule = "must be at least 1 and at most the number of kills, since each ends by one"
        raise ValidationError(field="workers", rule=rule, value=workers)
    if seed is None:
        seed = secrets.randbelow(1_000_000)
    verdicts: dict[str, Verdict] = {}
    with _folder(keep) as folder, _progress(steps=2 * kills) as tick:
        history = OWN_HISTORY if file is None else file
        prepared = in_child(prepare, folder / "safe", history, workers)
        shutil.copytree(folder / "safe", folder / "unsafe")
        for side, is_safe in _SIDES:
            with Crew(
                folder / side, is_safe=is_safe, workers=workers, seed=seed, bases=prepared.bases
            ) as crew:
                for kill in make_schedule(seed, kills, workers):
                    crew.suffer(kill)
                    tick()
            verdicts[side] = in_child(judge, folder / side, is_safe=is_safe)
    outcome = Outcome(
        seed=seed,
        history=str(file) if file is not None else "the project's own",
        imported=prepared.imported,
        workers=workers,
        kills=kills,
        safe=verdicts["safe"],
        unsafe=verdicts["unsafe"],
    )
    if as_json:
        sys.stdout.write(json.dumps(to_document(outcome), ensure_ascii=False) + "\n")
    else:
        show(outcome, Console())
    return 1 if outcome.safe.violations or outcome.safe.in_part else 0


class Prepared(NamedTuple):
    """A grove to begin with: how much was imported, and CIDs to build upon."""

    imported: int
    bases: list[str]


def prepare(folder: Path, history: Path, workers: int) -> Prepared:
    """Make a grove, import a history, and give each worker's sponsor credits.

    Raises ValidationError, naming the line, for a bad history; StoreUnavailable if it cannot be
    read.
    """
    folder.mkdir()
    with open_safe(folder) as grove:
        try:
            with history.open("rb") as file:
                report = import_lines(grove, read_lines(file), stop_on_error=True)
        except OSError as error:
            raise StoreUnavailable(store=str(history), reason=str(error)) from error
        for failure in report.failures:
            raise ValidationError(
                field=f"{history}, line {failure.line}",
                rule=f"must be a contribution: {failure.error}",
            )
        for worker in range(workers):
            grove.grant_credits(sponsor_of(worker), _CREDITS)
        bases = [base.cid for base in grove.contributions.list(limit=_MOST_BASES)]
        return Prepared(report.imported, bases)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="grove-sm-demo-") as name:
            yield Path(name)
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
        is_free = not any(keep.iterdir())
    except OSError as error:
        raise StoreUnavailable(store=str(keep), reason=str(error)) from error
    if not is_free:
        raise ValidationError(field="keep", rule="must be a new or empty folder", value=str(keep))
    yield keep


@contextmanager
def _progress(*, steps: int) -> Iterator[Tick]:
    """A bar on a terminal's stderr; without a thread of its own, since this process forks."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(
        *columns,
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("killing workers", total=steps)

        def tick() -> None:
            bar.advance(task)
            bar.refresh()

        yield tick
