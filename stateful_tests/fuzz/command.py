"""What `grove-sm fuzz` does: a search from its options to its report, or a failure again."""

import json
import secrets
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from faults.mutants.copies import planted
from faults.mutants.mutant import UnusableMutantError
from stateful_tests.fuzz import report
from stateful_tests.fuzz.display import display
from stateful_tests.fuzz.failures import BrokenFileError, Failure, Signature
from stateful_tests.fuzz.replaying import Replayed, replay
from stateful_tests.fuzz.search import Bounds, Search
from stateful_tests.fuzz.summary import Summary
from stateful_tests.tally import Tally

__all__ = ["BrokenFileError", "Options", "UnusableMutantError", "run_again", "run_search"]

NOTHING_FOUND: Final = 0
FOUND: Final = 1
INTERRUPTED: Final = 130
"""As shells call what Ctrl-C has ended."""

_SEED_BITS: Final = 32


@dataclass(frozen=True)
class Options:
    """How to search. Without `minutes` and `histories` it goes on until it is interrupted.

    Attributes:
        minutes, histories, limit: as in `Bounds`.
        workers: how many processes.
        seed: what everything is drawn from; None for a new one.
        steps: how many steps a history takes.
        out: the folder for the report, which must be new or empty; None for `fuzz-SEED`.
        database: a folder that searches go on from and leave what they know in; None for one
            in `out`.
        is_blind: do not aim at what is rarely covered.
        plant: the name of a mutant that the library is to be meanwhile.
        is_json: print one JSON document and nothing else.
    """

    workers: int
    minutes: float | None = None
    histories: int | None = None
    limit: float = 60.0
    seed: int | None = None
    steps: int = 30
    out: Path | None = None
    database: Path | None = None
    is_blind: bool = False
    plant: str | None = None
    is_json: bool = False


def run_search(options: Options, console: Console) -> int:
    """Search, and write the report; the exit status.

    Raises FileExistsError if the folder for the report has something in it; OSError if it cannot
    be written; UnusableMutantError if what is to be planted cannot be.
    """
    with planted(options.plant):
        return _run_search(options, console)


def _run_search(options: Options, console: Console) -> int:
    seed = secrets.randbits(_SEED_BITS) if options.seed is None else options.seed
    out = options.out or Path(f"fuzz-{seed}")
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(str(out))
    tell = _tell_nobody if options.is_json else _teller(console)
    tell(f"seed {seed}; the report will be in {out}")
    out.mkdir(parents=True, exist_ok=True)
    database = options.database or out / "database"
    database.mkdir(parents=True, exist_ok=True)
    bounds = Bounds(options.minutes, options.histories, options.limit)
    search = Search(
        seed=seed,
        workers=options.workers,
        steps=options.steps,
        folder=out,
        database=database,
        bounds=bounds,
        covered=_read_tally(database / "covered.json"),
        is_guided=not options.is_blind,
        planted=options.plant,
    )
    with (
        _interrupts(search),
        display(console, bounds, is_silent=options.is_json) as shown,
    ):
        ending = search.run(shown)
    named = {**asdict(options), "seed": seed, "out": str(out), "database": str(database)}
    summary = Summary(named, ending, search.progress)
    write_report(summary, out)
    document = json.dumps(search.progress.covered.to_document())
    (database / "covered.json").write_text(document)
    for line in (*summary.lines(), f"report: {out / 'report.html'}"):
        tell(line)
    if options.is_json:
        sys.stdout.write(json.dumps(summary.to_document(), indent=2) + "\n")
    if search.progress.failures:
        return FOUND
    return INTERRUPTED if ending == "interrupted" else NOTHING_FOUND


def write_report(summary: Summary, out: Path) -> None:
    """Write `summary.json`, `summary.txt` and `report.html`. Raises OSError."""
    (out / "summary.json").write_text(json.dumps(summary.to_document(), indent=2) + "\n")
    (out / "summary.txt").write_text("".join(f"{line}\n" for line in summary.lines()))
    report.write(summary, out / "report.html")


def run_again(
    path: Path, console: Console, *, limit: float, plant: str | None, is_json: bool = False
) -> int:
    """Have a failure's steps taken again, and tell what happens; the exit status.

    Steps that do not come to an end within `limit` seconds fail.

    Raises BrokenFileError if the file is no failure's, or has steps that there are no more;
    UnusableMutantError as `run_search`.
    """
    failure = Failure.read(path)
    failure.parsed()
    tell = _tell_nobody if is_json else _teller(console)
    with planted(plant):
        replayed = replay(failure, limit, tell)
    if replayed is None:
        replayed = Replayed(Signature("Hung", ""), f"it took more than {limit:g} seconds", ())
    signature = replayed.signature
    if is_json:
        document = {
            "fails": signature is not None,
            "isAsFound": signature == failure.signature,
            "error": signature and signature.error,
            "place": signature and signature.place,
            "message": replayed.message,
            "story": replayed.story,
        }
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    elif signature is None:
        tell("it does not fail any more")
    else:
        tell(f"{signature.error}, at {signature.place}")
        tell(str(replayed.message))
        if signature != failure.signature:
            was = failure.signature
            tell(f"It was found as {was.error}, at {was.place}.")
    return NOTHING_FOUND if signature is None else FOUND


def _tell_nobody(_: str) -> None:
    pass


def _teller(console: Console) -> Callable[[str], None]:
    # What is told holds paths and commands to copy.
    return lambda line: console.print(line, soft_wrap=True)


@contextmanager
def _interrupts(search: Search) -> Iterator[None]:
    """The first Ctrl-C ends the search in good order, the second at once."""

    def interrupt(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, before)
        search.interrupt()

    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _read_tally(path: Path) -> Tally | None:
    """What earlier searches covered; None where there is nothing, or nothing of use."""
    try:
        return Tally.from_document(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, AttributeError):
        return None
