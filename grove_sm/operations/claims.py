"""Claims: one live claim for each target, and how it ends (Grove protocol, section 4)."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple

from grove_sm.domain import Agent, Claim, format_time, parse_time
from grove_sm.domain.errors import ClaimConflict, StateConflict
from grove_sm.lifecycles import CLAIM, advance
from grove_sm.operations.documents import create, decode, known, update
from grove_sm.operations.layout import CLAIMS, target_family
from grove_sm.operations.plan import Facts, Plan, Stored, Write, make_plan

OPERATION: Final = "claim"
HEARTBEAT: Final = "heartbeat"


class ClaimRequest(NamedTuple):
    """A target to claim, for whom, and for how many seconds from now."""

    target_ref: str
    agent: Agent
    intent_summary: str
    lease_seconds: float
    claim_id: str
    now: str
    context: Mapping[str, Any] | None = None


class HeldRequest(NamedTuple):
    """Something that is asked of a live claim; by its holder, where it names an agent."""

    claim_id: str
    agent_id: str | None
    now: str


class Taken(NamedTuple):
    """A claim that its agent will hold, and the writes that make it so."""

    claim: Claim
    writes: tuple[Write, ...]
    renewed: bool


def plan_claim(request: ClaimRequest, facts: Facts) -> Plan:
    """What to write for a claim. Raises ClaimConflict if another agent holds the target."""
    taken = take(request, facts)
    return make_plan(
        OPERATION,
        facts,
        writes=taken.writes,
        keys=(target_family(request.target_ref),),
        result={"claim": taken.claim.to_document(), "renewed": taken.renewed},
    )


def plan_heartbeat(request: HeldRequest, lease: Callable[[str], float], facts: Facts) -> Plan:
    """What to write to keep a claim for the seconds that `lease` gives for its target, from now.

    Raises NotFound; StateConflict if it is not active or its lease has run out; ClaimConflict if
    another agent holds it.
    """
    stored, claim = held(request, facts)
    renewed = _extended(claim, request.now, lease(claim.target_ref))
    return make_plan(
        HEARTBEAT,
        facts,
        writes=(update(CLAIMS, stored, renewed),),
        keys=(target_family(claim.target_ref),),
        result={"claim": renewed.to_document()},
    )


def take(request: ClaimRequest, facts: Facts) -> Taken:
    """The requested claim: a new one, or the same agent's live one renewed.

    A claim whose lease ran out is expired in the same step. Raises ClaimConflict if another agent
    holds the target.
    """
    ended: list[Write] = []
    for stored, claim in active_on(request.target_ref, facts):
        if is_live(claim, request.now):
            if claim.agent.agent_id == request.agent.agent_id:
                renewed = _extended(claim, request.now, request.lease_seconds)
                return Taken(renewed, (update(CLAIMS, stored, renewed),), renewed=True)
            raise _held_by_another(claim)
        ended.append(update(CLAIMS, stored, move(claim, "expire")))
    claim = Claim(
        claim_id=request.claim_id,
        target_ref=request.target_ref,
        agent=request.agent,
        status=CLAIM.initial,
        intent_summary=request.intent_summary,
        created_at=request.now,
        heartbeat_at=request.now,
        lease_expires_at=later(request.now, request.lease_seconds),
        context=request.context,
        attempt_count=_attempts_before(request.target_ref, facts),
    )
    return Taken(claim, (*ended, create(CLAIMS, claim.claim_id, claim)), renewed=False)


def _attempts_before(target_ref: str, facts: Facts) -> int:
    """How many attempts in a row, up to now, have ended by a lease that ran out.

    A claim that was released or completed begins the count anew.
    """
    newest = facts.find_newest(CLAIMS, targetRef=target_ref)
    if newest is None:
        return 0
    claim = decode(Claim, newest)
    return 0 if claim.status in ("released", "completed") else claim.attempt_count + 1


def held(request: HeldRequest, facts: Facts) -> tuple[Stored, Claim]:
    """The claim that something is asked of; raises as `plan_heartbeat`."""
    stored, claim = known(Claim, CLAIMS, request.claim_id, facts)
    require_holder(claim, request.agent_id, request.now)
    return stored, claim


def require_holder(claim: Claim, agent_id: str | None, now: str) -> None:
    """Check that a claim is live and, if an agent is named, that agent's; raises otherwise."""
    record = f"claim {claim.claim_id}"
    if claim.status != "active":
        raise StateConflict(record=record, reason=f"it is {claim.status}, which is final")
    if not is_live(claim, now):
        raise StateConflict(record=record, reason=f"its lease ran out at {claim.lease_expires_at}")
    if agent_id is not None and agent_id != claim.agent.agent_id:
        raise _held_by_another(claim)


def active_on(target_ref: str, facts: Facts) -> list[tuple[Stored, Claim]]:
    """The claims on a target that are active, whether their lease has run out or not."""
    found = facts.find(CLAIMS, targetRef=target_ref, status="active")
    return [(stored, decode(Claim, stored)) for stored in found]


def end_active(target_ref: str, trigger: str, now: str, facts: Facts) -> tuple[Write, ...]:
    """The writes that end whatever claim is on a target, by this trigger.

    One whose lease has run out is expired, whatever the trigger.
    """
    return tuple(
        update(CLAIMS, stored, move(claim, trigger if is_live(claim, now) else "expire"))
        for stored, claim in active_on(target_ref, facts)
    )


def move(claim: Claim, trigger: str) -> Claim:
    """The claim after a move of its lifecycle. Raises StateConflict if there is no such move."""
    status = advance(CLAIM, claim.status, trigger, record=f"claim {claim.claim_id}")
    return claim.replace(status=status, revision=claim.revision + 1)


def is_live(claim: Claim, now: str) -> bool:
    """Whether a claim holds its target at this time."""
    return claim.status == "active" and claim.lease_expires_at > now


def later(now: str, seconds: float) -> str:
    """The time so many seconds after another."""
    return format_time(parse_time(now) + timedelta(seconds=seconds))


def _extended(claim: Claim, now: str, lease_seconds: float) -> Claim:
    # A clock that jumped back must not shorten a lease.
    return move(claim, "heartbeat").replace(
        heartbeat_at=max(claim.heartbeat_at, now),
        lease_expires_at=max(claim.lease_expires_at, later(now, lease_seconds)),
    )


def _held_by_another(claim: Claim) -> ClaimConflict:
    return ClaimConflict(
        target_ref=claim.target_ref,
        holder=claim.agent.agent_id,
        claim_id=claim.claim_id,
        lease_expires_at=claim.lease_expires_at,
    )
