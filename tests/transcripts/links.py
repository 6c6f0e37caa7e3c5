"""The way from one process to a store or to the journal: it tells what passes, and may fail.

What is told has happened. Crashes and freezes strike further out, in the wrappers of `faults`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Literal, NamedTuple

from grove_sm.commit.contract import Hold, Holder, Journal, Participant, Snapshot
from grove_sm.commit.machine import Decision
from grove_sm.commit.passing import PassesOn
from grove_sm.commit.record import Entry, Recorded
from grove_sm.domain.errors import OutcomeUnknown, StoreUnavailable
from grove_sm.operations.plan import Expectation, Get, Heuristic, Read, Stored, Write
from grove_sm.operations.query import Place, Query
from grove_sm.tracing import TracedHold

Tell = Callable[[str], None]
Lost = Literal["request", "answer"]

JOURNAL: Final = "journal"


class Sent(NamedTuple):
    """An apply as it was sent to a store."""

    txid: str
    members: str
    writes: Sequence[Write]


class Network:
    """What lies between the processes and the stores.

    Attributes:
        down: the stores, and the journal, that nobody can reach.
        read_only: the stores that can be read and not written to.
        sent: every apply that was ever sent, by transaction and store.
    """

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.read_only: set[str] = set()
        self.sent: dict[tuple[str, str], Sent] = {}


class Line:
    """One process's end of the network.

    Attributes:
        losses: effects whose next request or answer gets lost.
    """

    def __init__(self, network: Network, tell: Tell) -> None:
        self.network = network
        self.tell = tell
        self.losses: dict[str, Lost] = {}

    def check(self, label: str, name: str) -> None:
        """Raise StoreUnavailable if it is down."""
        if label in self.network.down:
            self.tell(f"** {label} cannot be reached")
            raise StoreUnavailable(store=name, reason="it cannot be reached")

    def check_writable(self, label: str, name: str) -> None:
        """Raise StoreUnavailable if it is read-only."""
        if label in self.network.read_only:
            self.tell(f"** {label} is read-only")
            raise StoreUnavailable(store=name, reason="it is read-only")


class StoreLink:
    """The `Participant` contract over a line."""

    def __init__(self, inner: Participant, label: str, line: Line) -> None:
        self._inner = inner
        self._label = label
        self._line = line

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def local(self) -> bool:
        return self._inner.local

    def read(self, read: Read) -> tuple[Stored, ...]:
        return self._reached.read(read)

    def page(
        self, query: Query, limit: int | None, after: Place | None = None
    ) -> tuple[Stored, ...]:
        return self._reached.page(query, limit, after)

    def counts(self, query: Query, by: str) -> Mapping[str, int]:
        return self._reached.counts(query, by)

    def validate(self, expectations: Sequence[Expectation]) -> bool:
        vote = self._reached.validate(expectations)
        self._line.tell(f"prepare {self._label}: {'yes' if vote else 'no'}")
        return vote

    def apply(self, txid: str, members: str, writes: Sequence[Write]) -> tuple[Heuristic, ...]:
        self._line.network.sent.setdefault((txid, self._label), Sent(txid, members, writes))
        lost = self._line.losses.pop(f"apply {self._label}", None)
        if lost == "request":
            self._line.tell(f"** the request to apply {txid} to {self._label} is lost")
            raise StoreUnavailable(store=self.name, reason="no answer came")
        self._line.check_writable(self._label, self.name)
        outcomes, told = apply_telling(self._reached, Sent(txid, members, writes))
        self._line.tell(f"apply {txid} to {self._label}: {told}")
        if lost == "answer":
            self._line.tell("** the answer is lost")
            raise StoreUnavailable(store=self.name, reason="no answer came")
        return outcomes

    def together(self) -> AbstractContextManager[object]:
        return self._reached.together()

    def redo(self) -> AbstractContextManager[object]:
        return self._reached.redo()

    def force(self) -> None:
        self._reached.force()
        self._line.tell(f"force {self._label}")

    def trim(self) -> None:
        self._reached.trim()

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        return self._reached.snapshot()

    def close(self) -> None:
        self._inner.close()

    @property
    def _reached(self) -> Participant:
        self._line.check(self._label, self.name)
        return self._inner


def apply_telling(store: Participant, sent: Sent) -> tuple[tuple[Heuristic, ...], str]:
    """Apply, and say what that did to each record."""
    before = [store.read(Get(write.collection, write.record_id)) for write in sent.writes]
    outcomes = store.apply(*sent)
    foreign = {(outcome.collection, outcome.record_id): outcome for outcome in outcomes}
    told = []
    for write, found in zip(sent.writes, before, strict=True):
        outcome = foreign.get((write.collection, write.record_id))
        stored = store.read(Get(write.collection, write.record_id))
        if outcome:
            told.append(
                f"{write.record_id} left as it is (expected {outcome.expected}, "
                f"found {outcome.found})"
            )
        elif stored == found:
            revision = stored[0].revision if stored else 0
            told.append(f"{write.record_id} stays r{revision}")
        else:
            told.append(f"{write.record_id} r{stored[0].revision}")
    return outcomes, ", ".join(told)


class JournalLink(PassesOn):
    """The `Journal` contract over a line."""

    def __init__(self, inner: Journal, line: Line) -> None:
        self._inner = inner
        self._line = line

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def coordinator(self) -> int:
        return self._inner.coordinator

    def is_alive(self, coordinator: int) -> bool:
        return self._inner.is_alive(coordinator)

    def has_company(self) -> bool:
        return self._reached.has_company()

    @contextmanager
    def hold(self, entry: Entry, *, one_append: bool) -> Iterator[Hold]:
        with self._reached.hold(entry, one_append=one_append) as inner:
            hold = TracedHold(inner)
            if entry.keys:
                self._tell_hold(entry, hold)
            yield hold
            lost = self._line.losses.pop("decide", None) if hold.asked else None
            if lost == "request":
                self._line.tell(f"** the request to decide {entry.txid} is lost")
                raise StoreUnavailable(store=self.name, reason="no answer came")
        if hold.asked:
            self._tell_decision(entry.txid, hold.asked, hold.decision)
        if lost == "answer":
            self._line.tell("** the answer is lost")
            raise OutcomeUnknown(txid=entry.txid, reason="no answer came")

    def _tell_hold(self, entry: Entry, hold: Hold) -> None:
        if hold.recorded:
            outcome = f"not held, {hold.recorded.txid} has used the idempotency key"
        elif hold.refused_by:
            holders = ", ".join(f"{h.txid} ({h.state})" for h in hold.refused_by)
            outcome = f"refused, held by {holders}"
        else:
            outcome = ", ".join(entry.keys)
        self._line.tell(f"hold keys for {entry.txid}: {outcome}")

    def _tell_decision(self, txid: str, asked: Decision, stands: Decision) -> None:
        late = "" if asked == stands else f", asked too late for {asked.value}"
        self._line.tell(f"decide {txid}: {stands.value}{late}")

    def unapplied(self) -> tuple[Holder, ...]:
        return self._reached.unapplied()

    def load(self, txid: str) -> Entry | None:
        return self._reached.load(txid)

    def abort(self, txid: str) -> Decision:
        decision = self._reached.abort(txid)
        self._tell_decision(txid, Decision.ABORT, decision)
        return decision

    def release(self, txid: str) -> None:
        self._reached.release(txid)
        self._line.tell(f"release keys of {txid}")

    def unfinished(self) -> tuple[Holder, ...]:
        return self._reached.unfinished()

    def finish(self, txids: Sequence[str]) -> None:
        self._reached.finish(txids)
        if txids:
            self._line.tell(f"drop redo of {', '.join(txids)}")

    def note(self, heuristics: Sequence[Heuristic]) -> None:
        self._reached.note(heuristics)
        for heuristic in heuristics:
            self._line.tell(f"note heuristic outcome of {heuristic.txid} at {heuristic.record_id}")

    def recall(self, record_id: str, now: str) -> Recorded | None:
        return self._reached.recall(record_id, now)

    def outcome(self, txid: str) -> Decision | None:
        return self._reached.outcome(txid)

    def history(self, limit: int) -> tuple[tuple[str, str, Entry | None], ...]:
        return self._reached.history(limit)

    def flush(self) -> None:
        self._reached.flush()

    def trim(self) -> None:
        self._reached.trim()

    def forget(self, before: str) -> None:
        self._reached.forget(before)

    def close(self) -> None:
        self._inner.close()

    @property
    def _reached(self) -> Journal:
        self._line.check(JOURNAL, self.name)
        return self._inner
