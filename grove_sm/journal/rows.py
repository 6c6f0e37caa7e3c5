"""Transactions as a journal's rows: what they say, and the statements for them in SQLite."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from grove_sm.commit.contract import Holder, Recounted
from grove_sm.commit.intervention import is_whole
from grove_sm.commit.record import (
    Entry,
    Recorded,
    Redo,
    decode_entry,
    decode_head,
    decode_redo,
    unseal,
)
from grove_sm.domain.errors import Corrupt, NotFound
from grove_sm.domain.values import is_time
from grove_sm.journal.hold import holder_of
from grove_sm.journal.schema import UNFINISHED

Row = tuple[str, int, str, str, str | None]
"""An unfinished transaction's id, coordinator, state, head and redo; any of it may be damaged."""

# Not by the two states that it means, so that a damaged state is met too.
UNAPPLIED_IDS: Final = (
    f"SELECT seq, txid FROM transactions WHERE {UNFINISHED} AND state < 'applied' UNION ALL "
    f"SELECT seq, txid FROM transactions WHERE {UNFINISHED} AND state > 'applied'"
)
ALL_UNFINISHED: Final = (
    "SELECT txid, coordinator, state, head, redo "
    f"FROM transactions INDEXED BY unfinished_transactions WHERE {UNFINISHED} ORDER BY seq"
)
STATES: Final = ("planned", "committed", "applied")
ONE_UNFINISHED: Final = (
    "SELECT txid, coordinator, state, head, redo FROM transactions "
    f"WHERE {UNFINISHED} AND state IN {STATES} AND txid = ?"
)
ONE_IN_ANY_STATE: Final = (
    "SELECT txid, coordinator, state, head, redo "
    f"FROM transactions INDEXED BY unfinished_transactions WHERE {UNFINISHED} AND txid = ?"
)
APPEND: Final = (
    "INSERT INTO transactions (txid, coordinator, state, head, redo, decided_at) "
    "VALUES (?, ?, ?, ?, ?, ?)"
)
COMMIT_PLANNED: Final = (
    "UPDATE transactions SET state = 'committed', redo = ?, decided_at = ? "
    f"WHERE {UNFINISHED} AND state = 'planned' AND txid = ?"
)
ABORT_PLANNED: Final = (
    "UPDATE transactions SET state = 'aborted', redo = NULL, decided_at = ? "
    f"WHERE {UNFINISHED} AND state = 'planned' AND txid = ?"
)
MARK_APPLIED: Final = (
    "UPDATE transactions SET state = 'applied', applied_at = ? "
    f"WHERE {UNFINISHED} AND state = 'committed' AND txid = ?"
)
TAKE_MARKS_BACK: Final = (
    "UPDATE transactions SET state = 'committed', applied_at = NULL "
    f"WHERE {UNFINISHED} AND state = 'applied'"
)
FINISH: Final = (
    "UPDATE transactions SET state = 'finished', redo = NULL, finished_at = ? "
    f"WHERE {UNFINISHED} AND state = 'applied' AND txid = ?"
)
ALL_UNFINISHED_NUMBERED: Final = ALL_UNFINISHED.replace("SELECT", "SELECT seq,")
DISCARD: Final = (
    "UPDATE transactions SET state = ?1, redo = NULL, decided_at = coalesce(decided_at, ?2), "
    "finished_at = CASE ?3 WHEN 'finished' THEN ?2 END WHERE seq = ?4"
)
RECOUNT: Final = (
    "SELECT coordinator, state, head, redo, decided_at, applied_at, finished_at "
    "FROM transactions WHERE txid = ? ORDER BY seq DESC"
)


def one(connection: sqlite3.Connection, txid: str) -> Row | None:
    """An unfinished transaction; None if it is finished or unknown."""
    found = connection.execute(ONE_UNFINISHED, (txid,)).fetchone()
    if found is None:
        # Rare: it is finished, or its state is damaged.
        found = connection.execute(ONE_IN_ANY_STATE, (txid,)).fetchone()
    row: Row | None = found
    return row


def state_of(connection: sqlite3.Connection, txid: str) -> str | None:
    """A transaction's state; None if there is no record of it."""
    row = one(connection, txid)
    if row is not None:
        return row[2]
    found = connection.execute("SELECT state FROM transactions WHERE txid = ?", (txid,)).fetchone()
    return str(found[0]) if found else None


class Rows:
    """What rows say.

    Args:
        name: the journal's URL, as errors name it.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def place(self, txid: str) -> str:
        """Where a transaction's record is, as errors name it."""
        return f"{self._name}, table transactions, txid {txid}"

    def head(self, txid: str, head: object) -> Entry | None:
        """A transaction's entry without redo; None if that is damaged."""
        try:
            return decode_head(head, txid, what=f"transaction {txid}", where=self.place(txid))
        except Corrupt:
            return None

    def entry(self, row: Row) -> Entry:
        """A committed transaction's entry. Raises Corrupt, naming the place."""
        txid, _, state, head, redo = row
        what, where = f"transaction {txid}", self.place(txid)
        if state not in STATES:
            raise Corrupt(what=what, where=where, reason=f"its state is {state!r}")
        return decode_entry(head, redo, txid, what=what, where=where)

    def holder(self, row: Row) -> Holder:
        """An unfinished transaction as others meet it, however damaged."""
        txid, coordinator, state, head, redo = row
        if state not in STATES:
            # Who meets it has to load it, and is then told.
            state = "committed"
        entry = self.head(txid, head)
        if entry is not None:
            return holder_of(entry, state)
        found = self._redo(txid, redo)
        if found is None:
            return Holder(txid, coordinator, state, None, None)
        written = frozenset((write.collection, write.record_id) for write in found.writes)
        return Holder(txid, coordinator, state, frozenset(found.keys), written)

    def recorded(self, record_id: str, sealed: object) -> Recorded:
        """What is recorded under an idempotency key. Raises Corrupt."""
        where = f"{self._name}, table idempotency_keys"
        return Recorded(*unseal(sealed, what=record_id, where=where))

    def require_damaged(self, row: Row) -> None:
        """Raises StateConflict if an unfinished transaction's record is whole."""
        try:
            self._require_whole(row)
        except Corrupt:
            return
        raise is_whole(row[0])

    def recounted(self, txid: str, row: Sequence[Any] | None) -> Recounted | None:
        """What is kept of a transaction, from what `RECOUNT` finds; None if it finds nothing."""
        if row is None:
            return None
        coordinator, state, head, redo, *times = row
        entry = self.head(txid, head)
        known = [] if entry is None else [("planned", entry.created_at)]
        decided = "aborted" if state == "aborted" else "committed"
        for reached, at in zip((decided, "applied", "finished"), times, strict=True):
            if is_time(at):
                known.append((reached, at))
        damage: Corrupt | None = None
        try:
            self._require_whole((txid, coordinator, state, head, redo))
        except Corrupt as error:
            damage = error
        found = None if redo is None else self._redo(txid, redo)
        return Recounted(txid, coordinator, state, tuple(known), entry, found, damage)

    def _redo(self, txid: str, redo: object) -> Redo | None:
        """A transaction's redo; None if it is damaged."""
        try:
            return decode_redo(redo, txid, what=f"transaction {txid}", where=self.place(txid))
        except Corrupt:
            return None

    def _require_whole(self, row: Row) -> None:
        """Raises Corrupt, naming the place, if a transaction's record is damaged."""
        txid, _, state, head, _ = row
        if state in ("planned", "finished", "aborted"):
            decode_head(head, txid, what=f"transaction {txid}", where=self.place(txid))
        else:
            self.entry(row)


def forgotten(txid: str) -> NotFound:
    """The error for a transaction from before the horizon."""
    return NotFound(
        record=f"transaction {txid}",
        reason="it is older than the outcomes that the journal still keeps",
    )
