"""Making committed transactions visible in their stores, each exactly once.

While nobody else shares the journal, a coordinator lets a few transactions gather and applies
them together, which costs a store much less. Until then they are like any other committed
transaction whose coordinator is slow: whoever reads what they touch applies them first.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from grove_sm.blocking import holding
from grove_sm.commit.contract import AppliesLost, Holder, Journal, Participant
from grove_sm.commit.machine import (
    Applied,
    Apply,
    Effect,
    KeysReleased,
    ReleaseKeys,
    Transaction,
    Unreachable,
    resume,
    step,
)
from grove_sm.commit.record import Entry
from grove_sm.commit.replay import Missed, with_what_they_build_on
from grove_sm.domain.errors import Corrupt, StoreUnavailable
from grove_sm.operations.plan import Heuristic, Write

log = logging.getLogger("grove_sm")

T = TypeVar("T")

OnFailure = Callable[[str, Corrupt | StoreUnavailable], object]
"""Takes the id of a transaction and why it could not be read, so that others can be applied."""


class _Committed(NamedTuple):
    entry: Entry
    transaction: Transaction
    effects: Sequence[Effect]


class Applier:
    """Applies what is committed.

    Args:
        journal: where keys are let go of once everything is visible.
        participants: the store of each collection.

    Attributes:
        lag: how many transactions may gather before they are applied.
        on_committed: called after each transaction with the number of those not finished.
    """

    def __init__(self, journal: Journal, participants: Mapping[str, Participant]) -> None:
        self.lag = 1
        self.on_committed: Callable[[int], object] = bool
        self._journal = journal
        self._participants = participants
        self._stores = {store.name: store for store in participants.values()}
        self._applying = threading.Lock()
        self._listing = threading.Lock()
        self._pending: dict[str, _Committed] = {}
        self._applied: dict[str, Transaction] = {}

    @property
    def backlog(self) -> int:
        """How many transactions are committed here but not finished."""
        return len(self._pending) + len(self._applied)

    def has(self, txid: str) -> bool:
        """Whether a transaction is among those that are yet to be applied or finished here."""
        return txid in self._pending or txid in self._applied

    def by_store(self, writes: Iterable[Write]) -> dict[str, list[Write]]:
        """Writes by the name of the store they go to."""
        groups: dict[str, list[Write]] = {}
        for write in writes:
            groups.setdefault(self._participants[write.collection].name, []).append(write)
        return groups

    def reach(self, store: str, call: Callable[[Participant], T]) -> T:
        """What a call on a store answers, once what it has lost in a crash is applied again."""
        try:
            return call(self._stores[store])
        except AppliesLost as error:
            log.warning("%s", error)
            self.redo(store)
            return call(self._stores[store])

    def redo(self, store: str) -> None:
        """Apply to a store, in commit order, everything that the journal keeps the redo of.

        What is damaged in the journal may stay lost; audit tells, by what else it wrote.
        """
        participant = self._stores[store]
        with participant.redo():
            for holder in self._journal.unfinished():
                try:
                    entry = self._journal.load(holder.txid)
                except Corrupt as error:
                    log.error("%s", error)
                    continue
                writes = self.by_store(entry.writes).get(store) if entry else None
                if entry and writes:
                    self._note(participant.apply(entry.txid, entry.members, writes))

    def accept(self, entry: Entry, transaction: Transaction, effects: Sequence[Effect]) -> None:
        """Take over a transaction that this coordinator has just committed."""
        self._pending[entry.txid] = _Committed(entry, transaction, effects)
        if len(self._pending) >= self.lag:
            self.catch_up()
        self.on_committed(self.backlog)

    def catch_up(self) -> None:
        """Apply everything that has gathered."""
        with holding(self._applying):
            pending = list(self._pending.values())
            self._apply(pending, Missed())
            for committed in pending:
                self._pending.pop(committed.entry.txid, None)

    def roll_forward(
        self,
        wanted: Collection[str],
        met: Sequence[Holder],
        on_failure: OnFailure | None = None,
    ) -> dict[str, frozenset[str]]:
        """Apply committed transactions, whoever committed them, and let go of their keys.

        Harmless at any time. What a transaction builds on is applied before it. Returns the names
        of the stores that each of them has not reached.

        Args:
            wanted: their ids.
            met: what the journal has unapplied, in its order.
            on_failure: takes the id of a transaction that the journal cannot give and why: Corrupt
                or StoreUnavailable, which is otherwise raised.
        """
        if any(txid in self._pending for txid in wanted):
            self.catch_up()
        missed = Missed()
        unreached: dict[str, frozenset[str]] = {}
        for holder in with_what_they_build_on(wanted, met):
            if holder.txid in self._applied:
                continue
            try:
                entry = self._journal.load(holder.txid)
            except (Corrupt, StoreUnavailable) as error:
                if on_failure is None:
                    raise
                missed.note_unknown(holder)
                on_failure(holder.txid, error)
                continue
            if entry is None:
                # Somebody has finished it.
                continue
            transaction, effects = resume("committed", tuple(self.by_store(entry.writes)))
            with holding(self._applying):
                stores = self._apply([_Committed(entry, transaction, effects)], missed)
            if stores:
                unreached[holder.txid] = stores
        return unreached

    def roll_forward_everywhere(
        self,
        wanted: Collection[str],
        met: Sequence[Holder],
        on_failure: OnFailure | None = None,
    ) -> None:
        """As `roll_forward`. Raises StoreUnavailable for what has not reached all of its stores."""
        for txid, unreached in self.roll_forward(wanted, met, on_failure).items():
            raise unapplied(", ".join(sorted(unreached)), txid)

    def take_over(self, holder: Holder) -> None:
        """Take over a transaction that a dead coordinator has applied, to be forced and finished.

        Raises Corrupt if the journal cannot tell where it has written to.
        """
        if holder.members is None:
            self._journal.load(holder.txid)
            return
        writers = {self._participants[collection].name for collection, _ in holder.members}
        transaction, _ = resume("applied", tuple(sorted(writers)))
        self.give_back({holder.txid: transaction})

    def _note(self, heuristics: Sequence[Heuristic]) -> None:
        """Record heuristic outcomes, if there are any."""
        if heuristics:
            for heuristic in heuristics:
                log.error(
                    "heuristic outcome of %s: other software has written to %s in %s",
                    heuristic.txid,
                    heuristic.record,
                    heuristic.store,
                )
            self._journal.note(heuristics)

    def take_applied(self) -> dict[str, Transaction]:
        """Hand over the transactions that are applied but not finished."""
        with self._listing:
            applied, self._applied = self._applied, {}
        return applied

    def give_back(self, transactions: Mapping[str, Transaction]) -> None:
        """Take back transactions that could not be finished yet."""
        with self._listing:
            self._applied.update(transactions)

    def _apply(self, batch: Sequence[_Committed], missed: Missed) -> frozenset[str]:
        parts: dict[str, list[tuple[Entry, list[Write]]]] = {}
        for entry, _, effects in batch:
            writes = self.by_store(entry.writes)
            for effect in effects:
                if isinstance(effect, Apply):
                    parts.setdefault(effect.participant, []).append(
                        (entry, writes[effect.participant])
                    )
        unreached = frozenset(
            name for name in parts if not self._apply_to(name, parts[name], missed)
        )
        for entry, transaction, effects in batch:
            self._advance(entry.txid, transaction, effects, unreached)
        return unreached

    def _apply_to(
        self, name: str, parts: Sequence[tuple[Entry, list[Write]]], missed: Missed
    ) -> bool:
        every_write = [write for _, writes in parts for write in writes]
        try:
            if self.reach(name, lambda store: missed.keeps_back(store, every_write)):
                missed.note(every_write)
                return False
            outcomes = self.reach(name, lambda store: _apply_parts(store, parts))
            # An outcome that cannot be noted now is met again by the next who applies.
            self._note(outcomes)
        except (StoreUnavailable, Corrupt) as error:
            missed.note(every_write)
            if isinstance(error, StoreUnavailable):
                missed.note_unreachable(name)
            txids = ", ".join(entry.txid for entry, _ in parts)
            log.warning("%s: committed, but not applied to %s yet: %s", txids, name, error.reason)
            return False
        return True

    def _advance(
        self,
        txid: str,
        transaction: Transaction,
        effects: Sequence[Effect],
        unreached: frozenset[str],
    ) -> None:
        for effect in effects:
            if isinstance(effect, Apply):
                name = effect.participant
                event = Unreachable(name) if name in unreached else Applied(name)
                transaction, more = step(transaction, event)
            else:
                more = (effect,)
            if more:
                assert more == (ReleaseKeys(),)  # noqa: S101
                try:
                    self._journal.release(txid)
                except StoreUnavailable as error:
                    log.warning("%s: applied, but not marked so yet: %s", txid, error.reason)
                    return
                transaction, _ = step(transaction, KeysReleased())
        if transaction.released and not transaction.waiting:
            with self._listing:
                self._applied[txid] = transaction


def unapplied(store: str, txid: str) -> StoreUnavailable:
    """The error of whoever would see what is committed, where it cannot be made visible now."""
    return StoreUnavailable(
        store=store, reason=f"transaction {txid} is committed but cannot be applied there now"
    )


def _apply_parts(
    store: Participant, parts: Sequence[tuple[Entry, list[Write]]]
) -> Sequence[Heuristic]:
    if len(parts) == 1:
        ((entry, writes),) = parts
        return store.apply(entry.txid, entry.members, writes)
    outcomes: list[Heuristic] = []
    with store.together():
        for entry, writes in parts:
            outcomes += store.apply(entry.txid, entry.members, writes)
    return outcomes
