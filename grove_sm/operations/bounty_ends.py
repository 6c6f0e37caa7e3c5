"""How bounties end: completed and settled, cancelled, or expired.

Each with its claim and its reservation in the same step. Grove protocol, sections 5 to 7.
"""

from typing import Final, NamedTuple

from grove_sm.domain import Bounty, Contribution
from grove_sm.domain.errors import StateConflict, ValidationError
from grove_sm.lifecycles import BOUNTY, advance
from grove_sm.operations.bounties import (
    bounty_target,
    known_bounty,
    require_creator,
    require_in_time,
)
from grove_sm.operations.claims import active_on, end_active, move, require_holder
from grove_sm.operations.credits import Movement, capture, void
from grove_sm.operations.documents import known, look_up, update
from grove_sm.operations.layout import BOUNTIES, CLAIMS, CONTRIBUTIONS, bounty_family
from grove_sm.operations.plan import Facts, Plan, Stored, Write, make_plan

COMPLETE: Final = "complete_bounty"
SETTLE: Final = "settle_bounty"
CANCEL: Final = "cancel_bounty"
EXPIRE: Final = "expire_bounty"


class CompleteBountyRequest(NamedTuple):
    """A claimed bounty to complete by a contribution; by its claimant, where it names an agent."""

    bounty_id: str
    cid: str
    agent_id: str | None
    now: str


class SettleBountyRequest(NamedTuple):
    """A bounty to settle by a contribution; None: by the one that has completed it."""

    bounty_id: str
    cid: str | None
    has_credits: bool
    now: str


class CancelBountyRequest(NamedTuple):
    """A bounty to cancel, by its creator."""

    bounty_id: str
    agent_id: str
    has_credits: bool
    now: str


class ExpireBountyRequest(NamedTuple):
    """A bounty to expire, if its deadline has passed and it has not ended."""

    bounty_id: str
    has_credits: bool
    now: str


def plan_complete_bounty(request: CompleteBountyRequest, facts: Facts) -> Plan:
    """What to write to complete a bounty: the claim, and the bounty with what fulfils it.

    Raises NotFound if it or the contribution does not exist; StateConflict if it is not claimed,
    its deadline or the lease has passed, or the contribution does not meet the criteria;
    ClaimConflict if another agent holds it.
    """
    stored, bounty = known_bounty(request.bounty_id, facts)
    completed, ended = _completed(bounty, request.cid, request.agent_id, request.now, facts)
    return make_plan(
        COMPLETE,
        facts,
        writes=(*ended, update(BOUNTIES, stored, completed)),
        keys=(bounty_family(bounty.bounty_id),),
        result={"bounty": completed.to_document()},
    )


def plan_settle_bounty(request: SettleBountyRequest, facts: Facts) -> Plan:
    """What to write to settle a bounty: claim, bounty, and the capture to its claimant.

    A claimed bounty is completed in the same step. Raises as `plan_complete_bounty`; also
    ValidationError if no contribution is named and none has completed it, StateConflict if
    another has.
    """
    stored, bounty = known_bounty(request.bounty_id, facts)
    record = f"bounty {bounty.bounty_id}"
    ended: tuple[Write, ...] = ()
    if bounty.status == "claimed":
        if request.cid is None:
            raise ValidationError(
                field="cid", rule=f"is required: no contribution has completed {record} yet"
            )
        bounty, ended = _completed(bounty, request.cid, None, request.now, facts)
    status = advance(BOUNTY, bounty.status, "settle", record=record)
    if request.cid not in (None, bounty.fulfilled_by_cid):
        raise StateConflict(
            record=record,
            reason=f"it was completed by another contribution, {bounty.fulfilled_by_cid}",
        )
    paid = Movement()
    if bounty.reservation_id is not None and bounty.claimed_by is not None:
        _require_credits(bounty, request.has_credits)
        paid = capture(facts, bounty.reservation_id, bounty.claimed_by.agent_id)
    settled = bounty.replace(status=status, updated_at=request.now)
    return make_plan(
        SETTLE,
        facts,
        writes=(*ended, update(BOUNTIES, stored, settled), *paid.writes),
        keys=(bounty_family(bounty.bounty_id), *paid.keys),
        result={"bounty": settled.to_document()},
    )


def plan_cancel_bounty(request: CancelBountyRequest, facts: Facts) -> Plan:
    """What to write to cancel a bounty: the bounty, its claim released, its reservation voided.

    Raises NotFound; StateConflict if it has ended or the agent is not its creator.
    """
    stored, bounty = known_bounty(request.bounty_id, facts)
    require_creator(bounty, request.agent_id, "cancel")
    return _ended(_CANCELLED, stored, bounty, request, facts)


def plan_expire_bounty(request: ExpireBountyRequest, facts: Facts) -> Plan:
    """What to write for a bounty whose deadline has passed; nothing, if that is not so.

    The bounty and its claim expire, its reservation is voided.
    """
    found = look_up(Bounty, BOUNTIES, request.bounty_id, facts)
    if found is None or not is_overdue(found[1], request.now):
        return make_plan(EXPIRE, facts, writes=(), keys=(), result={})
    return _ended(_EXPIRED, *found, request, facts)


def is_overdue(bounty: Bounty, now: str) -> bool:
    """Whether a bounty has to expire: its deadline has passed, and it has a move for that."""
    can_expire = ("expire", bounty.status) in {
        (trigger, source) for trigger, source, _ in BOUNTY.moves
    }
    return can_expire and bounty.deadline <= now


def _completed(
    bounty: Bounty, cid: str, agent_id: str | None, now: str, facts: Facts
) -> tuple[Bounty, tuple[Write, ...]]:
    """A claimed bounty, completed by a contribution; and the writes that complete its claim."""
    record = f"bounty {bounty.bounty_id}"
    status = advance(BOUNTY, bounty.status, "complete", record=record)
    require_in_time(bounty, now)
    ended: list[Write] = []
    for found, claim in active_on(bounty_target(bounty.bounty_id), facts):
        require_holder(claim, agent_id, now)
        ended.append(update(CLAIMS, found, move(claim, "complete")))
    needed = f"{record} is to be completed by it"
    _, contribution = known(Contribution, CONTRIBUTIONS, cid, facts, reason=needed)
    shortfall = bounty.criteria.shortfall(contribution)
    if shortfall is not None:
        raise StateConflict(
            record=record, reason=f"contribution {cid} does not meet its criteria: {shortfall}"
        )
    return bounty.replace(status=status, fulfilled_by_cid=cid, updated_at=now), tuple(ended)


class _End(NamedTuple):
    """A way for a bounty to come to nothing: the moves of the bounty and of its claim."""

    operation: str
    trigger: str
    claim_trigger: str


_CANCELLED: Final = _End(CANCEL, "cancel", "release")
_EXPIRED: Final = _End(EXPIRE, "expire", "expire")


def _ended(
    end: _End,
    stored: Stored,
    bounty: Bounty,
    request: CancelBountyRequest | ExpireBountyRequest,
    facts: Facts,
) -> Plan:
    """A bounty that comes to nothing, with its claim; what was reserved goes back."""
    status = advance(BOUNTY, bounty.status, end.trigger, record=f"bounty {bounty.bounty_id}")
    target = bounty_target(bounty.bounty_id)
    ended = end_active(target, end.claim_trigger, request.now, facts)
    returned = Movement()
    if bounty.reservation_id is not None:
        _require_credits(bounty, request.has_credits)
        returned = void(facts, bounty.reservation_id)
    left = bounty.replace(status=status, updated_at=request.now)
    return make_plan(
        end.operation,
        facts,
        writes=(*ended, update(BOUNTIES, stored, left), *returned.writes),
        keys=(bounty_family(bounty.bounty_id), *returned.keys),
        result={"bounty": left.to_document()},
    )


def _require_credits(bounty: Bounty, has_credits: bool) -> None:
    if not has_credits:
        raise StateConflict(
            record=f"bounty {bounty.bounty_id}",
            reason="its amount is reserved, but this grove's settings name no credits store",
        )
