"""A journal in a SQLite file, for any number of threads and processes of one machine."""

import os
import socket
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Final

from grove_sm.commit.contract import Holder, OnDamage, Opener, Recounted, Watch
from grove_sm.commit.intervention import Intervention
from grove_sm.commit.machine import Decision
from grove_sm.commit.record import (
    Entry,
    Recorded,
    encode_head,
    encode_redo,
    seal,
)
from grove_sm.commit.txid import coordinator_of, first_txid_at
from grove_sm.domain.errors import GroveError, NotFound, OutcomeUnknown
from grove_sm.domain.values import parse_time
from grove_sm.journal import rows
from grove_sm.journal.append import Appender
from grove_sm.journal.hold import DecidedHold, held_beforehand, holder_of
from grove_sm.journal.liveness import Liveness
from grove_sm.journal.resolving import Resolving
from grove_sm.journal.rows import Rows, forgotten
from grove_sm.journal.schema import FORMAT, MIGRATIONS, UNFINISHED
from grove_sm.journal.watching import watch_file
from grove_sm.operations.plan import Heuristic
from grove_sm.sqlite_file import SQLiteFile, translate

_TRIM_STEP: Final = 1000

_RECORD_KEY: Final = (
    "INSERT OR REPLACE INTO idempotency_keys (record_id, expires_at, recorded) VALUES (?, ?, ?)"
)


class SQLiteJournal:
    """The `Journal` contract on a SQLite file (see `grove_sm.commit.contract`).

    Args:
        path: the file, made if there is none; its folder must exist. `<path>-coordinators`
            beside it holds the locks by which coordinators are known to live.
        opened_at: the time now, for operators.
        clock: the time whenever something happens, for operators; by default always that.
        busy_timeout: seconds to wait for another process before giving up.

    Raises StoreUnavailable, Corrupt, or ValidationError for a newer format.
    """

    def __init__(
        self,
        path: Path,
        *,
        opened_at: str,
        clock: Callable[[], str] | None = None,
        busy_timeout: float = 5.0,
    ) -> None:
        self._name = f"sqlite:///{path}"
        self._file = SQLiteFile(
            path,
            name=self._name,
            component="journal",
            version=FORMAT,
            migrations=MIGRATIONS,
            busy_timeout=busy_timeout,
        )
        self._now = clock or (lambda: opened_at)
        self._rows = Rows(self._name)
        self._resolving = Resolving(self._name)
        self._unwritten: set[str] = set()
        self._own: dict[str, Holder] = {}
        with ExitStack() as undo:
            undo.callback(self._file.close)
            self._liveness = Liveness(path)
            undo.callback(self._liveness.close)
            self._appender = Appender(self._file, on_begin=self._mark_released, settle=self._settle)
            self._coordinator = self._register(opened_at)
            undo.pop_all()

    @property
    def name(self) -> str:
        return self._name

    @property
    def coordinator(self) -> int:
        return self._coordinator

    def is_alive(self, coordinator: int) -> bool:
        return self._liveness.is_alive(coordinator)

    def has_company(self) -> bool:
        with self._file.errors:
            return self._anybody_lives(self._file.connection, but=self._coordinator)

    def hold(self, entry: Entry, *, one_append: bool) -> AbstractContextManager[DecidedHold]:
        return self._hold_while_deciding(entry) if one_append else self._hold_beforehand(entry)

    @contextmanager
    def _hold_while_deciding(self, entry: Entry) -> Iterator[DecidedHold]:
        with self._appender.section() as section:
            hold = DecidedHold(*self._met(section.connection, entry))
            yield hold
            if hold.asked is Decision.COMMIT:
                connection = section.writing()
                head, redo = encode_head(entry), encode_redo(entry)
                connection.execute(
                    rows.APPEND,
                    (entry.txid, entry.coordinator, "committed", head, redo, self._now()),
                )
                self._record_key(connection, entry)
                section.join(entry.txid)
        if hold.asked is Decision.COMMIT:
            self._own[entry.txid] = holder_of(entry, "committed")
        hold.settle(hold.asked or Decision.ABORT)

    @contextmanager
    def _hold_beforehand(self, entry: Entry) -> Iterator[DecidedHold]:
        with self._appender.aside() as connection:
            hold = DecidedHold(*self._met(connection, entry))
            if hold.is_free:
                connection.execute(
                    rows.APPEND,
                    (entry.txid, entry.coordinator, "planned", encode_head(entry), None, None),
                )
        with held_beforehand(
            hold,
            abort=lambda: self.abort(entry.txid),
            commit=lambda: self._commit_planned(entry),
        ):
            yield hold

    def _commit_planned(self, entry: Entry) -> Decision:
        with self._appender.section() as section:
            connection = section.writing()
            values = (encode_redo(entry), self._now(), entry.txid)
            changed = connection.execute(rows.COMMIT_PLANNED, values).rowcount
            if changed:
                self._record_key(connection, entry)
            section.join(entry.txid)
        return Decision.COMMIT if changed else Decision.ABORT

    def unapplied(self) -> tuple[Holder, ...]:
        with self._file.errors:
            others = self._others(self._file.connection)
        return (*others, *tuple(self._own.values()))

    def unfinished(self) -> tuple[Holder, ...]:
        with self._file.errors:
            found = self._file.connection.execute(rows.ALL_UNFINISHED).fetchall()
        holders = (self._rows.holder(row) for row in found)
        return tuple(
            holder._replace(state="applied") if holder.txid in self._unwritten else holder
            for holder in holders
        )

    def load(self, txid: str) -> Entry | None:
        is_own = txid in self._own
        with self._file.errors:
            row = rows.one(self._file.connection, txid)
        if row is None:
            if is_own:
                # Another coordinator has finished and forgotten what this one committed.
                self.release(txid)
            # Otherwise it may be part of an append that is not committed yet.
            return None
        if row[2] == "planned":
            return None
        return self._rows.entry(row)

    def abort(self, txid: str) -> Decision:
        with self._appender.aside() as connection:
            if connection.execute(rows.ABORT_PLANNED, (self._now(), txid)).rowcount:
                return Decision.ABORT
            state = rows.state_of(connection, txid)
        return Decision.ABORT if state in (None, "aborted") else Decision.COMMIT

    def release(self, txid: str) -> None:
        self._unwritten.add(txid)
        self._own.pop(txid, None)

    def flush(self) -> None:
        self.finish(())

    def finish(self, txids: Sequence[str]) -> None:
        if not txids and not self._unwritten:
            return
        with self._appender.aside() as connection:
            on_committed = self._mark_released(connection)
            now = self._now()
            connection.executemany(rows.FINISH, [(now, txid) for txid in txids])
        on_committed()

    def note(self, heuristics: Sequence[Heuristic]) -> None:
        with self._appender.aside() as connection:
            self._resolving.note(connection, heuristics)
        self._file.force()

    def heuristics(self, on_damage: OnDamage | None = None) -> tuple[Heuristic, ...]:
        with self._file.errors:
            return self._resolving.heuristics(self._file.connection, on_damage)

    def interventions(self, on_damage: OnDamage | None = None) -> tuple[Intervention, ...]:
        with self._file.errors:
            return self._resolving.interventions(self._file.connection, on_damage)

    def intervene(self, intervention: Intervention) -> None:
        with self._appender.aside() as connection:
            self._resolving.intervene(connection, intervention)
        self._file.force()

    def discard(
        self, intervention: Intervention, heuristics: Sequence[Heuristic], *, has_effect: bool
    ) -> None:
        txid = intervention.txid
        with self._appender.aside() as connection:
            # A damaged id may be no text, so that no condition finds it.
            found = connection.execute(rows.ALL_UNFINISHED_NUMBERED).fetchall()
            row = next((row for row in found if row[1] == txid), None)
            if row is None:
                raise NotFound(record=f"unfinished transaction {txid}")
            self._rows.require_damaged(row[1:])
            was_decided = row[3] in ("committed", "applied") or row[-1] is not None
            is_committed = has_effect or was_decided
            state = "finished" if is_committed else "aborted"
            connection.execute(rows.DISCARD, (state, self._now(), state, row[0]))
            self._resolving.intervene(connection, intervention)
            if is_committed:
                self._resolving.note(connection, heuristics)
        self._file.force()
        self._own.pop(txid, None)

    def recall(self, record_id: str, now: str) -> Recorded | None:
        with self._file.errors:
            return self._recall(self._file.connection, record_id, now)

    def outcome(self, txid: str) -> Decision | None:
        coordinator = coordinator_of(txid)
        with self._file.errors:
            connection = self._file.connection
            was_alive = coordinator != self._coordinator and self.is_alive(coordinator)
            state = rows.state_of(connection, txid)
            horizon = connection.execute("SELECT txid FROM horizon WHERE id = 1").fetchone()
        if state is None and horizon and txid <= horizon[0]:
            raise forgotten(txid)
        if state == "planned" or (state is None and was_alive):
            return None
        if state is None:
            with self._appender.aside() as connection:
                state = self._abort_unless_decided(connection, txid)
            self._file.force()
        return Decision.ABORT if state == "aborted" else Decision.COMMIT

    def recount(self, txid: str) -> Recounted | None:
        with self._file.errors:
            row = self._file.connection.execute(rows.RECOUNT, (txid,)).fetchone()
        return self._rows.recounted(txid, row)

    def opener(self, coordinator: int) -> Opener | None:
        with self._file.errors:
            row = self._file.connection.execute(
                "SELECT host, pid, opened_at FROM coordinators WHERE id = ?", (coordinator,)
            ).fetchone()
        return None if row is None else Opener(*row)

    def history(self, limit: int) -> tuple[tuple[str, str, Entry | None], ...]:
        """The newest transactions: id, state, and entry without redo (None if damaged)."""
        with self._file.errors:
            found = self._file.connection.execute(
                "SELECT txid, state, head FROM transactions ORDER BY seq DESC LIMIT ?", (limit,)
            ).fetchall()
        return tuple((txid, state, self._rows.head(txid, head)) for txid, state, head in found)

    def watch(self) -> AbstractContextManager[Watch | None]:
        # Every decision is written there, and this connection keeps it from going away.
        return watch_file(self._file.path_of_log)

    def trim(self) -> None:
        self._appender.checkpoint()

    def forget(self, before: str) -> None:
        oldest_kept = first_txid_at(parse_time(before))
        with self._appender.aside() as connection:
            stale = connection.execute(
                "SELECT seq, txid FROM "
                "(SELECT seq, txid, state FROM transactions ORDER BY seq LIMIT ?) "
                "WHERE txid < ? AND state IN ('finished', 'aborted') "
                "AND txid NOT IN (SELECT txid FROM heuristics)",
                (_TRIM_STEP, oldest_kept),
            ).fetchall()
            if stale:
                connection.executemany(
                    "DELETE FROM transactions WHERE seq = ?", [(seq,) for seq, _ in stale]
                )
                connection.execute(
                    "INSERT INTO horizon (id, txid) VALUES (1, ?) "
                    "ON CONFLICT (id) DO UPDATE SET txid = max(txid, excluded.txid)",
                    (max(txid for _, txid in stale),),
                )
            connection.executemany(
                "DELETE FROM coordinators WHERE id = ?",
                [(coordinator,) for coordinator in self._gone(connection)],
            )
            connection.execute(
                "DELETE FROM idempotency_keys WHERE record_id IN "
                "(SELECT record_id FROM idempotency_keys WHERE expires_at < ? LIMIT ?)",
                (before, _TRIM_STEP),
            )

    def close(self) -> None:
        self._file.close()
        self._liveness.release(self._coordinator)
        self._liveness.close()

    def _gone(self, connection: sqlite3.Connection) -> list[int]:
        """Dead coordinators that have left nothing unfinished."""
        found = connection.execute(
            "SELECT id FROM coordinators WHERE id NOT IN "
            "(SELECT coordinator FROM transactions "
            f"WHERE {UNFINISHED} AND state IN {rows.STATES}) LIMIT ?",
            (_TRIM_STEP,),
        )
        return [coordinator for (coordinator,) in found if not self.is_alive(coordinator)]

    def _anybody_lives(self, connection: sqlite3.Connection, *, but: int) -> bool:
        found = connection.execute("SELECT id FROM coordinators WHERE id <> ?", (but,)).fetchall()
        return any(self.is_alive(coordinator) for (coordinator,) in found)

    def _register(self, opened_at: str) -> int:
        with self._file.errors, self._file.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO coordinators (host, pid, opened_at) VALUES (?, ?, ?)",
                (socket.gethostname(), os.getpid(), opened_at),
            )
            coordinator = cursor.lastrowid
            assert coordinator is not None  # noqa: S101 - an INSERT always has one
            if not self._anybody_lives(connection, but=coordinator):
                connection.execute(rows.TAKE_MARKS_BACK)
            # Before the row can be seen, so that nobody ever finds a live coordinator dead.
            self._liveness.acquire(coordinator)
        return coordinator

    def _met(
        self, connection: sqlite3.Connection, entry: Entry
    ) -> tuple[tuple[Holder, ...], Recorded | None]:
        keys = set(entry.keys)
        refused_by = [
            holder
            for holder in self._others(connection)
            if holder.keys is None or not keys.isdisjoint(holder.keys)
        ]
        refused_by += [h for h in tuple(self._own.values()) if not keys.isdisjoint(h.keys or keys)]
        recorded = None
        if entry.idempotency:
            recorded = self._recall(connection, entry.idempotency.record_id, entry.created_at)
        return tuple(refused_by), recorded

    def _others(self, connection: sqlite3.Connection) -> list[Holder]:
        """Who holds keys, in commit order, but for what this object has committed itself."""
        found = connection.execute(rows.UNAPPLIED_IDS).fetchall()
        own, released = self._own, self._unwritten
        others = []
        for _, txid in sorted(found):
            if txid not in released and txid not in own:
                row = rows.one(connection, txid)
                if row is not None:
                    others.append(self._rows.holder(row))
        return others

    def _recall(self, connection: sqlite3.Connection, record_id: str, now: str) -> Recorded | None:
        row = connection.execute(
            "SELECT recorded FROM idempotency_keys WHERE record_id = ? AND expires_at > ?",
            (record_id, now),
        ).fetchone()
        return None if row is None else self._rows.recorded(record_id, row[0])

    @staticmethod
    def _record_key(connection: sqlite3.Connection, entry: Entry) -> None:
        if entry.idempotency:
            recorded = Recorded(entry.txid, entry.idempotency.fields, entry.result)
            connection.execute(
                _RECORD_KEY,
                (entry.idempotency.record_id, entry.idempotency.expires_at, seal(recorded)),
            )

    def _mark_released(self, connection: sqlite3.Connection) -> Callable[[], None]:
        released = tuple(self._unwritten)
        now = self._now()
        connection.executemany(rows.MARK_APPLIED, [(now, txid) for txid in released])
        return lambda: self._unwritten.difference_update(released)

    def _settle(self, txid: str, error: sqlite3.Error) -> GroveError:
        """What became of a transaction whose commit failed."""
        failure = translate(self._name, error)
        # A full disk has no room for the record's last page, without which it is no commit.
        has_failed = getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"
        try:
            with self._file.errors, self._file.transaction() as connection:
                state = self._abort_unless_decided(connection, txid)
            self._file.force()
        except GroveError:
            return failure if has_failed else OutcomeUnknown(txid=txid, reason=str(failure))
        is_aborted = state == "aborted"
        return failure if is_aborted else OutcomeUnknown(txid=txid, reason=str(failure))

    def _abort_unless_decided(self, connection: sqlite3.Connection, txid: str) -> str:
        """Record that a transaction is aborted; answers the state that stands.

        A commit that failed, or whose process died in it, may have left its record in the log
        unseen, where a later recovery of the file would find it. What is written here takes its
        place, so that the outcome is the one told.
        """
        state = rows.state_of(connection, txid)
        if state is None:
            head = seal((txid, self._coordinator, "abort", "", (), "[]"))
            connection.execute(
                rows.APPEND, (txid, self._coordinator, "aborted", head, None, self._now())
            )
        elif state == "planned":
            connection.execute(rows.ABORT_PLANNED, (self._now(), txid))
        return "aborted" if state in (None, "planned") else state
