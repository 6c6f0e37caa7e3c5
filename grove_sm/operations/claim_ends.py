"""How claims end: released, completed, or expired; a bounty that one held goes with it.

Grove protocol, sections 4 and 7.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from grove_sm.domain import Claim
from grove_sm.domain.errors import ValidationError
from grove_sm.operations.bounties import bounty_target, known_bounty, reopened
from grove_sm.operations.bounty_ends import ExpireBountyRequest, is_overdue, plan_expire_bounty
from grove_sm.operations.claims import HeldRequest, active_on, held, is_live, move, require_holder
from grove_sm.operations.documents import look_up, update
from grove_sm.operations.layout import (
    BOUNTIES,
    BOUNTY_TARGET,
    CLAIMS,
    HANDOFF_TARGET,
    target_family,
)
from grove_sm.operations.plan import Facts, Plan, Stored, make_plan

RELEASE: Final = "release"
RELEASE_BOUNTY: Final = "release_bounty"
COMPLETE: Final = "complete"
EXPIRE: Final = "expire_claim"

_COMPLETED_OTHERWISE: Final[Mapping[str, str]] = {
    BOUNTY_TARGET: "a bounty, which is completed with it by complete_bounty or settle_bounty",
    HANDOFF_TARGET: "a handoff, which is processed with it by acknowledge",
}


class ReleaseBountyRequest(NamedTuple):
    """A claimed bounty to let go of; by its claimant, where it names an agent."""

    bounty_id: str
    agent_id: str | None
    now: str


class ExpireClaimRequest(NamedTuple):
    """A claim to expire, if its lease has run out, or its heart has not beaten since a time."""

    claim_id: str
    stalled_since: str | None
    has_credits: bool
    now: str


def plan_release(request: HeldRequest, facts: Facts) -> Plan:
    """What to write for a claim that is given up: the claim; a bounty that it held is open again.

    Raises NotFound; StateConflict if it is not active or its lease has run out; ClaimConflict if
    another agent holds it.
    """
    stored, claim = held(request, facts)
    return _ended(RELEASE, [(stored, move(claim, "release"))], claim.target_ref, request.now, facts)


def plan_release_bounty(request: ReleaseBountyRequest, facts: Facts) -> Plan:
    """What to write for a claimant to let go: the claim `released`, the bounty `open` again.

    Raises NotFound; StateConflict if it is not claimed or the lease has run out; ClaimConflict if
    another agent holds it.
    """
    _, bounty = known_bounty(request.bounty_id, facts)
    # Refuses every state but claimed before the claims are looked at.
    reopened(bounty, request.now)
    target = bounty_target(bounty.bounty_id)
    released = []
    for stored, claim in active_on(target, facts):
        require_holder(claim, request.agent_id, request.now)
        released.append((stored, move(claim, "release")))
    return _ended(RELEASE_BOUNTY, released, target, request.now, facts)


def plan_complete(request: HeldRequest, facts: Facts) -> Plan:
    """What to write for a claim whose work is done: the claim.

    Raises ValidationError for one that ends with its bounty or handoff; otherwise as
    `plan_release`.
    """
    stored, claim = held(request, facts)
    for prefix, what in _COMPLETED_OTHERWISE.items():
        if claim.target_ref.startswith(prefix):
            raise ValidationError(
                field="claimId", rule=f"must not be the claim on {what}", value=claim.claim_id
            )
    completed = [(stored, move(claim, "complete"))]
    return _ended(COMPLETE, completed, claim.target_ref, request.now, facts)


def plan_expire_claim(request: ExpireClaimRequest, facts: Facts) -> Plan:
    """What to write for a claim that ran out; nothing, if it did not.

    A bounty that it held is open again, or expires too, if its own deadline has passed.
    """
    found = look_up(Claim, CLAIMS, request.claim_id, facts)
    if found is None or not has_run_out(found[1], request.now, request.stalled_since):
        return make_plan(EXPIRE, facts, writes=(), keys=(), result={})
    stored, claim = found
    if claim.target_ref.startswith(BOUNTY_TARGET):
        bounty_id = claim.target_ref.removeprefix(BOUNTY_TARGET)
        _, bounty = known_bounty(bounty_id, facts)
        if is_overdue(bounty, request.now):
            expire = ExpireBountyRequest(bounty_id, request.has_credits, request.now)
            return plan_expire_bounty(expire, facts)
    return _ended(EXPIRE, [(stored, move(claim, "expire"))], claim.target_ref, request.now, facts)


def has_run_out(claim: Claim, now: str, stalled_since: str | None = None) -> bool:
    """Whether a claim is to expire: its lease has run out, or its agent has stalled."""
    has_stalled = stalled_since is not None and is_stalled(claim, stalled_since)
    return claim.status == "active" and (has_stalled or not is_live(claim, now))


def is_stalled(claim: Claim, since: str) -> bool:
    """Whether a claim's agent has sent no heartbeat after this time."""
    return claim.heartbeat_at <= since


def _ended(
    operation: str,
    ended: Sequence[tuple[Stored, Claim]],
    target_ref: str,
    now: str,
    facts: Facts,
) -> Plan:
    """Claims on a target as they have ended; the bounty that they held, if any, is open again."""
    writes = [update(CLAIMS, stored, claim) for stored, claim in ended]
    result = {}
    for _, claim in ended:
        result["claim"] = claim.to_document()
    if target_ref.startswith(BOUNTY_TARGET):
        bounty_stored, bounty = known_bounty(target_ref.removeprefix(BOUNTY_TARGET), facts)
        bounty = reopened(bounty, now)
        writes.append(update(BOUNTIES, bounty_stored, bounty))
        result["bounty"] = bounty.to_document()
    return make_plan(
        operation, facts, writes=writes, keys=(target_family(target_ref),), result=result
    )
