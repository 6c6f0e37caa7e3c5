"""What a dead coordinator has left in a journal that is then damaged."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from grove_sm import Contributed, Grove
from grove_sm.commit.record import Entry
from grove_sm.connect import open_journal
from grove_sm.stores.sqlite import SQLiteStore
from tests.groves import NOW, journal_url


class Left(NamedTuple):
    """What a coordinator has left behind: committed, and applied nowhere."""

    first: Contributed
    damaged: Contributed
    last: Contributed


class Opener(NamedTuple):
    """Opens the test's grove, as often as the test likes."""

    open: Callable[[], Grove]
    folder: Path

    def load(self, txid: str) -> Entry:
        """What the journal has of an unfinished transaction."""
        url = journal_url(self.folder)
        with closing(open_journal(url, self.folder, opened_at=NOW, busy_timeout=5.0)) as journal:
            entry = journal.load(txid)
            assert entry is not None
            return entry

    def store(self, collection: str) -> "closing[SQLiteStore]":
        """The store of a collection, as other software might open it."""
        return closing(SQLiteStore(self.folder / f"{collection}.db"))

    def damage(self, txid: str, change: str) -> None:
        """Change columns of a transaction's row behind the journal's back."""
        with closing(sqlite3.connect(self.folder / "journal.db")) as connection, connection:
            changed = connection.execute(
                f"UPDATE transactions SET {change} WHERE txid = ?", (txid,)
            )
            assert changed.rowcount == 1


DAMAGE = {
    "a bit of its redo": "redo = replace(redo, 'two', 'twp')",
    "its redo's checksum": "redo = '0' || substr(redo, 2)",
    "its redo cut short": "redo = substr(redo, 1, length(redo) / 2)",
    "its redo gone": "redo = NULL",
    "its redo no text": "redo = x'00ff80'",
    "a byte that is no UTF-8": "redo = CAST(CAST(substr(redo, 1, 30) AS BLOB) || x'ff' AS TEXT)",
    "its head cut short": "head = substr(head, 1, length(head) / 2)",
    "a bit of its head": "head = replace(head, 'contribution:', 'contributioo:')",
    "both": "head = 'x', redo = 'x'",
    "its state": "state = 'commitued'",
    "its state, past applied": "state = 'sommitted'",
    "another's redo": "redo = (SELECT redo FROM transactions ORDER BY seq LIMIT 1)",
    "another's head": "head = (SELECT head FROM transactions ORDER BY seq LIMIT 1)",
}
