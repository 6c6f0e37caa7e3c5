"""Claims (Grove protocol, section 4)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from grove_sm.domain import Agent, Bounty, Claim, ClaimStatus
from grove_sm.domain.errors import ClaimConflict, NotFound, StateConflict, ValidationError
from models.records import Records, Step, later
from models.requests import Call, ClaimTarget, Complete, Heartbeat, Release

_LEASE: Final = 300.0
_BOUNTY_LEASE: Final = 1800.0
_BOUNTY: Final = "bounty:"
_HANDOFF: Final = "handoff:"


def claim(records: Records, request: ClaimTarget, call: Call) -> Step:
    """A new claim on a target, or the same agent's renewed."""
    return take(
        records,
        call,
        request.target_ref,
        request.agent,
        intent=request.intent_summary,
        seconds=request.lease_seconds,
    )


def take(
    records: Records, call: Call, target: str, agent: Agent, *, intent: str, seconds: float | None
) -> Step:
    """A new claim on any target, or the same agent's renewed; one that ran out is expired."""
    now, until = call.now, _until(target, seconds, call.now)
    claims = dict(records.claims)
    for found in active_on(records, target):
        if not is_live(found, now):
            claims[found.claim_id] = changed(found, status="expired")
        elif found.agent.agent_id != agent.agent_id:
            raise _held_by_another(found)
        else:
            claims[found.claim_id] = renewed = _extended(found, now, until)
            return replace(records, claims=claims), {"claim": renewed, "renewed": True}
    made = Claim(
        claim_id=f"claim-{call.new_ids[0]}",
        target_ref=target,
        agent=agent,
        status="active",
        intent_summary=intent,
        created_at=now,
        heartbeat_at=now,
        lease_expires_at=until,
        attempt_count=_attempts_before(records, target),
    )
    claims[made.claim_id] = made
    return replace(records, claims=claims), {"claim": made, "renewed": False}


def _attempts_before(records: Records, target: str) -> int:
    """One more for each attempt after a lease that ran out, until one is released or completed."""
    on_target = [found for found in records.claims.values() if found.target_ref == target]
    newest = max(on_target, key=lambda found: (found.created_at, found.claim_id), default=None)
    if newest is None or newest.status in ("released", "completed"):
        return 0
    return newest.attempt_count + 1


def heartbeat(records: Records, request: Heartbeat, call: Call) -> Step:
    """The claim, extended."""
    held = _held(records, request, call)
    until = _until(held.target_ref, request.lease_seconds, call.now)
    kept = _extended(held, call.now, until)
    return _with_claim(records, kept), {"claim": kept}


def release(records: Records, request: Release, call: Call) -> Step:
    """The claim, given up; a bounty that it held is open again."""
    released = changed(_held(records, request, call), status="released")
    return let_go(records, released, call.now), {"claim": released}


def complete(records: Records, request: Complete, call: Call) -> Step:
    """The claim, its work done; but not one that ends with a bounty or a handoff."""
    held = _held(records, request, call)
    if held.target_ref.startswith((_BOUNTY, _HANDOFF)):
        raise ValidationError(
            field="claimId", rule="must not be one that ends with its record", value=held.claim_id
        )
    completed = changed(held, status="completed")
    return _with_claim(records, completed), {"claim": completed}


def let_go(records: Records, ended: Claim, now: str) -> Records:
    """A claim has ended without success: a bounty that it held is open again."""
    records = _with_claim(records, ended)
    if not ended.target_ref.startswith(_BOUNTY):
        return records
    bounty_id = ended.target_ref.removeprefix(_BOUNTY)
    opened = reopened(records.bounties[bounty_id], now)
    return replace(records, bounties={**records.bounties, bounty_id: opened})


def reopened(bounty: Bounty, now: str) -> Bounty:
    """A bounty, open again and without a claimant."""
    return bounty.replace(status="open", claimed_by=None, claim_id=None, updated_at=now)


def end_active(records: Records, target: str, status: ClaimStatus, now: str) -> Records:
    """Whatever claim is on a target ends so; one whose lease ran out expires."""
    for found in active_on(records, target):
        end = status if is_live(found, now) else "expired"
        records = _with_claim(records, changed(found, status=end))
    return records


def active_on(records: Records, target: str) -> list[Claim]:
    """The claims on a target that are active, whether their lease has run out or not."""
    return [
        found
        for found in records.claims.values()
        if found.target_ref == target and found.status == "active"
    ]


def is_live(found: Claim, now: str) -> bool:
    """Whether a claim is active and its lease has not run out."""
    return found.status == "active" and found.lease_expires_at > now


def require_held(found: Claim, agent: Agent | None, now: str) -> None:
    """Refuse for a claim that is not live, or not this agent's, if one is named."""
    if not is_live(found, now):
        raise StateConflict(record=f"claim {found.claim_id}", reason="it is not live")
    if agent is not None and agent.agent_id != found.agent.agent_id:
        raise _held_by_another(found)


def changed(found: Claim, **changes: Any) -> Claim:
    """A claim after a change, which its revision counts."""
    return found.replace(**changes, revision=found.revision + 1)


def _held(records: Records, request: Heartbeat | Release | Complete, call: Call) -> Claim:
    found = records.claims.get(request.claim_id)
    if found is None:
        raise NotFound(record=f"claim {request.claim_id}")
    require_held(found, request.agent, call.now)
    return found


def _with_claim(records: Records, found: Claim) -> Records:
    return replace(records, claims={**records.claims, found.claim_id: found})


def _until(target: str, seconds: float | None, now: str) -> str:
    if seconds is None:
        seconds = _BOUNTY_LEASE if target.startswith(_BOUNTY) else _LEASE
    return later(now, timedelta(seconds=seconds))


def _extended(found: Claim, now: str, until: str) -> Claim:
    # A clock that jumped back shortens no lease.
    return changed(
        found,
        heartbeat_at=max(found.heartbeat_at, now),
        lease_expires_at=max(found.lease_expires_at, until),
    )


def _held_by_another(found: Claim) -> ClaimConflict:
    return ClaimConflict(
        target_ref=found.target_ref,
        holder=found.agent.agent_id,
        claim_id=found.claim_id,
        lease_expires_at=found.lease_expires_at,
    )
