"""A coordinator is killed when its commit is in the log's file, but not yet in the log's index.

Those who had the journal open do not see it; whoever opens it when all of them are gone does,
unless something was written in its place.
"""

import shutil
from contextlib import closing
from pathlib import Path

from grove_sm.commit.machine import Decision
from grove_sm.journal.sqlite import SQLiteJournal
from tests.conformance.places import entry
from tests.groves import NOW


def open_journal(folder: Path) -> SQLiteJournal:
    return SQLiteJournal(folder / "journal.db", opened_at=NOW)


def copy(before: Path, after: Path) -> Path:
    """The folder as it is after all that have it open were killed."""
    after.mkdir()
    for name in ("journal.db", "journal.db-wal"):
        shutil.copyfile(before / name, after / name)
    return after


def test_an_outcome_once_told_stands(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    with closing(open_journal(folder)) as survivor:
        with closing(open_journal(copy(folder, tmp_path / "elsewhere"))) as victim:
            decided = entry(victim, "aaaa")
            with victim.hold(decided, one_append=True) as hold:
                hold.decide(Decision.COMMIT)
            log = (tmp_path / "elsewhere" / "journal.db-wal").read_bytes()
        with (folder / "journal.db-wal").open("r+b") as file:
            assert log.startswith(file.read())
            file.seek(0)
            file.write(log)

        told = survivor.outcome(decided.txid)
        with closing(open_journal(copy(folder, tmp_path / "later"))) as later:
            assert later.outcome(decided.txid) is told
