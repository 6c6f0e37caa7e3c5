"""A journal in a PostgreSQL database, for any number of processes on any number of machines.

Decisions are forced, each by its own commit; PostgreSQL has those that commit at once share a
write. So is the abort of another's transaction, and an outcome that is presumed: the coordinator
whose it was may live, and ask for a commit after the server has crashed and come back. The rest a
crash may take back: that keys are held, after which nothing can be committed on them, and marks,
after which something is applied once more.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any, Final

from grove_sm.blocking import Cooperative
from grove_sm.commit.contract import Holder, OnDamage, Opener, Recounted, Watch
from grove_sm.commit.intervention import Intervention
from grove_sm.commit.machine import Decision
from grove_sm.commit.record import Entry, Recorded
from grove_sm.commit.txid import coordinator_of, first_txid_at
from grove_sm.domain.errors import NotFound
from grove_sm.domain.values import parse_time
from grove_sm.journal.hold import DecidedHold
from grove_sm.journal.postgres_decisions import PostgresDecisions, only, take_marks_back
from grove_sm.journal.postgres_schema import MIGRATIONS, UNAPPLIED, UNFINISHED
from grove_sm.journal.postgres_session import ALIVE, CoordinatorSession
from grove_sm.journal.postgres_statements import (
    DISCARD,
    FORGET_COORDINATORS,
    FORGET_KEYS,
    FORGET_TRANSACTIONS,
    LET_GO,
    RECORDED,
    RECOUNT,
    ROW,
    STATE,
    digest_of,
)
from grove_sm.journal.resolving import Resolving
from grove_sm.journal.rows import Rows, forgotten
from grove_sm.operations.plan import Heuristic
from grove_sm.postgres.database import PostgresDatabase
from grove_sm.postgres.session import Session, force_this
from grove_sm.postgres.url import PostgresUrl

_CONNECTIONS: Final = 4
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
                self._database, opened_at=opened_at, on_alone=partial(take_marks_back, self._rows)
            )
            undo.pop_all()
        self._decisions = PostgresDecisions(self._deciding, self._life, self._rows, self._now)

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

    def unapplied(self) -> tuple[Holder, ...]:
        rows = self._select(f"SELECT {ROW} FROM transactions WHERE {UNAPPLIED} ORDER BY seq")
        return tuple(self._holder(row) for row in rows if row[0] not in self._decisions.released)

    def unfinished(self) -> tuple[Holder, ...]:
        rows = self._select(f"SELECT {ROW} FROM transactions WHERE {UNFINISHED} ORDER BY seq")
        return tuple(
            holder._replace(state="applied") if holder.txid in self._decisions.released else holder
            for holder in map(self._holder, rows)
        )

    def load(self, txid: str) -> Entry | None:
        rows = self._select(
            f"SELECT {ROW}, redo FROM transactions WHERE {UNFINISHED} AND txid = %s", (txid,)
        )
        return self._rows.entry(rows[0]) if rows and rows[0][2] != "planned" else None

    def hold(self, entry: Entry, *, one_append: bool) -> AbstractContextManager[DecidedHold]:
        return self._decisions.hold(entry, one_append=one_append)

    def abort(self, txid: str) -> Decision:
        return self._decisions.abort(txid)

    def release(self, txid: str) -> None:
        self._decisions.release(txid)

    def flush(self) -> None:
        self._decisions.finish(())

    def finish(self, txids: Sequence[str]) -> None:
        self._decisions.finish(txids)

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
            force_this(session)
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
            state = self._decisions.presume(txid)
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

    def _select(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return self._database.run(lambda session: session.execute(query, values).fetchall())

    def _holder(self, row: tuple[str, int, str, str]) -> Holder:
        redo = None
        if self._rows.head(row[0], row[3]) is None:
            found = self._select("SELECT redo FROM transactions WHERE txid = %s", (row[0],))
            redo = found[0][0] if found else None
        return self._rows.holder((*row, redo))


def _alive(session: Session) -> Sequence[int]:
    """The numbers of all coordinators that live."""
    return only(session.execute(ALIVE)) or ()
