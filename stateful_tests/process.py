"""One simulated process of a deployment: a grove whose effects a schedule sees."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from faults.schedule import Fault, Schedule
from faults.weather import Outage
from faults.wrappers import FaultyJournal, wrap_stores
from grove_sm import Grove
from grove_sm.commit.coordinator import Coordinator
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.settings import Settings, routes
from models.reference import CRITERIA
from models.requests import (
    ClaimBounty,
    ClaimTarget,
    Contribute,
    CreateBounty,
    Grant,
    Request,
)
from stateful_tests.sketches import START, TOPOLOGY
from tests.crash.placements import Placement

_SETTINGS: Final = Settings(
    journal="as placed", stores=dict.fromkeys(COLLECTIONS, "as placed"), topology=routes(TOPOLOGY)
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

    Attributes:
        schedule: what sees its effects.
        outages: what it is in trouble with, between calls too.
        names: where its random names come from.
        believed_dead: coordinators that it takes for dead, whether they are or not.
    """

    def __init__(self, placement: Placement, clock: Clock, habits: Habits) -> None:
        self.habits = habits
        self.schedule = Schedule()
        self.outages: list[Outage] = []
        self.names = Names()
        self.believed_dead: set[int] = set()
        self._journal = FaultyJournal(
            placement.open_journal(), self.schedule, believed_dead=self.believed_dead
        )
        self._stores = wrap_stores(
            placement.open_stores(),
            placement.label,
            self.schedule,
            local=None if habits.one_append else False,
        )
        self.coordinator = Coordinator(
            self._journal, self._stores, clock=clock, random=self.names, patience=0.0
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
        self.schedule.faults = (*self.outages, *faults)

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
    match request:
        case Contribute():
            return grove.contribute(
                kind=request.kind,
                summary=request.summary,
                agent=request.agent,
                relations=[
                    {"targetCid": cid, "relationType": relation_type}
                    for cid, relation_type in request.relations
                ],
                created_at=request.created_at,
                idempotency_key=key,
            )
        case Grant():
            return grove.grant_credits(request.agent_id, request.amount, idempotency_key=key)
        case CreateBounty():
            return grove.create_bounty(
                title=request.title,
                amount=request.amount,
                criteria=CRITERIA,
                agent=request.agent,
                deadline=request.deadline,
                idempotency_key=key,
            )
        case ClaimTarget():
            return grove.claim(
                request.target_ref,
                agent=request.agent,
                intent_summary=request.intent_summary,
                lease_seconds=request.lease_seconds,
                idempotency_key=key,
            )
        case ClaimBounty():
            return grove.claim_bounty(
                request.bounty_id,
                agent=request.agent,
                intent_summary=request.intent_summary,
                lease_seconds=request.lease_seconds,
                idempotency_key=key,
            )
