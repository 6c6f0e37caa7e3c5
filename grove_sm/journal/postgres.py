"""A journal in a PostgreSQL database, for any number of processes on any number of machines.

Decisions are forced, each by its own commit; PostgreSQL has those that commit at once share a
write. So is the abort of another's transaction, and an outcome that is presumed: the coordinator
whose it was may live, and ask for a commit after the server has crashed and come back. The rest a
crash may take back: that keys are held, after which nothing can be committed on them, and marks,
after which something is applied once more.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Final

import psycopg

from grove_sm.blocking import Cooperative
from grove_sm.commit.contract import Holder, OnDamage, Opener, Recounted, Watch
from grove_sm.commit.intervention import Intervention
from grove_sm.commit.machine import Decision
from grove_sm.commit.record import Entry, Recorded, encode_head, encode_redo, seal
from grove_sm.commit.txid import coordinator_of, first_txid_at
from grove_sm.domain.errors import GroveError, NotFound, OutcomeUnknown, StoreUnavailable
from grove_sm.domain.values import parse_time
from grove_sm.journal.hold import DecidedHold, held_beforehand
from grove_sm.journal.postgres_schema import MIGRATIONS, UNAPPLIED, UNFINISHED
from grove_sm.journal.postgres_session import ALIVE, CoordinatorSession
from grove_sm.journal.postgres_statements import (
    ABORT_PLANNED,
    ANY_KEY,
    APPEND,
    COMMIT_PLANNED,
    DISCARD,
    FINISH,
    FORGET_COORDINATORS,
    FORGET_KEYS,
    FORGET_TRANSACTIONS,
    GATE,
    HAS_KEYS,
    HOLDERS,
    LET_GO,
    LET_GO_UNLESS_PLANNED,
    MARK_APPLIED,
    PLAN,
    RECORD,
    RECORDED,
    RECOUNT,
    ROW,
    STATE,
    TAKE_KEYS,
    TAKE_MARKS_BACK,
    WantedKeys,
    digest_of,
)
from grove_sm.journal.resolving import Resolving
from grove_sm.journal.rows import Row, Rows, forgotten
from grove_sm.operations.plan import Heuristic
from grove_sm.postgres.database import PostgresDatabase
from grove_sm.postgres.errors import translate
from grove_sm.postgres.session import Session, at_once
from grove_sm.postgres.url import PostgresUrl

log = logging.getLogger("grove_sm")

_CONNECTIONS: Final = 4
_MOST_TURNS: Final = 10
_TRIM_STEP: Final = 1000


class PostgresJournal(Cooperative):
    """The `Journal` contract on a schema (see `grove_sm.commit.contract`).

    Args:
        url: where it is; the schema and its tables are made if there are none.
        opened_at: the time now, for operators.
        clock: the time whenever something happens, for operators; by default always that.
        timeout: seconds to wait for a connection, a lock or an answer.

    Raises StoreUnavailable, Corrupt, or ValidationError for a newer format or a server that will
    not do.
    """

    def __init__(
        self,
        url: PostgresUrl,
        *,
        opened_at: str,
        clock: Callable[[], str] | None = None,
        timeout: float = 5.0,
    ) -> None:
        self._now = clock or (lambda: opened_at)
        self._rows = Rows(url.name)
        self._resolving = Resolving(url.name, mark="%s")
        self._released: set[str] = set()
        with ExitStack() as undo:
            # Two pools: who decides may wait for somebody who has to read first.
            self._database, self._deciding = (
                PostgresDatabase(
                    url,
                    component="journal",
                    migrations=None if decides else MIGRATIONS,
                    timeout=timeout,
                    connections=_CONNECTIONS,
                    bounds_transactions=decides,
                )
                for decides in (False, True)
            )
            undo.callback(self._database.close)
            undo.callback(self._deciding.close)
            self._life = CoordinatorSession(
                self._database, opened_at=opened_at, on_alone=self._take_marks_back
            )
            undo.pop_all()

    @property
    def name(self) -> str:
        return self._database.name

    @property
    def coordinator(self) -> int:
        return self._life.number

    def is_alive(self, coordinator: int) -> bool:
        if self._life.is_own(coordinator):
            return True
        return self._database.run(lambda session: self._life.is_alive(session, coordinator))

    def has_company(self) -> bool:
        own = self._life.number
        return any(number != own for number in self._database.run(_alive))

    def hold(self, entry: Entry, *, one_append: bool) -> AbstractContextManager[DecidedHold]:
        return self._hold_while_deciding(entry) if one_append else self._hold_beforehand(entry)

    @contextmanager
    def _hold_while_deciding(self, entry: Entry) -> Iterator[DecidedHold]:
        self._require_life(entry)
        failure: GroveError | None = None
        is_committed = False
        with self._deciding.begun(lambda session: self._enter(session, entry)) as (session, hold):
            if not hold.is_free:
                # Nothing is held, so that nobody has to wait for the block.
                session.rollback()
            yield hold
            if hold.is_free and hold.asked is Decision.COMMIT and self._lives(entry):
                try:
                    is_committed = self._append(session, entry)
                except psycopg.Error as error:
                    failure = translate(self._deciding.url, error)
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
                self._mark(session, tuple(self._released))
                session.execute(TAKE_KEYS, wanted.take)
                held = session.execute(f"SELECT {HAS_KEYS}", wanted.has)
                recorded = session.execute(RECORDED, wanted.recorded)
                holders = session.execute(HOLDERS, wanted.others)
            found = self._hold(entry, recorded.fetchone(), holders.fetchall())
            if not found.is_free or _only(held):
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
                _force_this(session)
                session.execute(APPEND, row)
                self._record_key(session, entry)
                session.execute("COMMIT")
        except psycopg.errors.UniqueViolation:
            return False
        return True

    @contextmanager
    def _hold_beforehand(self, entry: Entry) -> Iterator[DecidedHold]:
        self._require_life(entry)
        hold = self._deciding.run(lambda session: self._plan(session, entry))
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
            released = tuple(self._released)
            with at_once(session):
                self._mark(session, released)
                session.execute(TAKE_KEYS, wanted.take)
                session.execute(PLAN, (*row, *wanted.has, *wanted.recorded))
                session.execute(LET_GO_UNLESS_PLANNED, (entry.txid, entry.txid))
                state = session.execute(STATE, (entry.txid,))
                recorded = session.execute(RECORDED, wanted.recorded)
                holders = session.execute(HOLDERS, wanted.others)
            self._released.difference_update(released)
            if _only(state) == "planned":
                return DecidedHold((), None)
            found = self._hold(entry, recorded.fetchone(), holders.fetchall())
            if not found.is_free:
                return found
        raise self._restless()

    def _commit_planned(self, entry: Entry) -> Decision:
        def decide(session: Session) -> bool:
            with at_once(session):
                _force_this(session)
                session.execute(f"SELECT pg_advisory_xact_lock_shared({GATE})")
                values = (encode_redo(entry), self._now(), entry.txid)
                changed = session.execute(COMMIT_PLANNED, values)
                self._record_key(session, entry)
            return changed.rowcount == 1

        if not self._lives(entry):
            return self._abort_own(entry.txid)
        try:
            is_committed = self._deciding.run(decide, repeat=False)
        except StoreUnavailable as failure:
            is_committed = self._settle(entry.txid, failure) is Decision.COMMIT
        if is_committed:
            self._life.tell()
        return Decision.COMMIT if is_committed else Decision.ABORT

    def unapplied(self) -> tuple[Holder, ...]:
        rows = self._select(f"SELECT {ROW} FROM transactions WHERE {UNAPPLIED} ORDER BY seq")
        return tuple(self._holder(row) for row in rows if row[0] not in self._released)

    def unfinished(self) -> tuple[Holder, ...]:
        rows = self._select(f"SELECT {ROW} FROM transactions WHERE {UNFINISHED} ORDER BY seq")
        return tuple(
            holder._replace(state="applied") if holder.txid in self._released else holder
            for holder in map(self._holder, rows)
        )

    def load(self, txid: str) -> Entry | None:
        rows = self._select(
            f"SELECT {ROW}, redo FROM transactions WHERE {UNFINISHED} AND txid = %s", (txid,)
        )
        return self._rows.entry(rows[0]) if rows and rows[0][2] != "planned" else None

    def abort(self, txid: str) -> Decision:
        # Of another's it has to last, whatever becomes of the server: it may yet try to commit.
        state = self._deciding.run(lambda session: self._abort(session, txid, is_forced=True))
        return Decision.ABORT if state in (None, "aborted") else Decision.COMMIT

    def release(self, txid: str) -> None:
        self._released.add(txid)

    def flush(self) -> None:
        self.finish(())

    def finish(self, txids: Sequence[str]) -> None:
        released = tuple(self._released)
        if not txids and not released:
            return

        def mark(session: Session) -> None:
            with at_once(session):
                self._mark(session, released)
                session.execute(FINISH, (list(txids), self._now()))

        self._deciding.run(mark)
        self._released.difference_update(released)

    def note(self, heuristics: Sequence[Heuristic]) -> None:
        def write(session: Session) -> None:
            with self._intervening(session):
                self._resolving.note(session, heuristics)

        if heuristics:
            self._deciding.run(write)

    def heuristics(self, on_damage: OnDamage | None = None) -> tuple[Heuristic, ...]:
        return self._database.run(lambda session: self._resolving.heuristics(session, on_damage))

    def interventions(self, on_damage: OnDamage | None = None) -> tuple[Intervention, ...]:
        return self._database.run(lambda session: self._resolving.interventions(session, on_damage))

    def intervene(self, intervention: Intervention) -> None:
        def write(session: Session) -> None:
            with self._intervening(session):
                self._resolving.intervene(session, intervention)

        # Done twice it would be refused as done before.
        self._deciding.run(write, repeat=False)

    def discard(
        self, intervention: Intervention, heuristics: Sequence[Heuristic], *, has_effect: bool
    ) -> None:
        txid = intervention.txid

        def let_go(session: Session) -> None:
            with self._intervening(session):
                row = session.execute(
                    f"SELECT seq, {ROW}, redo FROM transactions WHERE {UNFINISHED} "
                    "AND txid = %s FOR UPDATE",
                    (txid,),
                ).fetchone()
                if row is None:
                    raise NotFound(record=f"unfinished transaction {txid}")
                self._rows.require_damaged(row[1:])
                was_decided = row[3] in ("committed", "applied") or row[5] is not None
                is_committed = has_effect or was_decided
                state = "finished" if is_committed else "aborted"
                session.execute(DISCARD, {"state": state, "now": self._now(), "seq": row[0]})
                session.execute(LET_GO, (txid,))
                self._resolving.intervene(session, intervention)
                if is_committed:
                    self._resolving.note(session, heuristics)

        self._deciding.run(let_go, repeat=False)

    @contextmanager
    def _intervening(self, session: Session) -> Iterator[None]:
        """A durable transaction that is the only one about outcomes and interventions."""
        with session.transaction():
            _force_this(session)
            session.execute(
                "SELECT pg_advisory_xact_lock("
                "hashtextextended('grove_sm.resolve.' || current_schema(), 0))"
            )
            yield

    def recall(self, record_id: str, now: str) -> Recorded | None:
        rows = self._select(RECORDED, (digest_of(record_id), now))
        return self._rows.recorded(record_id, rows[0][0]) if rows else None

    def outcome(self, txid: str) -> Decision | None:
        coordinator = coordinator_of(txid)
        was_alive = not self._life.is_own(coordinator) and self.is_alive(coordinator)
        states = self._select(STATE, (txid,))
        state = states[0][0] if states else None
        if state is None:
            horizon = self._select("SELECT txid FROM horizon")
            if horizon and txid <= horizon[0][0]:
                raise forgotten(txid)
        if state == "planned" or (state is None and was_alive):
            return None
        if state is None:
            state = self._deciding.run(lambda session: self._abort_unless_decided(session, txid))
        return Decision.ABORT if state == "aborted" else Decision.COMMIT

    def recount(self, txid: str) -> Recounted | None:
        found = self._select(RECOUNT, (txid,))
        return self._rows.recounted(txid, found[0] if found else None)

    def opener(self, coordinator: int) -> Opener | None:
        found = self._select(
            "SELECT host, pid, opened_at FROM coordinators WHERE id = %s::bigint", (coordinator,)
        )
        return Opener(*found[0]) if found else None

    def history(self, limit: int) -> tuple[tuple[str, str, Entry | None], ...]:
        rows = self._select(
            "SELECT txid, state, head FROM transactions ORDER BY seq DESC LIMIT %s", (limit,)
        )
        return tuple((txid, state, self._rows.head(txid, head)) for txid, state, head in rows)

    def watch(self) -> AbstractContextManager[Watch]:
        return self._life.watch()

    def trim(self) -> None:
        # The server trims its own log.
        pass

    def forget(self, before: str) -> None:
        oldest_kept = first_txid_at(parse_time(before))

        def drop(session: Session) -> None:
            with session.transaction():
                alive = [self._life.number, *_alive(session)]
                session.execute(FORGET_TRANSACTIONS, (_TRIM_STEP, oldest_kept))
                session.execute(FORGET_COORDINATORS, (alive, _TRIM_STEP))
                session.execute(FORGET_KEYS, (before, _TRIM_STEP))

        self._deciding.run(drop)

    def close(self) -> None:
        self._life.close()
        self._deciding.close()
        self._database.close()

    def _lives(self, entry: Entry) -> bool:
        return self._life.is_own(entry.coordinator)

    def _require_life(self, entry: Entry) -> None:
        """Raise StoreUnavailable if a transaction's coordinator is dead, and this one another."""
        if not self._lives(entry):
            raise StoreUnavailable(
                store=self.name,
                reason=f"coordinator {entry.coordinator} has lost its session and is dead; try "
                "again",
            )

    def _restless(self) -> StoreUnavailable:
        return StoreUnavailable(store=self.name, reason="its keys keep changing hands; try again")

    def _select(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return self._database.run(lambda session: session.execute(query, values).fetchall())

    def _holder(self, row: tuple[str, int, str, str]) -> Holder:
        redo = None
        if self._rows.head(row[0], row[3]) is None:
            found = self._select("SELECT redo FROM transactions WHERE txid = %s", (row[0],))
            redo = found[0][0] if found else None
        return self._rows.holder((*row, redo))

    def _hold(
        self, entry: Entry, recorded: tuple[Any, ...] | None, holders: Iterable[Row]
    ) -> DecidedHold:
        """What an entry has met. What this process has released, it holds no more."""
        refused_by = tuple(
            self._rows.holder(row) for row in holders if row[0] not in self._released
        )
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
        state = self._deciding.run(lambda session: self._abort(session, txid, is_forced=False))
        self._life.tell()
        return Decision.ABORT if state in (None, "aborted") else Decision.COMMIT

    def _abort(self, session: Session, txid: str, *, is_forced: bool) -> str | None:
        with at_once(session):
            if is_forced:
                _force_this(session)
            session.execute(ABORT_PLANNED, (self._now(), txid))
            state = session.execute(STATE, (txid,))
        found: str | None = _only(state)
        return found

    def _settle(self, txid: str, failure: GroveError) -> Decision:
        """What became of a transaction whose commit was not answered.

        Raises the failure if it was aborted, OutcomeUnknown if that cannot be found out.
        """
        try:
            state = self._deciding.run(lambda session: self._abort_unless_decided(session, txid))
        except GroveError:
            raise OutcomeUnknown(txid=txid, reason=str(failure)) from None
        if state == "aborted":
            raise failure
        return Decision.COMMIT

    def _abort_unless_decided(self, session: Session, txid: str) -> str:
        """Record, durably, that a transaction is aborted; answers the state that stands.

        What may still be on its way to the server finds this in its place. What is being committed
        there now is waited for.
        """
        head = seal((txid, coordinator_of(txid), "abort", "", (), "[]"))
        with session.transaction():
            _force_this(session)
            session.execute(
                f"{APPEND} ON CONFLICT (txid) DO NOTHING",
                (txid, coordinator_of(txid), "aborted", head, None, self._now()),
            )
            session.execute(ABORT_PLANNED, (self._now(), txid))
            state = _only(session.execute(STATE, (txid,)))
        return str(state)

    def _take_marks_back(self, session: Session) -> None:
        """What was marked applied may not be so, since nobody lives who saw it."""
        rows = session.execute(
            f"SELECT {ROW}, redo FROM transactions WHERE {UNFINISHED} AND state = 'applied'"
        ).fetchall()
        for row in rows:
            keys = self._rows.holder(row).keys
            digests = [ANY_KEY] if keys is None else [digest_of(key) for key in keys]
            session.execute(
                "INSERT INTO held_keys (digest, txid, again) "
                "SELECT digest, %s, true FROM unnest(%s::bytea[]) AS t (digest) "
                "ON CONFLICT DO NOTHING",
                (row[0], digests),
            )
        session.execute(TAKE_MARKS_BACK)


def _only(cursor: psycopg.Cursor[tuple[Any, ...]]) -> Any:
    """The only value that a query finds, or None."""
    row = cursor.fetchone()
    return row[0] if row else None


def _alive(session: Session) -> Sequence[int]:
    """The numbers of all coordinators that live."""
    return _only(session.execute(ALIVE)) or ()


def _force_this(session: Session) -> None:
    """Have the current transaction's commit wait until it is durable."""
    session.execute("SELECT set_config('synchronous_commit', %s, true)", (session.forced,))
