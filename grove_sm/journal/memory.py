"""A journal in this process's memory: for tests, and for work that need not outlive the process."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from socket import gethostname

from grove_sm.commit.contract import Holder, OnDamage, Opener, Recounted
from grove_sm.commit.intervention import Intervention, is_whole, require_unresolved
from grove_sm.commit.machine import Decision
from grove_sm.commit.record import Entry, Recorded, Redo
from grove_sm.commit.txid import coordinator_of, first_txid_at
from grove_sm.domain.errors import NotFound, StoreUnavailable
from grove_sm.domain.values import parse_time
from grove_sm.journal.hold import DecidedHold, held_beforehand, holder_of
from grove_sm.journal.rows import forgotten
from grove_sm.journal.watching import EventWatch
from grove_sm.operations.plan import Heuristic


@dataclass
class _Row:
    state: str
    entry: Entry
    times: list[tuple[str, str]] = field(default_factory=list)

    def holder(self) -> Holder:
        return holder_of(self.entry, self.state)


@dataclass
class MemoryJournalData:
    """What a memory journal holds; shared by the coordinators that open the same name."""

    rows: dict[str, _Row] = field(default_factory=dict)
    unfinished: dict[str, _Row] = field(default_factory=dict)
    unapplied: dict[str, _Row] = field(default_factory=dict)
    keys: dict[str, tuple[str, Recorded]] = field(default_factory=dict)
    heuristics: list[Heuristic] = field(default_factory=list)
    interventions: list[Intervention] = field(default_factory=list)
    openers: dict[int, Opener] = field(default_factory=dict)
    alive: set[int] = field(default_factory=set)
    coordinators: int = 0
    horizon: str = ""
    watches: list[threading.Event] = field(default_factory=list)
    turn: threading.RLock = field(default_factory=threading.RLock)


class MemoryJournal:
    """The `Journal` contract on dictionaries (see `grove_sm.commit.contract`).

    Args:
        name: the journal's URL.
        data: what it holds; shared by those who pass the same object.
        patience: seconds to wait for another coordinator's turn to end.
        opened_at: the time now, for operators.
        clock: the time whenever something happens, for operators; by default none is kept.
    """

    def __init__(
        self,
        name: str,
        data: MemoryJournalData,
        *,
        patience: float = 5.0,
        opened_at: str = "",
        clock: Callable[[], str] | None = None,
    ) -> None:
        self._name = name
        self._data = data
        self._patience = patience
        self._clock = clock
        self._closed = False
        with self._opened():
            if not data.alive:
                self._take_marks_back()
            data.coordinators += 1
            self._coordinator = data.coordinators
            data.alive.add(self._coordinator)
            data.openers[self._coordinator] = Opener(gethostname(), os.getpid(), opened_at)

    @property
    def name(self) -> str:
        return self._name

    @property
    def coordinator(self) -> int:
        return self._coordinator

    def is_alive(self, coordinator: int) -> bool:
        return coordinator in self._data.alive

    def has_company(self) -> bool:
        return len(self._data.alive) > 1

    def hold(self, entry: Entry, *, one_append: bool) -> AbstractContextManager[DecidedHold]:
        return self._hold_while_deciding(entry) if one_append else self._hold_beforehand(entry)

    @contextmanager
    def _hold_while_deciding(self, entry: Entry) -> Iterator[DecidedHold]:
        with self._opened():
            hold = self._met(entry)
            yield hold
            if hold.asked is Decision.COMMIT:
                self._commit(_Row("planned", entry))
            hold.settle(hold.asked or Decision.ABORT)

    @contextmanager
    def _hold_beforehand(self, entry: Entry) -> Iterator[DecidedHold]:
        with self._opened():
            hold = self._met(entry)
            if hold.is_free:
                row = _Row("planned", entry._replace(writes=()))
                self._keep(row)
        with held_beforehand(
            hold,
            abort=lambda: self.abort(entry.txid),
            commit=lambda: self._commit_planned(entry),
        ):
            yield hold

    def _commit_planned(self, entry: Entry) -> Decision:
        with self._opened() as data:
            row = data.rows[entry.txid]
            if row.state == "planned":
                self._commit(_Row("planned", entry))
                return Decision.COMMIT
        return Decision.ABORT

    def unapplied(self) -> tuple[Holder, ...]:
        with self._opened() as data:
            return tuple(row.holder() for row in data.unapplied.values())

    def unfinished(self) -> tuple[Holder, ...]:
        with self._opened() as data:
            return tuple(row.holder() for row in data.unfinished.values())

    def load(self, txid: str) -> Entry | None:
        with self._opened() as data:
            row = data.unfinished.get(txid)
            return None if row is None or row.state == "planned" else row.entry

    def abort(self, txid: str) -> Decision:
        with self._opened() as data:
            row = data.rows.get(txid)
            if row is None:
                return Decision.ABORT
            if row.state == "planned":
                self._move(row, "aborted")
                del data.unfinished[txid], data.unapplied[txid]
            return Decision.ABORT if row.state == "aborted" else Decision.COMMIT

    def release(self, txid: str) -> None:
        with self._opened() as data:
            row = data.unfinished.get(txid)
            if row is not None and row.state == "committed":
                self._move(row, "applied")
                del data.unapplied[txid]

    def flush(self) -> None:
        pass

    def finish(self, txids: Sequence[str]) -> None:
        with self._opened() as data:
            for txid in txids:
                row = data.unfinished.get(txid)
                if row is not None and row.state == "applied":
                    self._move(row, "finished")
                    row.entry = row.entry._replace(writes=(), result={}, idempotency=None)
                    del data.unfinished[txid]

    def note(self, heuristics: Sequence[Heuristic]) -> None:
        with self._opened() as data:
            for outcome in heuristics:
                if outcome not in data.heuristics and not self._is_resolved(outcome):
                    data.heuristics.append(outcome)

    def heuristics(self, on_damage: OnDamage | None = None) -> tuple[Heuristic, ...]:  # noqa: ARG002 - nothing is damaged here
        with self._opened() as data:
            return tuple(found for found in data.heuristics if not self._is_resolved(found))

    def interventions(self, on_damage: OnDamage | None = None) -> tuple[Intervention, ...]:  # noqa: ARG002
        with self._opened() as data:
            return tuple(data.interventions)

    def intervene(self, intervention: Intervention) -> None:
        with self._opened() as data:
            outcome = intervention.outcome
            if outcome is not None:
                require_unresolved(outcome, data.interventions)
            data.interventions.append(intervention)

    def discard(
        self,
        intervention: Intervention,
        heuristics: Sequence[Heuristic],  # noqa: ARG002
        *,
        has_effect: bool,  # noqa: ARG002
    ) -> None:
        with self._opened() as data:
            if intervention.txid not in data.unfinished:
                raise NotFound(record=f"unfinished transaction {intervention.txid}")
        raise is_whole(intervention.txid)

    def recall(self, record_id: str, now: str) -> Recorded | None:
        with self._opened() as data:
            expires_at, recorded = data.keys.get(record_id, ("", None))
            return recorded if expires_at > now else None

    def outcome(self, txid: str) -> Decision | None:
        coordinator = coordinator_of(txid)
        with self._opened() as data:
            was_alive = coordinator != self._coordinator and self.is_alive(coordinator)
            row = data.rows.get(txid)
            if row is None:
                if txid <= data.horizon:
                    raise forgotten(txid)
                return None if was_alive else Decision.ABORT
            if row.state == "planned":
                return None
            return Decision.ABORT if row.state == "aborted" else Decision.COMMIT

    def recount(self, txid: str) -> Recounted | None:
        with self._opened() as data:
            row = data.rows.get(txid)
            if row is None:
                return None
            entry = row.entry._replace(writes=(), result={}, idempotency=None)
            times = (("planned", entry.created_at), *row.times)
            redo = None
            if row.state in ("committed", "applied"):
                redo = Redo(row.entry.writes, row.entry.result, row.entry.idempotency, entry.keys)
            return Recounted(txid, entry.coordinator, row.state, times, entry, redo, None)

    def opener(self, coordinator: int) -> Opener | None:
        with self._opened() as data:
            return data.openers.get(coordinator)

    def history(self, limit: int) -> tuple[tuple[str, str, Entry | None], ...]:
        with self._opened() as data:
            newest = list(data.rows.items())[::-1][:limit]
            return tuple(
                (txid, row.state, row.entry._replace(writes=(), result={}, idempotency=None))
                for txid, row in newest
            )

    @contextmanager
    def watch(self) -> Iterator[EventWatch]:
        decided = threading.Event()
        self._data.watches.append(decided)
        try:
            yield EventWatch(decided)
        finally:
            self._data.watches.remove(decided)

    def trim(self) -> None:
        pass

    def forget(self, before: str) -> None:
        oldest_kept = first_txid_at(parse_time(before))
        with self._opened() as data:
            kept = data.unfinished.keys() | {outcome.txid for outcome in data.heuristics}
            for txid in list(data.rows):
                if txid not in kept and txid < oldest_kept:
                    del data.rows[txid]
                    data.horizon = max(data.horizon, txid)
            for record_id, (expires_at, _) in list(data.keys.items()):
                if expires_at < before:
                    del data.keys[record_id]

    def close(self) -> None:
        self._closed = True
        self._data.alive.discard(self._coordinator)

    def _take_marks_back(self) -> None:
        """What was marked applied may not be so, since nobody lives who saw it."""
        for row in self._data.unfinished.values():
            if row.state == "applied":
                row.state = "committed"
                row.times = [(state, at) for state, at in row.times if state != "applied"]
        self._data.unapplied = dict(self._data.unfinished)

    def _met(self, entry: Entry) -> DecidedHold:
        keys = set(entry.keys)
        refused_by = tuple(
            holder
            for holder in self.unapplied()
            if holder.keys is None or not keys.isdisjoint(holder.keys)
        )
        recorded = None
        if entry.idempotency:
            recorded = self.recall(entry.idempotency.record_id, entry.created_at)
        return DecidedHold(refused_by, recorded)

    def _commit(self, row: _Row) -> None:
        entry = row.entry
        self._move(row, "committed")
        self._keep(row)
        if entry.idempotency:
            recorded = Recorded(entry.txid, entry.idempotency.fields, entry.result)
            self._data.keys[entry.idempotency.record_id] = (entry.idempotency.expires_at, recorded)
        for decided in tuple(self._data.watches):
            decided.set()

    def _move(self, row: _Row, state: str) -> None:
        row.state = state
        if self._clock is not None:
            row.times.append((state, self._clock()))

    def _is_resolved(self, outcome: Heuristic) -> bool:
        return any(each.resolves(outcome) for each in self._data.interventions)

    def _keep(self, row: _Row) -> None:
        data, txid = self._data, row.entry.txid
        data.rows[txid] = data.unfinished[txid] = data.unapplied[txid] = row

    @contextmanager
    def _opened(self) -> Iterator[MemoryJournalData]:
        if self._closed:
            raise StoreUnavailable(store=self._name, reason="it has been closed")
        if not self._data.turn.acquire(timeout=self._patience):
            raise StoreUnavailable(store=self._name, reason="another coordinator is deciding")
        try:
            yield self._data
        finally:
            self._data.turn.release()
