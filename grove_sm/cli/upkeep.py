"""Commands that make, recover and check a grove."""

from pathlib import Path
from typing import Annotated, Final

import typer

from grove_sm.cli.exits import FOUND_WRONG, UNDECIDED, status_of
from grove_sm.cli.options import HERE, AsJson, GroveFolder, open_grove
from grove_sm.cli.output import Column, write_json, write_line, write_records

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


def recover(*, grove: GroveFolder = HERE, as_json: AsJson = False) -> None:
    """Finish what crashed processes left. Every other command does so when it begins."""
    from grove_sm.commit.recovery import RecoveryReport

    with open_grove(grove) as opened:
        first, last = opened.recovery, opened.recover()
    report = RecoveryReport(
        rolled_forward=first.rolled_forward + last.rolled_forward,
        rolled_back=first.rolled_back + last.rolled_back,
        in_doubt=last.in_doubt,
        corrupt=last.corrupt,
    )
    if as_json:
        write_json(report)
    else:
        rows = [
            *(("rolled forward", txid) for txid in report.rolled_forward),
            *(("rolled back", txid) for txid in report.rolled_back),
            *(("left in doubt", txid) for txid in report.in_doubt),
        ]
        write_records(rows, _RECOVERY_COLUMNS, as_json=False, none="nothing was unfinished")
        # Damage has been told on stderr, when it was met.
    if report.in_doubt or report.corrupt:
        raise typer.Exit(status_of(FOUND_WRONG))


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
