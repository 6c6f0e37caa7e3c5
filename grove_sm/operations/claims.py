"""Claiming a target: one live claim at a time (Grove protocol, section 4)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple

from grove_sm.domain import Agent, Claim, format_time, parse_time
from grove_sm.domain.errors import ClaimConflict
from grove_sm.lifecycles import CLAIM, advance
from grove_sm.operations.documents import create, decode, update
from grove_sm.operations.layout import CLAIMS, target_family
from grove_sm.operations.plan import Facts, Plan, Stored, Write, make_plan

OPERATION: Final = "claim"


class ClaimRequest(NamedTuple):
    """A target to claim, for whom, and for how many seconds from now."""

    target_ref: str
    agent: Agent
    intent_summary: str
    lease_seconds: float
    claim_id: str
    now: str
    context: Mapping[str, Any] | None = None


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


def take(request: ClaimRequest, facts: Facts) -> Taken:
    """The requested claim: a new one, or the same agent's live one renewed.

    A claim whose lease ran out is expired in the same step. Raises ClaimConflict if another agent
    holds the target.
    """
    ended: list[Write] = []
    attempts = 0
    for stored in facts.find(CLAIMS, targetRef=request.target_ref, status="active"):
        claim = decode(Claim, stored)
        if is_live(claim, request.now):
            if claim.agent.agent_id == request.agent.agent_id:
                return _renew(request, stored, claim)
            raise ClaimConflict(
                target_ref=claim.target_ref,
                holder=claim.agent.agent_id,
                claim_id=claim.claim_id,
                lease_expires_at=claim.lease_expires_at,
            )
        attempts = max(attempts, claim.attempt_count + 1)
        ended.append(update(CLAIMS, stored, _move(claim, "expire")))
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
        attempt_count=attempts,
    )
    return Taken(claim, (*ended, create(CLAIMS, claim.claim_id, claim)), renewed=False)


def is_live(claim: Claim, now: str) -> bool:
    """Whether a claim holds its target at this time."""
    return claim.status == "active" and claim.lease_expires_at > now


def later(now: str, seconds: float) -> str:
    """The time so many seconds after another."""
    return format_time(parse_time(now) + timedelta(seconds=seconds))


def _renew(request: ClaimRequest, stored: Stored, claim: Claim) -> Taken:
    # A clock that jumped back must not shorten a lease.
    renewed = _move(claim, "heartbeat").replace(
        heartbeat_at=max(claim.heartbeat_at, request.now),
        lease_expires_at=max(claim.lease_expires_at, later(request.now, request.lease_seconds)),
    )
    return Taken(renewed, (update(CLAIMS, stored, renewed),), renewed=True)


def _move(claim: Claim, trigger: str) -> Claim:
    status = advance(CLAIM, claim.status, trigger, record=f"claim {claim.claim_id}")
    return claim.replace(status=status, revision=claim.revision + 1)
