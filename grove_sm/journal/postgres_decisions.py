"""What a journal in PostgreSQL decides: who holds which keys, what is committed, and marks.

Each decision is one statement that looks and sets at once, so that of a coordinator that is late,
and another that has taken it for dead, one finds what the other has left.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

import psycopg

from grove_sm.commit.machine import Decision
from grove_sm.commit.record import Entry, Recorded, encode_head, encode_redo, seal
from grove_sm.commit.txid import coordinator_of
from grove_sm.domain.errors import GroveError, OutcomeUnknown, StoreUnavailable
from grove_sm.journal.hold import DecidedHold, held_beforehand
from grove_sm.journal.postgres_schema import UNFINISHED
from grove_sm.journal.postgres_session import CoordinatorSession
from grove_sm.journal.postgres_statements import (
    ABORT_PLANNED,
    ANY_KEY,
    APPEND,
    COMMIT_PLANNED,
    FINISH,
    GATE,
    HAS_KEYS,
    HOLDERS,
    LET_GO_UNLESS_PLANNED,
    MARK_APPLIED,
    PLAN,
    RECORD,
    RECORDED,
    ROW,
    STATE,
    TAKE_KEYS,
    TAKE_MARKS_BACK,
    WantedKeys,
    digest_of,
)
from grove_sm.journal.rows import Row, Rows
from grove_sm.postgres.database import PostgresDatabase
from grove_sm.postgres.errors import translate
from grove_sm.postgres.session import Session, at_once, force_this

_MOST_TURNS: Final = 10


class PostgresDecisions:
    """A coordinator's decisions, and its part in those of others; as `Journal` promises of each.

    Args:
        database: where the journal is, with connections that nobody needs who only reads.
        life: the coordinator's.
        rows: reads what is written there.
        now: the time, for operators.

    Attributes:
        released: transactions whose keys this process holds no more, though no mark says so yet.
    """

    def __init__(
        self,
        database: PostgresDatabase,
        life: CoordinatorSession,
        rows: Rows,
        now: Callable[[], str],
    ) -> None:
        self._database = database
        self._life = life
        self._rows = rows
        self._now = now
        self.released: set[str] = set()

    def hold(self, entry: Entry, *, one_append: bool) -> AbstractContextManager[DecidedHold]:
        """See `Journal.hold`."""
        return self._hold_while_deciding(entry) if one_append else self._hold_beforehand(entry)

    @contextmanager
    def _hold_while_deciding(self, entry: Entry) -> Iterator[DecidedHold]:
        self._require_life(entry)
        failure: GroveError | None = None
        is_committed = False
        with self._database.begun(lambda session: self._enter(session, entry)) as (session, hold):
            if not hold.is_free:
                # Nothing is held, so that nobody has to wait for the block.
                session.rollback()
            yield hold
            if hold.is_free and hold.asked is Decision.COMMIT and self._lives(entry):
                try:
                    is_committed = self._append(session, entry)
                except psycopg.Error as error:
                    failure = translate(self._database.url, error)
        if failure is not None:
            is_committed = self._settle(entry.txid, failure) is Decision.COMMIT
        if is_committed:
            self._life.tell()
        hold.settle(Decision.COMMIT if is_committed else Decision.ABORT)

    def _enter(self, session: Session, entry: Entry) -> DecidedHold:
        """Begin a transaction that has an entry's keys, or tell who has them.

        An entry without keys keeps everybody from deciding; others only each other.
        """
        wanted = WantedKeys(entry)
        gate = "pg_advisory_xact_lock_shared" if wanted.digests else "pg_advisory_xact_lock"
        with session.pipeline():
            session.execute("BEGIN")
            session.execute(f"SELECT {gate}({GATE})")
        for _ in range(_MOST_TURNS):
            with session.pipeline():
                # Lost with this transaction, if it is not committed, and made again.
                self._mark(session, tuple(self.released))
                session.execute(TAKE_KEYS, wanted.take)
                held = session.execute(f"SELECT {HAS_KEYS}", wanted.has)
                recorded = session.execute(RECORDED, wanted.recorded)
                holders = session.execute(HOLDERS, wanted.others)
            found = self._hold(entry, recorded.fetchone(), holders.fetchall())
            if not found.is_free or only(held):
                return found
        raise self._restless()

    def _append(self, session: Session, entry: Entry) -> bool:
        """Commit an entry in the transaction that has its keys; False if somebody has ruled it out.

        Raises psycopg.Error if it may or may not be committed.
        """
        head, redo = encode_head(entry), encode_redo(entry)
        row = (entry.txid, entry.coordinator, "committed", head, redo, self._now())
        try:
            with session.pipeline():
                force_this(session)
                session.execute(APPEND, row)
                self._record_key(session, entry)
                session.execute("COMMIT")
        except psycopg.errors.UniqueViolation:
            return False
        return True

    @contextmanager
    def _hold_beforehand(self, entry: Entry) -> Iterator[DecidedHold]:
        self._require_life(entry)
        hold = self._database.run(lambda session: self._plan(session, entry))
        with held_beforehand(
            hold,
            abort=lambda: self._abort_own(entry.txid),
            commit=lambda: self._commit_planned(entry),
        ):
            yield hold

    def _plan(self, session: Session, entry: Entry) -> DecidedHold:
        """Record an entry's keys as held, or tell who has them. May be repeated."""
        wanted = WantedKeys(entry)
        row = (entry.txid, entry.coordinator, encode_head(entry))
        for _ in range(_MOST_TURNS):
            released = tuple(self.released)
            with at_once(session):
                self._mark(session, released)
                session.execute(TAKE_KEYS, wanted.take)
                session.execute(PLAN, (*row, *wanted.has, *wanted.recorded))
                session.execute(LET_GO_UNLESS_PLANNED, (entry.txid, entry.txid))
                state = session.execute(STATE, (entry.txid,))
                recorded = session.execute(RECORDED, wanted.recorded)
                holders = session.execute(HOLDERS, wanted.others)
            self.released.difference_update(released)
            if only(state) == "planned":
                return DecidedHold((), None)
            found = self._hold(entry, recorded.fetchone(), holders.fetchall())
            if not found.is_free:
                return found
        raise self._restless()

    def _commit_planned(self, entry: Entry) -> Decision:
        def decide(session: Session) -> bool:
            with at_once(session):
                force_this(session)
                session.execute(f"SELECT pg_advisory_xact_lock_shared({GATE})")
                values = (encode_redo(entry), self._now(), entry.txid)
                changed = session.execute(COMMIT_PLANNED, values)
                self._record_key(session, entry)
            return changed.rowcount == 1

        if not self._lives(entry):
            return self._abort_own(entry.txid)
        try:
            is_committed = self._database.run(decide, repeat=False)
        except StoreUnavailable as failure:
            is_committed = self._settle(entry.txid, failure) is Decision.COMMIT
        if is_committed:
            self._life.tell()
        return Decision.COMMIT if is_committed else Decision.ABORT

    def abort(self, txid: str) -> Decision:
        """See `Journal.abort`."""
        # Of another's it has to last, whatever becomes of the server: it may yet try to commit.
        state = self._database.run(lambda session: self._abort(session, txid, is_forced=True))
        return Decision.ABORT if state in (None, "aborted") else Decision.COMMIT

    def release(self, txid: str) -> None:
        """See `Journal.release`."""
        self.released.add(txid)

    def finish(self, txids: Sequence[str]) -> None:
        """See `Journal.finish`."""
        released = tuple(self.released)
        if not txids and not released:
            return

        def mark(session: Session) -> None:
            with at_once(session):
                self._mark(session, released)
                session.execute(FINISH, (list(txids), self._now()))

        self._database.run(mark)
        self.released.difference_update(released)

    def _lives(self, entry: Entry) -> bool:
        return self._life.is_own(entry.coordinator)

    def _require_life(self, entry: Entry) -> None:
        """Raise StoreUnavailable if a transaction's coordinator is dead, and this one another."""
        if not self._lives(entry):
            raise StoreUnavailable(
                store=self._database.name,
                reason=f"coordinator {entry.coordinator} has lost its session and is dead; try "
                "again",
            )

    def _restless(self) -> StoreUnavailable:
        return StoreUnavailable(
            store=self._database.name, reason="its keys keep changing hands; try again"
        )

    def _hold(
        self, entry: Entry, recorded: tuple[Any, ...] | None, holders: Iterable[Row]
    ) -> DecidedHold:
        """What an entry has met. What this process has released, it holds no more."""
        refused_by = tuple(self._rows.holder(row) for row in holders if row[0] not in self.released)
        if recorded is None or entry.idempotency is None:
            return DecidedHold(refused_by, None)
        record_id = entry.idempotency.record_id
        return DecidedHold(refused_by, self._rows.recorded(record_id, recorded[0]))

    @staticmethod
    def _record_key(session: Session, entry: Entry) -> None:
        """Record a result under its key, if its transaction is now committed."""
        if entry.idempotency:
            recorded = Recorded(entry.txid, entry.idempotency.fields, entry.result)
            session.execute(
                RECORD,
                (
                    digest_of(entry.idempotency.record_id),
                    entry.idempotency.expires_at,
                    seal(recorded),
                    entry.txid,
                ),
            )

    def _mark(self, session: Session, released: Sequence[str]) -> None:
        if released:
            session.execute(MARK_APPLIED, (list(released), self._now()))

    def _abort_own(self, txid: str) -> Decision:
        """Abort what only this coordinator could commit, and will not."""
        state = self._database.run(lambda session: self._abort(session, txid, is_forced=False))
        self._life.tell()
        return Decision.ABORT if state in (None, "aborted") else Decision.COMMIT

    def _abort(self, session: Session, txid: str, *, is_forced: bool) -> str | None:
        with at_once(session):
            if is_forced:
                force_this(session)
            session.execute(ABORT_PLANNED, (self._now(), txid))
            state = session.execute(STATE, (txid,))
        found: str | None = only(state)
        return found

    def _settle(self, txid: str, failure: GroveError) -> Decision:
        """What became of a transaction whose commit was not answered.

        Raises the failure if it was aborted, OutcomeUnknown if that cannot be found out.
        """
        try:
            state = self.presume(txid)
        except GroveError:
            raise OutcomeUnknown(txid=txid, reason=str(failure)) from None
        if state == "aborted":
            raise failure
        return Decision.COMMIT

    def presume(self, txid: str) -> str:
        """The state of a transaction that is aborted here, durably, unless it has been decided."""
        return self._database.run(lambda session: self._abort_unless_decided(session, txid))

    def _abort_unless_decided(self, session: Session, txid: str) -> str:
        """Record, durably, that a transaction is aborted; answers the state that stands.

        What may still be on its way to the server finds this in its place. What is being committed
        there now is waited for.
        """
        head = seal((txid, coordinator_of(txid), "abort", "", (), "[]"))
        with session.transaction():
            force_this(session)
            session.execute(
                f"{APPEND} ON CONFLICT (txid) DO NOTHING",
                (txid, coordinator_of(txid), "aborted", head, None, self._now()),
            )
            session.execute(ABORT_PLANNED, (self._now(), txid))
            state = only(session.execute(STATE, (txid,)))
        return str(state)


def take_marks_back(rows: Rows, session: Session) -> None:
    """What was marked applied may not be so, since nobody lives who saw it."""
    marked = session.execute(
        f"SELECT {ROW}, redo FROM transactions WHERE {UNFINISHED} AND state = 'applied'"
    ).fetchall()
    for row in marked:
        keys = rows.holder(row).keys
        digests = [ANY_KEY] if keys is None else [digest_of(key) for key in keys]
        session.execute(
            "INSERT INTO held_keys (digest, txid, again) "
            "SELECT digest, %s, true FROM unnest(%s::bytea[]) AS t (digest) "
            "ON CONFLICT DO NOTHING",
            (row[0], digests),
        )
    session.execute(TAKE_MARKS_BACK)


def only(cursor: psycopg.Cursor[tuple[Any, ...]]) -> Any:
    """The only value that a query finds, or None."""
    row = cursor.fetchone()
    return row[0] if row else None
