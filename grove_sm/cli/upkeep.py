"""Commands that make, recover and check a grove."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from grove_sm.cli.exits import FOUND_WRONG, UNDECIDED, status_of
from grove_sm.cli.going_on import ending_signals, go_on, parse_pause
from grove_sm.cli.options import HERE, AsJson, GroveFolder, open_grove
from grove_sm.cli.output import Column, write_json, write_json_line, write_line, write_records

if TYPE_CHECKING:
    from grove_sm.commit.recovery import RecoveryReport

_VIOLATION_COLUMNS: Final = (
    Column("rule", lambda violation: violation.rule),
    Column("records", lambda violation: ", ".join(violation.records)),
    Column("found", lambda violation: violation.found),
)
_COUNT_COLUMNS: Final = (
    Column("collection", lambda row: row[0]),
    Column("kind or status", lambda row: row[1]),
    Column("how many", lambda row: row[2]),
)
_RECOVERY_COLUMNS: Final = (
    Column("what became of it", lambda row: row[0]),
    Column("transaction", lambda row: row[1]),
)


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A new folder, or one that is no grove yet.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Make a folder a grove: settings with comments, a journal and stores."""
    from grove_sm.settings import FILE_NAME

    _make_grove(folder)
    if as_json:
        write_json({"folder": str(folder), "settings": str(folder / FILE_NAME)})
    else:
        write_line(f"{folder} is a grove now; its settings are in {folder / FILE_NAME}")


def recover(
    *,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Go on until Ctrl-C or SIGTERM: finish what processes leave as they die.",
        ),
    ] = False,
    every: Annotated[
        str,
        typer.Option(
            "--every", metavar="TIME", help="With --watch: the pause after each look: 1s, 5m."
        ),
    ] = "1s",
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Finish what crashed processes left. Every other command does so when it begins.

    With --watch it is a service; any number may run at once, on as many machines as share the
    journal. Each look that found something new is told in a line, which is a JSON document with
    --json. Told on stderr is that it has begun, and when a journal or a store can no longer be
    reached, and when it can again. A signal ends it after its look, with exit status 0.
    """
    if watch:
        _watch(grove, parse_pause(every), as_json=as_json)
        return
    with open_grove(grove) as opened:
        report = _both(opened.recovery, opened.recover())
    if as_json:
        write_json(report)
    else:
        rows = [(end, txid) for end, found in _ends(report) for txid in found]
        write_records(rows, _RECOVERY_COLUMNS, as_json=False, none="nothing was unfinished")
        # Damage has been told on stderr, when it was met.
    if report.in_doubt or report.corrupt:
        raise typer.Exit(status_of(FOUND_WRONG))


def _watch(folder: Path, pause: float, *, as_json: bool) -> None:
    """Recover again and again, and tell what is new, until a signal comes."""
    from grove_sm.domain.errors import StoreUnavailable

    left: set[str] = set()
    failure = ""

    def tell(report: "RecoveryReport") -> None:
        is_new = bool(report.rolled_forward or report.rolled_back or set(report.in_doubt) - left)
        left.clear()
        left.update(report.in_doubt)
        if not is_new:
            return
        if as_json:
            write_json_line(report)
        else:
            counts = ((end, len(found)) for end, found in _ends(report))
            write_line(", ".join(f"{end}: {count}" for end, count in counts if count))

    def look() -> None:
        nonlocal failure
        try:
            tell(opened.recover())
        except StoreUnavailable as error:
            if str(error) != failure:
                write_line(f"grove-sm: not recovered: {error}", to_stderr=True)
            failure = str(error)
        else:
            if failure:
                write_line("grove-sm: recovering again", to_stderr=True)
            failure = ""

    with ending_signals() as signals, open_grove(folder) as opened:
        where = opened.coordinator.journal.name
        write_line(f"grove-sm: recovering {where} until Ctrl-C or SIGTERM", to_stderr=True)
        tell(opened.recovery)
        go_on(look, pause, signals)


def _both(first: "RecoveryReport", last: "RecoveryReport") -> "RecoveryReport":
    """What two recoveries, one after the other, have done together."""
    return replace(
        last,
        rolled_forward=first.rolled_forward + last.rolled_forward,
        rolled_back=first.rolled_back + last.rolled_back,
    )


def _ends(report: "RecoveryReport") -> Sequence[tuple[str, Sequence[str]]]:
    """What became of transactions, and of which."""
    return (
        ("rolled forward", report.rolled_forward),
        ("rolled back", report.rolled_back),
        ("left in doubt", report.in_doubt),
    )


def audit(*, grove: GroveFolder = HERE, as_json: AsJson = False) -> None:
    """Check every rule that spans records, over one moment of all stores."""
    with open_grove(grove) as opened:
        report = opened.audit()
    if as_json:
        write_json({"ok": report.ok, "checked": report.checked, "violations": report.violations})
    else:
        none = f"{report.checked} records checked, no violations"
        write_records(report.violations, _VIOLATION_COLUMNS, as_json=False, none=none)
    if not report.ok:
        raise typer.Exit(status_of(FOUND_WRONG))


def counts(*, grove: GroveFolder = HERE, as_json: AsJson = False) -> None:
    """Show how many records there are of each kind and in each status, all at one moment."""
    with open_grove(grove) as opened:
        found = opened.counts()
    if as_json:
        write_json(found)
        return
    rows = [
        (collection, name or "(none)", number)
        for collection, counts in found.items()
        for name, number in counts.items()
    ]
    write_records(rows, _COUNT_COLUMNS, as_json=False, none="nothing is here yet")


def outcome(
    txid: Annotated[str, typer.Argument(metavar="TXID", help="The transaction's id.")],
    *,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Tell whether a transaction was committed or aborted."""
    with open_grove(grove) as opened:
        found = opened.outcome(txid)
    if as_json:
        write_json({"txid": txid, "outcome": found})
    else:
        write_line(found)
    if found == "undecided":
        raise typer.Exit(status_of(UNDECIDED))


def _make_grove(folder: Path) -> None:
    """Raises StateConflict if it is one already; otherwise as `Grove.open`."""
    from grove_sm.domain.errors import (
        GroveError,
        StateConflict,
        StoreUnavailable,
        ValidationError,
    )
    from grove_sm.settings import FILE_NAME, write_template

    settings = folder / FILE_NAME
    if folder.exists() and not folder.is_dir():
        raise ValidationError(field="FOLDER", rule="must not be a file", value=str(folder))
    try:
        write_template(folder)
    except FileExistsError:
        reason = f"it is a grove already; its settings are in {settings}"
        raise StateConflict(record=str(folder), reason=reason) from None
    except OSError as error:
        raise StoreUnavailable(store=str(folder), reason=str(error)) from error
    try:
        open_grove(folder).close()
    except GroveError:
        # Otherwise the next attempt would be told that it is a grove already.
        settings.unlink(missing_ok=True)
        raise
