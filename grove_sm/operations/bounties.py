"""Bounties until they are claimed, each with its claim and its reservation.

How they end is in `grove_sm.operations.bounty_ends`. Grove protocol, sections 5 and 7.
"""

from typing import Final, NamedTuple

from grove_sm.domain import Bounty, Reservation
from grove_sm.domain.errors import StateConflict, ValidationError
from grove_sm.lifecycles import BOUNTY, advance
from grove_sm.operations.claims import ClaimRequest, take
from grove_sm.operations.credits import Movement, reservation
from grove_sm.operations.documents import create, known, update
from grove_sm.operations.layout import BOUNTIES, BOUNTY_TARGET, bounty_family
from grove_sm.operations.plan import Facts, Plan, Stored, make_plan

CREATE: Final = "create_bounty"
OPEN: Final = "open_bounty"
CLAIM: Final = "claim_bounty"


class OpenBountyRequest(NamedTuple):
    """A draft to open, by its creator; `reservation_id` None if the deployment has no credits."""

    bounty_id: str
    agent_id: str
    reservation_id: str | None
    now: str


def plan_create_bounty(bounty: Bounty, facts: Facts) -> Plan:
    """What to write for a new bounty, and the reservation that it names; a draft names none.

    Raises ValidationError if its deadline has passed, InsufficientCredits if its creator has too
    little.
    """
    # Not before it is known that this is no retry of a request that was in time.
    if bounty.deadline <= bounty.created_at:
        raise ValidationError(
            field="deadline", rule="must lie in the future", value=bounty.deadline
        )
    reserved = _reserved(bounty, facts)
    return make_plan(
        CREATE,
        facts,
        writes=(create(BOUNTIES, bounty.bounty_id, bounty), *reserved.writes),
        keys=(bounty_family(bounty.bounty_id), *reserved.keys),
        result={"bounty": bounty.to_document()},
    )


def plan_open_bounty(request: OpenBountyRequest, facts: Facts) -> Plan:
    """What to write to open a draft: the bounty, and the reservation of its amount.

    Raises NotFound; StateConflict if it is no draft, its deadline has passed, or the agent is not
    its creator; InsufficientCredits.
    """
    stored, bounty = known_bounty(request.bounty_id, facts)
    record = f"bounty {request.bounty_id}"
    require_creator(bounty, request.agent_id, "open")
    status = advance(BOUNTY, bounty.status, "open", record=record)
    require_in_time(bounty, request.now)
    opened = bounty.replace(
        status=status, reservation_id=request.reservation_id, updated_at=request.now
    )
    reserved = _reserved(opened, facts)
    return make_plan(
        OPEN,
        facts,
        writes=(update(BOUNTIES, stored, opened), *reserved.writes),
        keys=(bounty_family(bounty.bounty_id), *reserved.keys),
        result={"bounty": opened.to_document()},
    )


def plan_claim_bounty(bounty_id: str, request: ClaimRequest, facts: Facts) -> Plan:
    """What to write for a claim on a bounty; `request.target_ref` must be the bounty's.

    Raises NotFound; ClaimConflict if another agent holds it; StateConflict if its deadline has
    passed or it is past claiming.
    """
    stored, bounty = known_bounty(bounty_id, facts)
    record = f"bounty {bounty_id}"
    if bounty.status in ("open", "claimed"):
        require_in_time(bounty, request.now)
    if bounty.status != "claimed":
        # Refuses every state but open before the claims are looked at.
        advance(BOUNTY, bounty.status, "claim", record=record)
    taken = take(request, facts)
    writes = taken.writes
    if not taken.renewed:
        if bounty.status == "claimed":
            bounty = reopened(bounty, request.now)
        bounty = bounty.replace(
            status=advance(BOUNTY, bounty.status, "claim", record=record),
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


def reopened(bounty: Bounty, now: str) -> Bounty:
    """A claimed bounty, open again and without a claimant. Raises StateConflict if it is not."""
    return bounty.replace(
        status=advance(BOUNTY, bounty.status, "release", record=f"bounty {bounty.bounty_id}"),
        claimed_by=None,
        claim_id=None,
        updated_at=now,
    )


def _reserved(opened: Bounty, facts: Facts) -> Movement:
    """The reservation that a bounty names as it is opened; nothing, if it names none."""
    if opened.reservation_id is None:
        return Movement()
    made = Reservation(
        reservation_id=opened.reservation_id,
        agent_id=opened.creator.agent_id,
        amount=opened.amount,
        expires_at=opened.deadline,
        created_at=opened.updated_at,
    )
    return reservation(facts, made)


def known_bounty(bounty_id: str, facts: Facts) -> tuple[Stored, Bounty]:
    """The bounty of this id. Raises NotFound."""
    return known(Bounty, BOUNTIES, bounty_id, facts)


def require_creator(bounty: Bounty, agent_id: str, to: str) -> None:
    """Check that an agent is a bounty's creator. Raises StateConflict."""
    if agent_id != bounty.creator.agent_id:
        raise StateConflict(
            record=f"bounty {bounty.bounty_id}",
            reason=f"only its creator, agent {bounty.creator.agent_id}, may {to} it",
        )


def require_in_time(bounty: Bounty, now: str) -> None:
    """Check that a bounty's deadline lies in the future. Raises StateConflict."""
    if bounty.deadline <= now:
        raise StateConflict(
            record=f"bounty {bounty.bounty_id}",
            reason=f"its deadline, {bounty.deadline}, has passed",
        )


def bounty_target(bounty_id: str) -> str:
    """The target that a claim on a bounty names."""
    return BOUNTY_TARGET + bounty_id
