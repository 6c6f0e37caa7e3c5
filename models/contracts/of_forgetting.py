"""Contracts on forgetting: what has ended long ago is deleted."""

from typing import Final

from grove_sm.domain.coordination import ClaimStatus, HandoffStatus
from grove_sm.lifecycles import CLAIM, HANDOFF
from grove_sm.operations.forgetting import plan_forget_claim, plan_forget_handoff
from models.contracts.choices import chosen, settled
from models.contracts.lawful import told
from models.contracts.registry import contract
from models.contracts.worlds import AFTER, CLAIM_ID, HANDOFF_ID, World, a_claim, handoff_records

CLAIMED: Final = CLAIM.states
HANDED: Final = HANDOFF.states


@contract(plan_forget_claim)
def only_an_ended_claim_is_forgotten(status: int, is_old: bool) -> bool:
    """A claim is deleted if it has ended and is old, and left alone otherwise.

    pre: 0 <= status <= len(CLAIMED)
    post: _
    """
    found: ClaimStatus | None = chosen((*CLAIMED, None), status)
    old = chosen((False, True), is_old)
    with settled():
        world = World([] if found is None else [a_claim("the target", status=found)])
        left = told(world, lambda facts: plan_forget_claim(CLAIM_ID, lambda _: old, facts))
        is_forgotten = found in CLAIM.final and old
        return left == ({CLAIM_ID: "deleted"} if is_forgotten else {})


@contract(plan_forget_handoff)
def only_an_ended_handoff_is_forgotten(status: int, is_old: bool, lease: int) -> bool:
    """A handoff is deleted with its deliveries if it has ended and is old, and left alone if not.

    pre: 0 <= status < len(HANDED) and 0 <= lease < 2
    post: _
    """
    found: HandoffStatus = chosen(HANDED, status)
    old = chosen((False, True), is_old)
    until = chosen((None, AFTER), lease) if found == "delivered" else AFTER
    with settled():
        world = World(handoff_records(found, lease=until))
        left = told(world, lambda facts: plan_forget_handoff(HANDOFF_ID, lambda _: old, facts))
        if found not in HANDOFF.final or not old:
            return left == {}
        deliveries = {CLAIM_ID: "deleted"} if found == "replied" else {}
        return left == {HANDOFF_ID: "deleted"} | deliveries
