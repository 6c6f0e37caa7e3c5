"""Bounties: creating one with its reservation, claiming one with its claim.

Grove protocol, sections 5 and 7.
"""

from typing import Final, NamedTuple

from grove_sm.domain import Bounty, Reservation
from grove_sm.domain.errors import NotFound, StateConflict, ValidationError
from grove_sm.lifecycles import BOUNTY, advance
from grove_sm.operations.claims import ClaimRequest, take
from grove_sm.operations.credits import plan_reservation
from grove_sm.operations.documents import create, decode, update
from grove_sm.operations.layout import BOUNTIES, BOUNTY_TARGET, account_family, bounty_family
from grove_sm.operations.plan import Facts, Plan, Write, make_plan

CREATE: Final = "create_bounty"
CLAIM: Final = "claim_bounty"


class CreateBountyRequest(NamedTuple):
    """A bounty to open, and the reservation of its amount, if the deployment has credits."""

    bounty: Bounty
    reservation: Reservation | None


def plan_create_bounty(request: CreateBountyRequest, facts: Facts) -> Plan:
    """What to write for a new bounty.

    Raises ValidationError if its deadline has passed, InsufficientCredits if its creator has too
    little.
    """
    bounty = request.bounty
    # Not before it is known that this is no retry of a request that was in time.
    if bounty.deadline <= bounty.created_at:
        raise ValidationError(
            field="deadline", rule="must lie in the future", value=bounty.deadline
        )
    writes: list[Write] = [create(BOUNTIES, bounty.bounty_id, bounty)]
    keys = [bounty_family(bounty.bounty_id)]
    if request.reservation is not None:
        writes += plan_reservation(facts, request.reservation)
        keys.append(account_family(request.reservation.agent_id))
    return make_plan(
        CREATE, facts, writes=writes, keys=keys, result={"bounty": bounty.to_document()}
    )


def plan_claim_bounty(bounty_id: str, request: ClaimRequest, facts: Facts) -> Plan:
    """What to write for a claim on a bounty; `request.target_ref` must be the bounty's.

    Raises NotFound; ClaimConflict if another agent holds it; StateConflict if its deadline has
    passed or it is past claiming.
    """
    stored = facts.get(BOUNTIES, bounty_id)
    if stored is None:
        raise NotFound(record=f"bounty {bounty_id}")
    bounty = decode(Bounty, stored)
    record = f"bounty {bounty_id}"
    if bounty.status in ("open", "claimed") and bounty.deadline <= request.now:
        raise StateConflict(record=record, reason=f"its deadline, {bounty.deadline}, has passed")
    if bounty.status != "claimed":
        # Refuses every state but open before the claims are looked at.
        advance(BOUNTY, bounty.status, "claim", record=record)
    taken = take(request, facts)
    writes = taken.writes
    if not taken.renewed:
        status = bounty.status
        if status == "claimed":
            status = advance(BOUNTY, status, "release", record=record)
        bounty = bounty.replace(
            status=advance(BOUNTY, status, "claim", record=record),
            claimed_by=taken.claim.agent,
            claim_id=taken.claim.claim_id,
            updated_at=request.now,
        )
        writes = (*writes, update(BOUNTIES, stored, bounty))
    return make_plan(
        CLAIM,
        facts,
        writes=writes,
        keys=(bounty_family(bounty_id),),
        result={
            "claim": taken.claim.to_document(),
            "bounty": bounty.to_document(),
            "renewed": taken.renewed,
        },
    )


def bounty_target(bounty_id: str) -> str:
    """The target that a claim on a bounty names."""
    return BOUNTY_TARGET + bounty_id
