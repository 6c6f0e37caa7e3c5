"""What readers see of a deployment, as the reference model has it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from grove_sm import Grove
from grove_sm.commit.coordinator import Coordinator
from grove_sm.domain import Account
from grove_sm.results import BountyClaimed, Claimed, Contributed
from grove_sm.views import Bounties, Claims, Contributions, Credits, Handoffs
from models.reference import Answer, Balance, HandoffName, Records, handoff_state
from stateful_tests.process import Clock, Habits, Process
from stateful_tests.sketches import AGENTS
from tests.crash.placements import Placement

HandoffIds = Mapping[str, HandoffName]
"""Which handoff has which id; the model does not know ids that are digests."""


class View(NamedTuple):
    """What one reader saw."""

    records: Records
    handoff_ids: HandoffIds


def view(coordinator: Coordinator, first: int = 0) -> View:
    """Read everything through a coordinator, beginning with this collection.

    Raises StoreUnavailable.
    """
    found: dict[str, Any] = {}
    handoff_ids: dict[str, HandoffName] = {}

    def read_contributions() -> None:
        listed = Contributions(coordinator).list()
        found["contributions"] = {record.cid: record for record in listed}

    def read_handoffs() -> None:
        listed = Handoffs(coordinator).list()
        found["handoffs"] = dict(map(handoff_state, listed))
        handoff_ids.update((record.handoff_id, handoff_state(record)[0]) for record in listed)
        assert len(listed) == len(found["handoffs"]), "two handoffs of one contribution to one role"

    def read_claims() -> None:
        found["claims"] = {record.claim_id: record for record in Claims(coordinator).list()}

    def read_bounties() -> None:
        found["bounties"] = {record.bounty_id: record for record in Bounties(coordinator).list()}

    def read_credits() -> None:
        accounts = (Credits(coordinator).balance(agent.agent_id) for agent in AGENTS)
        found["accounts"] = {
            account.agent_id: Balance(account.available, account.reserved)
            for account in accounts
            if account.total
        }

    readers = (read_contributions, read_handoffs, read_claims, read_bounties, read_credits)
    for number in range(len(readers)):
        readers[(first + number) % len(readers)]()
    return View(Records(**found), handoff_ids)


def answer_of(result: Any, handoff_ids: HandoffIds) -> Answer:
    """A result of the library as the model words it."""
    match result:
        case Contributed():
            names = [handoff_ids[handoff_id] for handoff_id in result.handoff_ids]
            assert names == [(result.cid, role) for role in result.routed_to], "other handoffs"
            return {
                "cid": result.cid,
                "routed": set(result.routed_to),
                "replied": {handoff_ids[handoff_id] for handoff_id in result.replied_ids},
                "duplicate": result.duplicate,
            }
        case Account():
            return {"balance": Balance(result.available, result.reserved)}
        case Claimed():
            return {"claim": result.claim, "renewed": result.renewed}
        case BountyClaimed():
            return {"claim": result.claim, "renewed": result.renewed, "bounty": result.bounty}
    return {"bounty": result}


class Mirror:
    """A copy of a placement, in which to look without changing anything of the original.

    Everybody who was alive in the original may be taken for dead here, or not.
    """

    def __init__(self, original: Placement, copy: Placement, clock: Clock) -> None:
        self._original = original
        self._copy = copy
        self._clock = clock
        self._looks = 0

    @contextmanager
    def look(self) -> Iterator[tuple[View, Grove]]:
        """What a new process sees that only reads, and its grove once it has recovered.

        Its reader begins with another collection each time.
        """
        self._looks += 1
        self._copy.restore(self._original.save())
        process = Process(self._copy, self._clock, Habits(one_append=True, lag=1))
        process.names.restart(f"look-{self._looks:x}")
        try:
            yield view(process.coordinator, self._looks), process.open()
        finally:
            process.die(keep_stores=False)
