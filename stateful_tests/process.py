"""One simulated process of a deployment: a grove whose effects a schedule sees."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from faults.schedule import Fault, Schedule
from faults.weather import Outage
from faults.wrappers import FaultyJournal, wrap_stores
from grove_sm import Grove
from grove_sm.calls.contributing import ANSWERS
from grove_sm.commit.coordinator import Coordinator
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.settings import Settings
from models import requests
from models.requests import Contribute, CreateBounty, PickUp, Request, Sweep
from models.rules.bounties import criteria_of
from stateful_tests.sketches import START, TOPOLOGY
from stateful_tests.tape import ARRIVED, ASKED, Tape
from tests.kinds.placement import Placement

_SETTINGS: Final = Settings(
    journal="as placed", stores=dict.fromkeys(COLLECTIONS, "as placed"), topology=TOPOLOGY
)


class Clock:
    """The time of all processes. It stands still but for `move`."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time

    def move(self, seconds: float) -> None:
        """On, or back."""
        self.time += timedelta(seconds=seconds)


class Names:
    """Stands in for random names: the next one can be told beforehand."""

    def __init__(self) -> None:
        self._prefix = ""
        self._drawn = 0

    def __call__(self) -> str:
        self._drawn += 1
        return f"{self._prefix}-{self._drawn - 1}"

    def restart(self, prefix: str) -> tuple[str, str]:
        """Begin anew; the first two names that will be drawn."""
        self._prefix, self._drawn = prefix, 0
        return f"{prefix}-0", f"{prefix}-1"


class Habits(NamedTuple):
    """How a process works.

    `one_append`: whether it records keys and decision at once. `lag`: how many transactions it
    gathers before it applies them.
    """

    one_append: bool
    lag: int


class Process:
    """A process of a deployment; without a grove until it is opened, and once it has died.

    What it does is added to a tape, if there is one. A watcher meets each of its effects before
    any fault does.

    Attributes:
        schedule: what sees its effects.
        outages: what it is in trouble with, between calls too.
        names: where its random names come from.
        believed_dead: coordinators that it takes for dead, whether they are or not.
    """

    def __init__(
        self,
        placement: Placement,
        clock: Clock,
        habits: Habits,
        tape: Tape | None = None,
        *watchers: Fault,
    ) -> None:
        self.habits = habits
        self._watchers = watchers
        self.schedule = Schedule(*watchers)
        self.outages: list[Outage] = []
        self.names = Names()
        self.believed_dead: set[int] = set()
        journal, stores = placement.open_journal(), placement.open_stores()
        if tape is not None:
            journal, stores = tape.trace(ARRIVED, journal, stores, placement.label)
        self._journal = FaultyJournal(journal, self.schedule, believed_dead=self.believed_dead)
        self._stores = wrap_stores(
            stores,
            placement.label,
            self.schedule,
            local=None if habits.one_append else False,
        )
        journal, stores = self._journal, self._stores
        if tape is not None:
            journal, stores = tape.trace(ASKED, journal, stores, placement.label)
        self.coordinator = Coordinator(
            journal, stores, clock=clock, random=self.names, patience=0.0
        )
        self.coordinator.applier.lag = habits.lag

    @property
    def places(self) -> Sequence[str]:
        """The labels of its stores, in order."""
        return list(dict.fromkeys(store.label for store in self._stores.values()))

    def open(self) -> Grove:
        """Its grove, after recovery."""
        self.grove = Grove(self.coordinator, _SETTINGS, background=False)
        return self.grove

    def beset(self, faults: Sequence[Fault]) -> None:
        """Have these faults strike, and its outages, as long as they last."""
        self.outages = [outage for outage in self.outages if not outage.is_over]
        self.schedule.faults = (*self._watchers, *self.outages, *faults)

    def die(self, *, keep_stores: bool) -> None:
        """Let go of everything as a SIGKILL would.

        With `keep_stores` what it has sent to its stores may still arrive.
        """
        self._journal.close()
        if not keep_stores:
            self.let_go()

    def let_go(self) -> None:
        """Close its stores."""
        for store in self._stores.values():
            store.close()


def ask(grove: Grove, request: Request, key: str | None) -> Any:
    """Make a request; the library's result."""
    if isinstance(request, Contribute):
        return _contribute(grove, request, key)
    if isinstance(request, CreateBounty):
        return grove.create_bounty(
            title=request.title,
            amount=request.amount,
            criteria=criteria_of(request),
            agent=request.agent,
            deadline=request.deadline,
            draft=request.draft,
            idempotency_key=key,
        )
    if isinstance(request, PickUp):
        return grove.pick_up(
            agent=request.agent,
            role=request.role,
            visibility_seconds=request.seconds,
            idempotency_key=key,
        )
    if isinstance(request, Sweep):
        # One step, since of a call that is cut off it is not known how many it took.
        return grove.sweep(
            stalled_after=request.stalled_after, forget_after=request.forget_after, limit=1
        )
    named = {name: getattr(request, name) for name in request.__dataclass_fields__}
    subject = [named.pop(name) for name in list(named) if name not in _BY_NAME]
    call = getattr(grove, _METHODS[type(request)])
    return call(*subject, **named, idempotency_key=key)


def _contribute(grove: Grove, request: Contribute, key: str | None) -> Any:
    """By the operation that sets the kind and the first relation, where there is one."""
    relations = request.relations
    answers = [
        name
        for name, (kind, relation_type) in ANSWERS.items()
        if request.kind == kind and [each[1] for each in relations[:1]] == [relation_type]
    ]
    fields: dict[str, Any] = {
        "summary": request.summary,
        "agent": request.agent,
        "relations": [
            {"targetCid": cid, "relationType": relation_type}
            for cid, relation_type in relations[len(answers) :]
        ],
        "tags": request.tags,
        "created_at": request.created_at,
        "idempotency_key": key,
    }
    for name in answers:
        return getattr(grove, name)(relations[0][0], **fields)
    return grove.contribute(kind=request.kind, **fields)


_BY_NAME: Final = frozenset({"agent", "intent_summary", "lease_seconds"})

_METHODS: Final[Mapping[type[Request], str]] = {
    requests.Grant: "grant_credits",
    requests.Transfer: "transfer_credits",
    requests.ClaimTarget: "claim",
    requests.Heartbeat: "heartbeat",
    requests.Release: "release",
    requests.Complete: "complete",
    requests.OpenBounty: "open_bounty",
    requests.ClaimBounty: "claim_bounty",
    requests.ReleaseBounty: "release_bounty",
    requests.CompleteBounty: "complete_bounty",
    requests.SettleBounty: "settle_bounty",
    requests.CancelBounty: "cancel_bounty",
    requests.Acknowledge: "acknowledge",
    requests.DeadLetter: "dead_letter",
}
"""The methods that take a request's fields as they are: first those that name what it is about."""
