"""What drives the commit machine: plans operations, runs transactions, settles what others left.

A coordinator is used by any number of threads at once. It never guesses: what it cannot see
through itself it leaves in the journal, where the next who needs it, the housekeeping or a
recovery takes it up.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime
from itertools import count
from typing import Any, Final, NamedTuple

from grove_sm import blocking
from grove_sm.commit.applier import Applier, unapplied
from grove_sm.commit.contract import (
    Hold,
    Holder,
    Journal,
    OnDamage,
    Participant,
    Snapshot,
    Watch,
)
from grove_sm.commit.machine import (
    DecisionRecorded,
    KeysHeld,
    KeysRefused,
    Prepare,
    RecordDecision,
    Voted,
    begin,
    resume,
    step,
)
from grove_sm.commit.record import Entry, Recorded, make_entry
from grove_sm.commit.snapshots import snapshots
from grove_sm.commit.txid import make_txid
from grove_sm.domain.errors import (
    GroveError,
    InDoubt,
    StateConflict,
    StoreUnavailable,
)
from grove_sm.domain.values import format_time, parse_time
from grove_sm.operations.plan import (
    Expectation,
    Facts,
    Find,
    IdempotencyKey,
    MissingFacts,
    Plan,
    Read,
    Stored,
    make_plan,
)
from grove_sm.operations.query import Place, Query, all_pages

_FEWEST_ATTEMPTS: Final = 100
_FIRST_PAUSE: Final = 0.001
_LONGEST_PAUSE: Final = 0.05
_LONGEST_IF_TOLD: Final = 0.2
_KEPT_CHANGING: Final = "what it relies on kept changing; try again"


class Executed(NamedTuple):
    """What became of an operation.

    `txid` is None if there was nothing to write; `plan` is None if an earlier request under the
    same idempotency key had already done it, and `result` is then what that one recorded.
    """

    txid: str | None
    plan: Plan | None
    result: Mapping[str, Any]


class Coordinator:
    """Runs operations as transactions over a journal and its participants.

    Args:
        journal: where transactions are decided.
        participants: the store of each collection; the same object for those that share one.
        clock: the time now, with a zone.
        random: a new random name at each call.
        patience: seconds to wait for a live, undecided holder of a key.
        sleep: waits for so many seconds, between two looks at such a holder; by default until
            something is decided, where the journal can tell.
    """

    def __init__(
        self,
        journal: Journal,
        participants: Mapping[str, Participant],
        *,
        clock: Callable[[], datetime],
        random: Callable[[], str],
        patience: float = 2.0,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self.journal = journal
        self.participants = participants
        self.stores = {store.name: store for store in participants.values()}
        self.clock = clock
        self.random = random
        self._patience = patience
        self._sleep = sleep
        self.applier = Applier(journal, participants)
        self.on_given_up: Callable[[], object] = _nobody_is_told
        self._working: set[str] = set()

    def now(self) -> str:
        """The time now, in the protocol's form."""
        return format_time(self.clock())

    def read(self, read: Read) -> tuple[Stored, ...]:
        """What a read finds, once every committed transaction that shows in it is applied.

        Raises StoreUnavailable or Corrupt.
        """
        self._settle_committed(read)
        name = self.participants[read.collection].name
        return self.applier.reach(name, lambda store: store.read(read))

    def page(
        self, query: Query, limit: int | None, after: Place | None = None
    ) -> tuple[Stored, ...]:
        """The first records that a query asks for, under the same promise as `read`."""
        self._settle_committed(Find(query.collection, query.where))
        name = self.participants[query.collection].name
        return self.applier.reach(name, lambda store: store.page(query, limit, after))

    def pages(self, query: Query, size: int) -> Iterator[Stored]:
        """Every record that a query asks for, read so many at a time as they are asked for.

        A record that is changed meanwhile may be left out, or not.
        """
        return all_pages(self.page, query, size)

    def counts(self, query: Query, by: str) -> Mapping[str, int]:
        """How many records a query asks for, by the value of a field, promised as by `read`."""
        self._settle_committed(Find(query.collection, query.where))
        name = self.participants[query.collection].name
        return self.applier.reach(name, lambda store: store.counts(query, by))

    def execute(
        self,
        operation: Callable[[Facts], Plan],
        *,
        now: str,
        idempotency: IdempotencyKey | None = None,
    ) -> Executed:
        """Plan an operation at a time `now` and make its writes visible, all or none.

        On return they are durable, and every reader sees them. Raises what the operation refuses
        with; StateConflict if the key was used for another request; InDoubt if a live undecided
        transaction kept a key for longer than our patience; StoreUnavailable (nothing was
        written); OutcomeUnknown.
        """
        with ExitStack() as waiting:
            return self._execute(operation, now, idempotency, waiting)

    def _execute(
        self,
        operation: Callable[[Facts], Plan],
        now: str,
        idempotency: IdempotencyKey | None,
        waiting: ExitStack,
    ) -> Executed:
        watch: Watch | None = None
        deadline = time.monotonic() + self._patience
        for attempt in count():
            if attempt >= _FEWEST_ATTEMPTS and time.monotonic() >= deadline:
                break
            replayed = self._replayed(idempotency, now)
            if replayed is not None:
                return replayed
            try:
                plan = self._plan(operation, hopeful=attempt == 0)
            except GroveError:
                # What it is refused for may be that the same request has just been done.
                replayed = self._replayed(idempotency, now)
                if replayed is None:
                    raise
                return replayed
            if not plan.writes and idempotency is None:
                return Executed(None, plan, plan.result)
            entry = make_entry(
                plan,
                txid=make_txid(parse_time(now), self.journal.coordinator, self.random()),
                coordinator=self.journal.coordinator,
                created_at=now,
                idempotency=idempotency,
            )
            with self._working_on(entry.txid):
                hold, is_committed = self._run(entry, plan.expectations)
            if is_committed:
                return Executed(entry.txid, plan, plan.result)
            if hold.recorded is not None and idempotency is not None:
                return _replay(hold.recorded, idempotency)
            for holder in hold.refused_by:
                if self._settle(holder, plan, deadline):
                    self._pause(watch, attempt)
                    if watch is None and self._sleep is None:
                        # For the next time: this holder may be gone by now.
                        watch = waiting.enter_context(self.journal.watch())
        raise StateConflict(record=plan.operation, reason=_KEPT_CHANGING)

    def is_abandoned(self, holder: Holder) -> bool:
        """Whether nobody is at work on an unfinished transaction any more."""
        if holder.coordinator == self.journal.coordinator:
            return holder.txid not in self._working
        return not self.journal.is_alive(holder.coordinator)

    def settle_abandoned(self, holder: Holder) -> bool:
        """Abort an abandoned undecided transaction; whether it was ours to abort."""
        transaction, effects = resume(holder.state, ())
        assert isinstance(effects[0], RecordDecision)  # noqa: S101
        decision = self.journal.abort(holder.txid)
        transaction, _ = step(transaction, DecisionRecorded(decision))
        return transaction.phase == "aborted"

    def snapshots(
        self, on_damage: OnDamage | None = None
    ) -> AbstractContextManager[Mapping[str, Snapshot]]:
        """A view of every collection at one moment between transactions.

        Raises StoreUnavailable if what is committed cannot be made visible first, and Corrupt for
        a damaged record of the journal, unless `on_damage` takes it.
        """
        return snapshots(self.journal, self.participants, self.applier, self._barrier, on_damage)

    def _replayed(self, idempotency: IdempotencyKey | None, now: str) -> Executed | None:
        """What an earlier request under the same key has done, if there was one."""
        if idempotency is None:
            return None
        recorded = self.journal.recall(idempotency.record_id, now)
        return None if recorded is None else _replay(recorded, idempotency)

    def _plan(self, operation: Callable[[Facts], Plan], *, hopeful: bool) -> Plan:
        """What an operation plans to do. Raises what it refuses with.

        Where it writes, what it read is validated later, with the keys held. A refusal, or a
        result without writes, counts only if what it rests on was there at one moment.
        """
        for _ in range(_FEWEST_ATTEMPTS):
            known: dict[Read, tuple[Stored, ...]] = {}
            try:
                plan = self._plan_from(known, operation, hopeful=hopeful)
                if plan.writes or self._held_at_once(known):
                    return plan
            except StoreUnavailable:
                # That a read failed is no refusal, and to ask again would be to wait again.
                raise
            except GroveError:
                if self._held_at_once(known):
                    raise
        raise StateConflict(record="the operation", reason=_KEPT_CHANGING)

    def _plan_from(
        self,
        known: dict[Read, tuple[Stored, ...]],
        operation: Callable[[Facts], Plan],
        *,
        hopeful: bool,
    ) -> Plan:
        """Plan with what is known, and read what else it takes into that."""
        while True:
            try:
                return operation(Facts(known, hopeful=hopeful))
            except MissingFacts as missing:
                for read in missing.reads:
                    known[read] = self.read(read)

    def _held_at_once(self, known: Mapping[Read, tuple[Stored, ...]]) -> bool:
        """Whether all reads found what was there at one moment, though they came one by one.

        Where a second look finds the same, it was so from the last of the first to the first of
        the second (a double collect; Afek et al., "Atomic snapshots of shared memory", 1993).
        """
        return len(known) < 2 or all(self.read(read) == found for read, found in known.items())

    @contextmanager
    def _working_on(self, txid: str) -> Iterator[None]:
        """What is left by an error may be undecided still, if the journal could not abort it."""
        self._working.add(txid)
        try:
            yield
        except BaseException:
            self._working.discard(txid)
            self.on_given_up()
            raise
        self._working.discard(txid)

    def _run(self, entry: Entry, expectations: Sequence[Expectation]) -> tuple[Hold, bool]:
        """Take a new transaction as far as it goes; whether it was committed."""
        expected: dict[str, list[Expectation]] = {}
        for expectation in expectations:
            name = self.participants[expectation.read.collection].name
            expected.setdefault(name, []).append(expectation)
        voters, writers = tuple(expected), tuple(self.applier.by_store(entry.writes))
        one_append = all(self.stores[name].local for name in {*voters, *writers})
        transaction, _ = begin(voters, writers)
        with self.journal.hold(entry, one_append=one_append) as hold:
            if hold.recorded is not None:
                return hold, False
            event = KeysRefused() if hold.refused_by else KeysHeld()
            transaction, effects = step(transaction, event)
            queue = deque(effects)
            while queue:
                effect = queue.popleft()
                if isinstance(effect, RecordDecision):
                    hold.decide(effect.decision)
                    break
                assert isinstance(effect, Prepare)  # noqa: S101
                vote = self._vote(effect.participant, expected[effect.participant])
                transaction, effects = step(transaction, Voted(effect.participant, vote))
                if effects:
                    queue = deque(effects)
        if transaction.phase == "aborted":
            return hold, False
        transaction, effects = step(transaction, DecisionRecorded(hold.decision))
        if transaction.phase == "aborted":
            return hold, False
        self.applier.accept(entry, transaction, effects)
        return hold, True

    def _vote(self, store: str, expectations: Sequence[Expectation]) -> bool:
        return self.applier.reach(store, lambda participant: participant.validate(expectations))

    def _settle_committed(self, read: Read) -> None:
        """Bring every committed transaction that shows in a read to its end.

        A part of it on another store, which is down now, is nobody's to see yet.
        """
        met = self.journal.unapplied()
        touching = [h.txid for h in met if h.state == "committed" and h.touches(read)]
        if touching:
            name = self.participants[read.collection].name
            for txid, unreached in self.applier.roll_forward(touching, met).items():
                if name in unreached:
                    raise unapplied(name, txid)

    def _settle(self, holder: Holder, plan: Plan, deadline: float) -> bool:
        """Get a holder of our keys out of the way; whether it has to be waited for.

        Raises InDoubt, StoreUnavailable or Corrupt.
        """
        if holder.state == "committed":
            self.applier.roll_forward_everywhere([holder.txid], self.journal.unapplied())
        elif self.is_abandoned(holder):
            self.settle_abandoned(holder)
        elif time.monotonic() >= deadline:
            keys = ", ".join(sorted(set(plan.keys) & (holder.keys or set())))
            raise InDoubt(record=keys, txid=holder.txid, coordinator=holder.coordinator)
        else:
            return True
        return False

    def _pause(self, watch: Watch | None, attempt: int) -> None:
        """Wait before the next look at a holder: longer each time, or until it is told of.

        What was decided may be something else; where much is, looks are rare all the same.
        """
        if watch is not None and not watch.wait(_LONGEST_IF_TOLD):
            return
        (self._sleep or blocking.sleep)(min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE))

    def _barrier(self) -> Entry:
        """A transaction without keys, which keeps others from deciding while it is held."""
        nothing = make_plan("audit", Facts({}), writes=(), keys=(), result={})
        coordinator = self.journal.coordinator
        txid = make_txid(self.clock(), coordinator, self.random())
        return make_entry(nothing, txid=txid, coordinator=coordinator, created_at=self.now())


def _nobody_is_told() -> None:
    """There is no housekeeping."""


def _replay(recorded: Recorded, idempotency: IdempotencyKey) -> Executed:
    differing = sorted(
        field
        for field in {*recorded.fields, *idempotency.fields}
        if recorded.fields.get(field) != idempotency.fields.get(field)
    )
    if differing:
        raise StateConflict(
            record=f"idempotency key {idempotency.key!r}",
            reason=f"it was used for another request, which differs in {', '.join(differing)}",
        )
    return Executed(recorded.txid, None, recorded.result)
