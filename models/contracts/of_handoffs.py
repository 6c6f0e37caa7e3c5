"""Contracts on handoffs as an inbox, each with its deliveries."""

from typing import Any, Final, NamedTuple

from grove_sm.domain import Handoff
from grove_sm.domain.coordination import HandoffStatus
from grove_sm.domain.errors import ClaimConflict, StateConflict
from grove_sm.lifecycles import HANDOFF
from grove_sm.operations.claim_ends import (
    ExpireClaimRequest,
    plan_complete,
    plan_expire_claim,
    plan_release,
)
from grove_sm.operations.claims import HeldRequest
from grove_sm.operations.handoffs import (
    DeliveredRequest,
    NotWaiting,
    PickUpRequest,
    families,
    handoff_target,
    is_overdue,
    known_handoff,
    moved,
    plan_acknowledge,
    plan_dead_letter,
    plan_expire_handoff,
    plan_pick_up,
)
from grove_sm.operations.layout import contribution_family, target_family
from models.contracts.choices import chosen, settled
from models.contracts.lawful import told
from models.contracts.registry import contract
from models.contracts.worlds import (
    ADA,
    AFTER,
    BEN,
    CLAIM_ID,
    HANDED,
    HANDOFF_ID,
    NOW,
    TIMES,
    World,
    handoff_records,
)

STATUSES: Final = HANDOFF.states
NAMED: Final = (None, BEN.agent_id, ADA.agent_id)


class Case(NamedTuple):
    """A handoff as it is found; `lease` is of its delivery, None once that was given back."""

    status: HandoffStatus
    due: str | None
    lease: str | None

    @property
    def world(self) -> World:
        """A grove with it in."""
        return World(handoff_records(self.status, due=self.due, lease=self.lease))

    @property
    def is_late(self) -> bool:
        """Nobody has answered in time."""
        return self.due is not None and self.due < NOW

    @property
    def is_delivered(self) -> bool:
        """A delivery of it is active, its lease run out or not."""
        return self.status == "delivered" and self.lease is not None

    @property
    def is_live(self) -> bool:
        """Somebody is at it."""
        return self.is_delivered and self.lease == AFTER


def _case(status: int, due: int, lease: int) -> Case:
    found: HandoffStatus = chosen(STATUSES, status)
    until = chosen((None, *TIMES), lease) if found == "delivered" else AFTER
    return Case(found, chosen((None, *TIMES), due), until)


@contract(plan_pick_up, known_handoff)
def one_agent_at_a_time_is_at_a_handoff(status: int, due: int, lease: int, is_his: bool) -> bool:
    """A handoff that waits in time is delivered with a claim on it; one whose delivery ran out or
    was given back is delivered again; whatever else is not waiting, also for who has it.

    pre: 0 <= status < len(STATUSES) and 0 <= due < 4 and 0 <= lease < 4
    post: _
    """
    case, asker = _case(status, due, lease), chosen((ADA, BEN), is_his)
    with settled():
        request = PickUpRequest(HANDOFF_ID, asker, 60, "claim-2", NOW)
        found = told(case.world, lambda facts: plan_pick_up(request, facts))
        if case.status not in ("pending_pickup", "delivered") or case.is_late or case.is_live:
            return found is NotWaiting
        delivery = {"claim-2": "active"}
        if case.status == "pending_pickup":
            return found == delivery | {HANDOFF_ID: "delivered"}
        return found == delivery | ({CLAIM_ID: "expired"} if case.is_delivered else {})


@contract(plan_acknowledge)
def who_has_a_handoff_processes_it(status: int, lease: int, named: int) -> bool:
    """A delivered handoff is processed, with its delivery completed, by who has it, in time.

    pre: 0 <= status < len(STATUSES) and 0 <= lease < 4 and 0 <= named < 3
    post: _
    """
    case, by = _case(status, 0, lease), chosen(NAMED, named)
    with settled():
        request = DeliveredRequest(HANDOFF_ID, by, NOW)
        found = told(case.world, lambda facts: plan_acknowledge(request, facts))
        if not case.is_live:
            return found is StateConflict
        if by == ADA.agent_id:
            return found is ClaimConflict
        return found == {CLAIM_ID: "completed", HANDOFF_ID: "processed"}


@contract(plan_dead_letter)
def a_dead_letter_has_no_delivery(status: int, lease: int, named: int) -> bool:
    """A handoff that was not processed is given up with its delivery, but not behind the back of
    who is at it.

    pre: 0 <= status < len(STATUSES) and 0 <= lease < 4 and 0 <= named < 3
    post: _
    """
    case, by = _case(status, 0, lease), chosen(NAMED, named)
    with settled():
        request = DeliveredRequest(HANDOFF_ID, by, NOW)
        found = told(case.world, lambda facts: plan_dead_letter(request, facts))
        if case.status not in ("pending_pickup", "delivered"):
            return found is StateConflict
        if case.is_live and by == ADA.agent_id:
            return found is ClaimConflict
        given_up = {HANDOFF_ID: "dead_lettered"}
        if case.is_delivered:
            given_up[CLAIM_ID] = "released" if case.is_live else "expired"
        return found == given_up


@contract(plan_expire_handoff, is_overdue)
def an_overdue_handoff_expires_with_its_delivery(status: int, due: int, lease: int) -> bool:
    """A handoff that nobody answered in time expires with its delivery; any other is left alone.

    pre: 0 <= status < len(STATUSES) and 0 <= due < 4 and 0 <= lease < 4
    post: _
    """
    case = _case(status, due, lease)
    with settled():
        found = told(case.world, lambda facts: plan_expire_handoff(HANDOFF_ID, NOW, facts))
        expires = case.is_late and case.status not in HANDOFF.final
        assert is_overdue(_handoff(case), NOW) == expires
        if not expires:
            return found == {}
        return found == {HANDOFF_ID: "expired"} | (
            {CLAIM_ID: "expired"} if case.is_delivered else {}
        )


@contract(plan_release, plan_complete, plan_expire_claim)
def a_delivery_ends_without_its_handoff(kind: int, status: int, lease: int) -> bool:
    """A delivery that is given back or runs out leaves its handoff delivered, to be delivered
    again; it is completed by acknowledging the handoff alone.

    pre: 0 <= kind < 3 and 0 <= status < len(STATUSES) and 0 <= lease < 4
    post: _
    """
    case, number = _case(status, 0, lease), chosen(range(3), kind)
    held = HeldRequest(CLAIM_ID, None, NOW)
    plans: tuple[Any, ...] = (
        lambda facts: plan_release(held, facts),
        lambda facts: plan_complete(held, facts),
        lambda facts: plan_expire_claim(ExpireClaimRequest(CLAIM_ID, None, True, NOW), facts),
    )
    with settled():
        found = told(case.world, plans[number])
        if number == 2:
            runs_out = case.is_delivered and not case.is_live
            return found == ({CLAIM_ID: "expired"} if runs_out else {})
        if not case.is_live:
            return isinstance(found, type) and issubclass(found, Exception)
        return found == {CLAIM_ID: "released"} if number == 0 else isinstance(found, type)


@contract(moved, families)
def a_handoff_moves_by_its_lifecycle(status: int, trigger: int) -> bool:
    """A handoff moves as its lifecycle says and is otherwise the same, and its families cover it
    and its deliveries, wherever it is.

    pre: 0 <= status < len(STATUSES) and 0 <= trigger < 4
    post: _
    """
    found: HandoffStatus = chosen(STATUSES, status)
    name = chosen(("deliver", "process", "expire", "dead_letter"), trigger)
    with settled():
        handoff = _handoff(Case(found, None, AFTER))
        leads_to = [to for move, at, to in HANDOFF.moves if (move, at) == (name, found)]
        assert set(families(handoff)) == {
            contribution_family(HANDED.cid),
            target_family(handoff_target(HANDOFF_ID)),
        }
        try:
            return moved(handoff, name) == handoff.replace(status=leads_to[0])
        except StateConflict:
            return leads_to == []


def _handoff(case: Case) -> Handoff:
    _, handoff, *_ = handoff_records(case.status, due=case.due)
    assert isinstance(handoff, Handoff)
    return handoff
