"""A journal with a long history, made quickly: the rows are copies of real ones."""

import sqlite3
from contextlib import closing
from pathlib import Path

from grove_sm.commit.machine import Decision
from grove_sm.commit.txid import first_txid_at
from grove_sm.journal.sqlite import SQLiteJournal
from tests.conformance.places import entry
from tests.groves import NOW, START


def make_journal(path: Path, *, unfinished: int, finished: int) -> None:
    """A journal of a dead coordinator: undecided, committed and applied ones, in equal parts,
    behind so many finished ones."""
    with closing(SQLiteJournal(path, opened_at=NOW)) as journal:
        with journal.hold(entry(journal, "finished"), one_append=True) as hold:
            hold.decide(Decision.COMMIT)
        (first,) = journal.unfinished()
        journal.release(first.txid)
        journal.flush()
        journal.finish([first.txid])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "WITH RECURSIVE number (n) AS "
            "(SELECT 2 UNION ALL SELECT n + 1 FROM number WHERE n < ?) "
            "INSERT INTO transactions (seq, txid, coordinator, state, head, redo) "
            "SELECT n, ? || printf('-1-%x', n), coordinator, state, head, redo "
            "FROM number, transactions WHERE seq = 1 AND ? > 1",
            (finished, first_txid_at(START), finished),
        )
    with closing(SQLiteJournal(path, opened_at=NOW)) as journal:
        for number in range(unfinished):
            made = entry(journal, f"left{number:04}")
            if number % 3 == 0:
                # Left by its coordinator's death, as by a crash between its two steps.
                journal.hold(made, one_append=False).__enter__()
                continue
            with journal.hold(made, one_append=True) as hold:
                hold.decide(Decision.COMMIT)
            if number % 3 == 1:
                journal.release(made.txid)
        journal.flush()
        journal.trim()
