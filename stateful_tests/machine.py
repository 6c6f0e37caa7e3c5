"""A deployment that is used, and badly treated, at random; checked after every step."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

from hypothesis import currently_in_test_context, target
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from faults.schedule import Crash, When
from faults.weather import Meanwhile, Outage
from faults.wrappers import JOURNAL
from grove_sm.commit.housekeeping import forget
from grove_sm.domain import format_time, parse_time
from grove_sm.domain.errors import NotFound, StoreUnavailable
from grove_sm.lifecycles import observe
from grove_sm.operations.audit import AuditReport
from grove_sm.operations.layout import CREDITS, account_record
from grove_sm.operations.plan import Get, Write
from models.possible import Possible, Unknown
from models.records import Records
from models.requests import Grant, Request
from stateful_tests.beginning import REFERENCE, Beginning
from stateful_tests.deployment import HABITS, Asked, Deployment, Ended, Watcher
from stateful_tests.forecast import OUTAGES, Forecast, forecasts
from stateful_tests.observing import Mirror, view
from stateful_tests.process import Process
from stateful_tests.sketches import AGENTS, RIVALRIES, Rival, Sketch, sketches
from stateful_tests.tally import Tally
from stateful_tests.tape import Tape
from tests.kinds.placement import Placement

_KEPT: Final = timedelta(days=7)
_MOMENTS: Final = (1.0, 5.0, 400.0, 4000.0, 100_000.0, -1.0, -90.0)
_PAUSES: Final = (0.0, 5.0, 4000.0)

# Where nobody is in the middle of an append, so that others can go on meanwhile.
_PAUSE_AT: Final[dict[tuple[bool, When], frozenset[str]]] = {
    (True, "before"): frozenset({"hold", "apply", "release"}),
    (True, "after"): frozenset({"leave", "apply", "release"}),
    (False, "before"): frozenset({"hold", "validate", "decide", "leave", "apply", "release"}),
    (False, "after"): frozenset({"hold", "validate", "decide", "leave", "apply", "release"}),
}
WHENS: Final[Sequence[When]] = ("before", "after")
_PAUSE_IN_RECOVERY: Final = frozenset({"abort", "apply", "release", "force", "finish"})


class Pause(NamedTuple):
    """A process stops at an effect, for so many seconds; others may take it for dead then."""

    at: int
    when: When
    seconds: float
    looks_dead: bool


def _keep_house(process: Process) -> None:
    for store in process.coordinator.stores.values():
        store.trim()
    process.coordinator.journal.trim()
    forget(process.coordinator, _KEPT)


_CHORES: Final[Mapping[str, Callable[[Process], object]]] = {
    "read": lambda process: view(process.coordinator, len(process.schedule.effects)),
    "audit": lambda process: process.grove.audit(),
    "flush": lambda process: process.grove.flush(),
    "keep house": _keep_house,
    "leave": lambda process: process.grove.close(),
}


slots: Final = st.integers(0, len(HABITS) - 1)
# Who applies several transactions together has its stores' locks meanwhile.
stoppable: Final = st.sampled_from([slot for slot, habits in enumerate(HABITS) if habits.lag == 1])
pauses: Final = st.builds(
    Pause,
    st.integers(0, 12),
    st.sampled_from(WHENS),
    st.sampled_from(_PAUSES),
    st.booleans(),
)


class History(RuleBasedStateMachine):
    """One random history of a deployment.

    Args:
        original: where the deployment is.
        copy: where it is copied to, to look at it.
        beginning: what `original` holds at first.
        total: where this history's counts are added in the end.

    Attributes:
        meets_foreigner: whether other software changes a record in the end.
    """

    meets_foreigner = True

    def __init__(
        self, original: Placement, copy: Placement, beginning: Beginning, total: Tally
    ) -> None:
        super().__init__()
        original.restore(beginning.saved)
        self._deployment = Deployment(original, "step")
        self._mirror = Mirror(original, copy, self._deployment.clock)
        self._possible = Possible(REFERENCE, beginning.world)
        self._total = total
        self._view = beginning.world.records.visible
        self._ended: list[Asked] = []
        self._requests: list[tuple[Request, str | None]] = []
        self._first: dict[tuple[Request, str | None], Any] = {}
        self._unknown: list[tuple[str, int]] = []
        self._unsubscribe = observe(self._deployment.tally.observe)

    @property
    def tally(self) -> Tally:
        """What has happened so far, in numbers."""
        return self._deployment.tally

    @property
    def story(self) -> Sequence[str]:
        """What has happened so far, in words."""
        return self._deployment.story

    @property
    def moments(self) -> Sequence[float]:
        """In how many seconds each time that stands in a record will come, soonest first."""
        now = self._deployment.clock()
        times = {
            parse_time(value)
            for records in vars(self._view).values()
            for record in records.values()
            for name, value in _fields(record).items()
            if value is not None and (name.endswith("_at") or name == "deadline")
        }
        return sorted((time - now).total_seconds() for time in times if time > now)

    @property
    def is_in_doubt(self) -> bool:
        """Whether somebody does not know what became of a transaction, and can ask."""
        return bool(self._unknown)

    def watch(self, watcher: Watcher) -> None:
        """Have somebody told, from now on, what processes do."""
        self._deployment.watcher = watcher

    def keep(self, tape: Tape) -> None:
        """Have a trace kept, from now on, of what processes do."""
        self._deployment.tape = tape

    # What callers do.

    @rule(slot=slots, sketch=sketches(), faults=forecasts())
    def call(self, slot: int, sketch: Sketch, faults: list[Forecast]) -> None:
        """Somebody asks for something."""
        self._ask(slot, sketch.fit(self._view), sketch.idempotency_key, faults)

    @precondition(lambda self: self._requests)
    @rule(slot=slots, nth=st.integers(0, 3), faults=forecasts())
    def ask_again(self, slot: int, nth: int, faults: list[Forecast]) -> None:
        """Somebody asks for the same as before, perhaps because it was not answered."""
        request, key = self._requests[-1 - nth % len(self._requests)]
        self._ask(slot, request, key, faults)

    @rule(
        slot=stoppable,
        other=st.integers(1, len(HABITS) - 1),
        sketch=sketches(),
        rival=st.builds(Rival, st.sampled_from(RIVALRIES), sketches()),
        pause=pauses,
        faults=forecasts(),
    )
    def race(
        self,
        *,
        slot: int,
        other: int,
        sketch: Sketch,
        rival: Rival,
        pause: Pause,
        faults: list[Forecast],
    ) -> None:
        """A process is stopped in the middle of a call, while another makes one of its own."""
        verbs = _PAUSE_AT[HABITS[slot].one_append, pause.when]
        stop = self._stop(slot, other, rival.of(sketch), pause, verbs)
        request, key = sketch.fit(self._view), sketch.idempotency_key
        self._requests.append((request, key))
        self._ended.append(self._deployment.ask(slot, request, key, faults, more=[stop]))

    @precondition(lambda self: self.is_in_doubt)
    @rule(slot=slots, nth=st.integers(0, 3))
    def ask_outcome(self, slot: int, nth: int) -> None:
        """Whoever does not know what became of a transaction asks, and somebody else does."""
        txid, lost_in = self._unknown[nth % len(self._unknown)]
        for asking in dict.fromkeys((lost_in, slot)):
            ended = self._deployment.attempt(
                asking, "outcome", lambda process: process.grove.outcome(txid)
            )
            if not isinstance(ended.error, NotFound):
                self._excuse(ended)
            if ended.result in ("committed", "aborted"):
                self._possible.told(txid, happened=ended.result == "committed")

    # What happens to processes.

    @rule(slot=slots, faults=forecasts())
    def restart(self, slot: int, faults: list[Forecast]) -> None:
        """A process is killed, and started again, if that succeeds."""
        self._deployment.kill(slot)
        self._excuse(self._deployment.start(slot, faults))

    @rule(
        slot=stoppable,
        other=st.integers(1, len(HABITS) - 1),
        sketch=sketches(),
        pause=pauses,
        faults=forecasts(),
    )
    def recover(
        self, *, slot: int, other: int, sketch: Sketch, pause: Pause, faults: list[Forecast]
    ) -> None:
        """A process recovers what others left, while another is at work."""
        stop = self._stop(slot, other, sketch, pause, _PAUSE_IN_RECOVERY)
        ended = self._deployment.attempt(
            slot, "recover", lambda process: process.grove.recover(), faults, more=[stop]
        )
        self._excuse(ended)
        report = ended.result
        if report is not None:
            assert ended.disturbed or not report.in_doubt, report
            assert not report.corrupt, report

    @rule(
        slot=slots,
        chore=st.sampled_from(["read", "audit", "flush", "keep house", "leave"]),
        faults=forecasts(),
    )
    def do(self, slot: int, chore: str, faults: list[Forecast]) -> None:
        """A process does something that changes nothing that is seen."""
        ended = self._deployment.attempt(slot, chore, _CHORES[chore], faults)
        self._excuse(ended)
        if chore == "leave":
            self._deployment.kill(slot)
        elif isinstance(ended.result, Records):
            self._possible.seen(ended.result)
        elif isinstance(ended.result, AuditReport):
            assert ended.result.ok, ended.result

    # What the world does.

    @rule(seconds=st.sampled_from(_MOMENTS))
    def pass_time(self, seconds: float) -> None:
        """Time passes, or the clock is put back."""
        self._deployment.clock.move(seconds)

    @rule(
        slot=slots,
        place=st.integers(0, 5),
        trouble=st.sampled_from(OUTAGES),
        calls=st.sampled_from([1, 3, 8, None, 0]),
    )
    def break_down(self, slot: int, place: int, trouble: str, calls: int | None) -> None:
        """A process is in trouble with a store or the journal, for a while, or no more (0)."""
        process = self._deployment.process(slot)
        places = [JOURNAL, *process.places]
        if calls == 0:
            process.outages.clear()
        else:
            process.outages.append(Outage(places[place % len(places)], trouble, calls))

    @precondition(lambda self: self._deployment.may_lose_power)
    @rule(
        survivors=st.lists(st.integers(0, 3), min_size=6, max_size=6),
        place=st.integers(0, 5),
        trouble=st.sampled_from([None, *OUTAGES]),
        calls=st.sampled_from([1, 3, 8, None]),
    )
    def cut_power(
        self, *, survivors: list[int], place: int, trouble: str | None, calls: int | None
    ) -> None:
        """All die at once, what was not forced is lost in part, and a store may fail then."""
        outage = None
        if trouble is not None:
            stores = [part for part in self._deployment.placement.parts if part != JOURNAL]
            outage = Outage(stores[place % len(stores)], trouble, calls)
        self._deployment.cut_power(survivors, outage)

    @precondition(lambda self: self._deployment.post.calls)
    @rule(nth=st.integers(0, 3))
    def deliver(self, nth: int) -> None:
        """Something that was sent long ago arrives, in order or not."""
        self._deliver(nth % len(self._deployment.post.calls))

    # What must hold.

    @invariant()
    def every_promise_is_kept(self) -> None:
        """All calls together did what whole operations do (P1, P3, P5), as acknowledged (P2)."""
        self.tally.counts["steps"] += 1
        with self._mirror.look() as (looked, grove):
            ended, self._ended = self._ended, []
            heard = [each for asked in ended for each in asked.heard()]
            self._possible.heard(*heard)
            self._possible.seen(looked)
            self._view = looked
            for asked in ended:
                self._note_answer(asked)
            self._one_holder_for_each_target(looked)
            report = grove.audit()
            assert report.ok, report
            recovery = grove.recovery
            assert not recovery.in_doubt, recovery
            if recovery.rolled_forward or recovery.rolled_back:
                assert view(grove.coordinator) == looked, "recovery changed what readers see"

    def teardown(self) -> None:
        """Recovery from anything leaves nothing to recover (P6), and is not undone by late mail."""
        try:
            if sys.exc_info()[0] is None:
                self._finale()
                self._count()
        finally:
            self._unsubscribe()
            self._deployment.close()

    # How that is done.

    def _ask(self, slot: int, request: Request, key: str | None, faults: list[Forecast]) -> None:
        self._requests.append((request, key))
        known = key is not None and self._possible.remembers(
            request, key, format_time(self._deployment.clock())
        )
        asked = self._deployment.ask(slot, request, key, faults)
        asked.repeats = known
        self._ended.append(asked)

    def _stop(
        self, slot: int, other: int, sketch: Sketch, pause: Pause, verbs: frozenset[str]
    ) -> Meanwhile:
        """Somebody else's call, and time that passes, while the process of a slot is stopped."""
        records = self._view
        deployment = self._deployment
        rival = (slot + other) % len(HABITS)
        stopped = deployment.process(slot)
        begun = len(stopped.schedule.effects)
        deployment.process(rival)

        def meanwhile() -> None:
            deployment.clock.move(pause.seconds)
            believed_dead = deployment.process(rival).believed_dead
            if pause.looks_dead:
                believed_dead.add(stopped.coordinator.journal.coordinator)
            asked = deployment.ask(rival, sketch.fit(records), sketch.idempotency_key)
            believed_dead.clear()
            asked.raced = True
            self._ended.append(asked)

        return Meanwhile(begun + pause.at, pause.when, "another goes on", meanwhile, verbs)

    def _excuse(self, ended: Ended) -> None:
        """Only a disturbed action may fail."""
        if ended.error is not None:
            assert isinstance(ended.error, StoreUnavailable | Crash), repr(ended.error)
            assert ended.is_excused(ended.error), f"failed in good weather: {ended.error!r}"

    def _note_answer(self, asked: Asked) -> None:
        assert asked.call is not None
        for _, heard in asked.heard():
            if isinstance(heard, Unknown) and heard.txid is not None:
                self._unknown.append((heard.txid, asked.slot))
        if asked.call.key is None:
            return
        name = asked.call.request, asked.call.key
        if not asked.repeats:
            # Not answered, it may have happened all the same; whoever repeats it is told how.
            self._first.pop(name, None)
        # That nothing was there to be picked up is not kept under a key.
        if asked.result is not None:
            assert self._first.setdefault(name, asked.result) == asked.result, "another result"

    def _one_holder_for_each_target(self, records: Records) -> None:
        now = format_time(self._deployment.clock())
        live = [
            claim.target_ref
            for claim in records.claims.values()
            if claim.status == "active" and claim.lease_expires_at > now
        ]
        assert len(live) == len(set(live)), f"two live claims on one target: {live}"

    def _deliver(self, index: int) -> None:
        try:
            effect, outcomes = self._deployment.post.deliver(index)
        except StoreUnavailable:
            # Its process closed the connection in the meantime.
            return
        self._deployment.tell(f"{effect} arrives")
        assert outcomes == (), f"a late {effect} met a change that is not the library's"

    def _finale(self) -> None:
        deployment = self._deployment
        deployment.calm()
        for _ in range(2):
            process = deployment.process(0)
            journal = process.coordinator.journal
            assert journal.unapplied() == journal.unfinished() == ()
            assert journal.heuristics() == ()
            self._possible.seen(view(process.coordinator))
            assert process.grove.audit().ok
            while deployment.post.calls:
                self._deliver(0)
            deployment.kill(0)
        again = deployment.process(0).grove.recovery
        assert (again.rolled_forward, again.rolled_back, again.in_doubt) == ([], [], [])
        if self.meets_foreigner:
            self._meet_a_foreign_writer()

    def _meet_a_foreign_writer(self) -> None:
        """Other software changes a record between a decision and its apply: never silently (F9)."""
        deployment = self._deployment
        process = deployment.process(0)
        agent = AGENTS[0].agent_id
        process.grove.grant_credits(agent, 1)

        def write() -> None:
            store = process.coordinator.participants[CREDITS]
            (stored,) = store.read(Get(CREDITS, account_record(agent)))
            document = json.dumps(json.loads(stored.document), indent=1)
            foreign = Write(CREDITS, stored.record_id, stored.revision, document)
            assert store.apply("tx-foreign", "[]", [foreign]) == ()

        begun = len(process.schedule.effects)
        stop = Meanwhile(begun, "before", "foreign writer", write, verbs={"apply"})
        ended = deployment.ask(0, Grant(agent, 1), None, more=[stop])
        assert stop.struck
        assert ended.error is None
        assert process.coordinator.journal.heuristics(), "a lost write went unnoticed"
        assert not process.grove.audit().ok

    def _count(self) -> None:
        tally = self._deployment.tally
        tally.counts["histories"] += 1
        if currently_in_test_context():
            target(float(len(tally.transitions)), label="transitions")
            target(float(len(tally.cells)), label="fault cells")
        self._total.add(tally)


def _fields(record: Any) -> Mapping[str, Any]:
    # Some records are named tuples.
    named = getattr(record, "_asdict", None)
    return vars(record) if named is None else dict(named())
