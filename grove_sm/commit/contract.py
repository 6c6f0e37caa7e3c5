"""The contracts of the two parties that a coordinator works with: participant and journal.

Whoever writes a new kind of store implements `Participant`; a new kind of journal, `Journal` and
`Hold`. Each method says what it may raise and what must hold after it returned. The protocol's
promises rest on these sentences and on nothing else, so a kind that keeps them may be used in
place of any other, and the conformance suites test them one by one.

Where nothing else is said, a method raises StoreUnavailable when its store cannot be reached, is
locked, full or read-only, and Corrupt when what it holds is damaged; after StoreUnavailable the
method may be called again.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from grove_sm.commit.intervention import Intervention
from grove_sm.commit.machine import Decision
from grove_sm.commit.record import Entry, Recorded, Redo, members_of
from grove_sm.domain.errors import Corrupt, StoreUnavailable
from grove_sm.operations.plan import (
    Expectation,
    Get,
    Heuristic,
    Read,
    Scanned,
    Stored,
    Write,
)
from grove_sm.operations.query import Place, Query

OnDamage = Callable[[Corrupt], object]
"""Takes what could not be read, so that the rest can be."""


class AppliesLost(StoreUnavailable):
    """A store has crashed, apart from its coordinators, and lost writes that were not forced.

    See `Participant.redo`.
    """

    def __init__(self, *, store: str) -> None:
        super().__init__(
            store=store, reason="it has crashed, and what was lost is not applied again yet"
        )


class Snapshot(Protocol):
    """A read-only view of a participant as it was at one moment."""

    def read(self, read: Read) -> tuple[Stored, ...]:
        """As `Participant.read`."""

    def page(
        self, query: Query, limit: int | None, after: Place | None = None
    ) -> tuple[Stored, ...]:
        """As `Participant.page`."""

    def counts(self, query: Query, by: str) -> Mapping[str, int]:
        """As `Participant.counts`."""

    def scan(self, collection: str) -> Sequence[Scanned]:
        """Every record of a collection, by id; for a damaged one, the Corrupt that names it.

        After them, by id too, what is left of those that were deleted.

        Where all that are found are sound, but not what they are kept in, or what lists and
        searches find them by, also a Corrupt that says so: there may be others, that cannot be
        found.
        """


class Participant(Protocol):
    """A store's side of the protocol.

    A participant holds records by collection and id. Every method may be called by several
    threads at once, and several processes may use the same store.
    """

    @property
    def name(self) -> str:
        """The store's URL, as errors name it; never a secret."""

    @property
    def local(self) -> bool:
        """Whether `validate` is quick enough to keep other coordinators waiting meanwhile.

        If all participants of a transaction are local, its keys and its decision are one append.
        """

    def read(self, read: Read) -> tuple[Stored, ...]:
        """The records that a read finds, in order of creation time, then id; none that is deleted.

        What was applied before the call began is seen. Each record is whole: the effects of one
        `apply` on this participant are all seen or none.
        """

    def page(
        self, query: Query, limit: int | None, after: Place | None = None
    ) -> tuple[Stored, ...]:
        """The first `limit` records (all, if None) that a query asks for, in its order.

        With `after`, a place in the order: the first that come after it, whether a record is at
        that place or not. Seen is the same as by `read`. What a query asks for is decided by
        `grove_sm.operations.query.admits`, and the order by `place_of`.
        """

    def counts(self, query: Query, by: str) -> Mapping[str, int]:
        """How many records a query asks for, by the value of an indexed field that is no list.

        Those without the field count under the empty string. Seen is the same as by `read`.
        """

    def validate(self, expectations: Sequence[Expectation]) -> bool:
        """Prepare: vote whether every expectation still holds.

        The caller holds the keys of all records that these reads could find, so a vote of True
        stays true until the transaction is applied or aborted. Nothing is written.
        """

    def apply(self, txid: str, members: str, writes: Sequence[Write]) -> tuple[Heuristic, ...]:
        """Make a committed transaction's writes visible, all at once.

        Called at least once per transaction, possibly several times, at once, or long after
        later transactions have changed or deleted the same records; but not before an earlier
        transaction on a same record. Each write must take effect exactly once
        (`grove_sm.commit.redo.judge` decides), so of a record that is deleted a `Deleted` stays
        for good, which no read finds. Returns the heuristic outcomes: writes that met a change
        which no transaction of this library made; those leave the record as it was found.

        The effect need not be durable. It may be lost in a power cut that no coordinator survives
        (see `Journal`); a store that may lose it otherwise tells so (see `redo`).
        """

    def together(self) -> AbstractContextManager[object]:
        """Several `apply` calls of this thread in one go; if the block raises, none took place."""

    def redo(self) -> AbstractContextManager[object]:
        """As `together`, for applying again what the store has lost.

        A store whose process is not its coordinators' may crash alone, and then lose writes that
        were applied but not forced, which no coordinator would know of. From then on its other
        methods raise AppliesLost, for everybody. Whoever meets that applies in such a block, in
        commit order, whatever the journal keeps the redo of. Once the block has ended the store is
        whole again; if it raises, nothing of it took place.
        """

    def force(self) -> None:
        """Make durable everything that any `apply` made visible before this call."""

    def trim(self) -> None:
        """Reclaim what the store's own log no longer needs. Never necessary, never harmful."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """A view of this moment, unaffected by what is applied while it is open."""

    def close(self) -> None:
        """Let go of files and connections. Makes nothing durable and finishes nothing."""


class Holder(NamedTuple):
    """An unfinished transaction as others meet it.

    `state` is `planned` (undecided), `committed` (somebody may not see its writes yet) or
    `applied` (its keys are free; its writes are visible, but may not be durable everywhere yet).
    `keys` are what it holds and `members` what it writes, as (collection, id); None where damage
    has left that unknown, and it then has to be taken to touch everything.
    """

    txid: str
    coordinator: int
    state: str
    keys: frozenset[str] | None
    members: frozenset[tuple[str, str]] | None

    def touches(self, read: Read) -> bool:
        """Whether its writes may show in a read."""
        if self.members is None:
            return True
        if isinstance(read, Get):
            return tuple(read) in self.members
        return any(collection == read.collection for collection, _ in self.members)


class Opener(NamedTuple):
    """Who opened a journal as one of its coordinators, and when."""

    host: str
    process: int
    opened_at: str


class Recounted(NamedTuple):
    """What the journal keeps of a transaction for people to read.

    `times` tells when the transaction came to each of the states that it has been in, as far as
    that is known, in order. `entry` is without redo; it and `redo` are None where they are
    damaged, `redo` also before the decision and once the transaction is finished. `damage` says
    what could not be read.
    """

    txid: str
    coordinator: int
    state: str
    times: tuple[tuple[str, str], ...]
    entry: Entry | None
    redo: Redo | None
    damage: Corrupt | None

    @property
    def keys(self) -> tuple[str, ...] | None:
        """What it holds or held; None where damage hides that."""
        part = self.entry or self.redo
        return None if part is None else part.keys

    @property
    def members(self) -> tuple[tuple[str, str, int], ...] | None:
        """What it writes, as (collection, id, revision); None where damage hides that."""
        if self.entry is not None:
            return members_of(self.entry.members)
        if self.redo is not None:
            return tuple((w.collection, w.record_id, w.revision) for w in self.redo.writes)
        return None


class Hold(Protocol):
    """The keys of one transaction, held or refused, until the `with` block that it opens ends.

    Inside the block at most one decision may be made. Leaving it without one aborts.
    """

    @property
    def refused_by(self) -> tuple[Holder, ...]:
        """Whoever holds any of the keys; empty when they are held by this transaction."""

    @property
    def recorded(self) -> Recorded | None:
        """What an earlier transaction recorded under the same idempotency key, if any."""

    def decide(self, decision: Decision) -> None:
        """Ask for an outcome. It is durable, and known, only once the block has been left."""

    @property
    def decision(self) -> Decision:
        """After the block: the outcome that stands, which may not be the one asked for."""


class Watch(Protocol):
    """Notices that something may have been decided, by whatever coordinator."""

    def wait(self, seconds: float) -> bool:
        """Wait until there may have been a decision since the watch began, or since this was
        asked last; at most so long. Whether there may have been one.

        It may come a moment before what was decided can be read, and may be noticed for nothing.
        """


class Journal(Protocol):
    """Where transactions are decided. Threads and processes share one; its decisions are final.

    Whoever opens a journal when no other coordinator lives takes back every mark that `release`
    left: what was `applied` is `committed` again and holds its keys, before anybody else can open
    it. The last to have lived may have ended in a power cut, which leaves the marks but not what
    they tell of. While somebody lives no power has been cut, and marks are believed.
    """

    @property
    def name(self) -> str:
        """The journal's URL, as errors name it; never a secret."""

    @property
    def coordinator(self) -> int:
        """This coordinator's number, never used again by another one."""

    def is_alive(self, coordinator: int) -> bool:
        """Whether a coordinator lives, by a lock that the system releases when it dies.

        True may be outdated a moment later; False never is.
        """

    def has_company(self) -> bool:
        """Whether another coordinator of this journal lives."""

    def hold(self, entry: Entry, *, one_append: bool) -> AbstractContextManager[Hold]:
        """Hold an entry's keys from before its preconditions are checked.

        With `one_append` no other decision is made while the block lasts, and nothing is written
        before it. Without, the keys are recorded as held at once (unforced), others go on, and
        somebody may abort the transaction meanwhile if its coordinator is dead.

        On leaving the block a decision to commit has been forced (perhaps together with those of
        other threads). Raises StoreUnavailable if it certainly was not recorded, OutcomeUnknown
        if that could not be found out.
        """

    def unapplied(self) -> tuple[Holder, ...]:
        """Every transaction whose keys are held: undecided, or committed and not marked applied.

        Of several that hold a same key, which only marks that were taken back can lead to, those
        committed first come first. What this process has `release`d is left out, at once. Costs
        nothing for history.
        """

    def load(self, txid: str) -> Entry | None:
        """The entry of an unfinished transaction; None if it is finished, aborted or unknown.

        Raises Corrupt, naming the place, if its record is damaged.
        """

    def abort(self, txid: str) -> Decision:
        """Decide an undecided transaction of a dead coordinator; answers what stands (COMMIT if
        it was committed before)."""

    def release(self, txid: str) -> None:
        """Mark a committed transaction as applied and let go of its keys.

        In this process it counts at once; for others it may take effect a little later, and it
        may be lost in a crash. Both only cost somebody a repeated, harmless apply.
        """

    def unfinished(self) -> tuple[Holder, ...]:
        """Every transaction that the journal still keeps the redo of, in commit order."""

    def finish(self, txids: Sequence[str]) -> None:
        """Drop the redo of applied transactions whose participants hold the writes durably."""

    def note(self, heuristics: Sequence[Heuristic]) -> None:
        """Record heuristic outcomes, durably, for audit and an operator.

        One that has been recorded, or resolved, is not recorded again.
        """

    def heuristics(self, on_damage: OnDamage | None = None) -> tuple[Heuristic, ...]:
        """Every recorded heuristic outcome that nobody has resolved.

        Raises Corrupt for a damaged one, unless `on_damage` takes it.
        """

    def interventions(self, on_damage: OnDamage | None = None) -> tuple[Intervention, ...]:
        """Everything that operators did, in order; damage as in `heuristics`."""

    def intervene(self, intervention: Intervention) -> None:
        """Record, durably, that an operator has resolved a heuristic outcome.

        Raises StateConflict if somebody has resolved it before.
        """

    def discard(
        self, intervention: Intervention, heuristics: Sequence[Heuristic], *, has_effect: bool
    ) -> None:
        """Let go of the damaged record of an unfinished transaction, durably.

        Its keys are free and its redo is gone, and who did it is recorded. It counts as committed
        if it had been decided, or has an effect that can be seen; then the outcomes that this
        leaves are recorded too. Otherwise it counts as aborted. All of this is one step.

        Raises NotFound if there is no such unfinished transaction, StateConflict if its record is
        whole, which recovery then brings to its end.
        """

    def recall(self, record_id: str, now: str) -> Recorded | None:
        """What is recorded under an idempotency key that has not run out."""

    def outcome(self, txid: str) -> Decision | None:
        """The decision on a transaction: COMMIT, ABORT, or None while it is undecided.

        One that the journal never heard of is presumed aborted, and from then on it is. Raises
        NotFound if it is older than what is kept.
        """

    def recount(self, txid: str) -> Recounted | None:
        """What is kept of a transaction; None if the journal has no record of it."""

    def opener(self, coordinator: int) -> Opener | None:
        """Who opened the journal as a coordinator; None if that is not known any more."""

    def history(self, limit: int) -> tuple[tuple[str, str, Entry | None], ...]:
        """The newest transactions: id, state, and entry without redo (None where damaged)."""

    def watch(self) -> AbstractContextManager[Watch | None]:
        """A watch for decisions that lasts as long as the block; None if this kind cannot tell.

        For one thread. While it waits, it does not look at the journal again and again.
        """

    def flush(self) -> None:
        """Write marks that `release` has so far only remembered."""

    def trim(self) -> None:
        """Reclaim what the journal's own log no longer needs."""

    def forget(self, before: str) -> None:
        """Forget outcomes and run-out keys from before this time, a bounded number a call.

        Transactions that had a heuristic outcome are kept.
        """

    def close(self) -> None:
        """Let go of files, connections and liveness. Decides nothing and finishes nothing."""
