"""Forgetting: claims and handoffs that have ended long ago are deleted.

What has ended is final, so that no operation depends on it any more. What goes on naming it, such
as a settled bounty its claim, does so by its id alone; that it was there and whole is what is left
of it in its store, which the audit takes for the record.
"""

from collections.abc import Callable
from typing import Final

from grove_sm.domain import Claim, Handoff
from grove_sm.lifecycles import CLAIM, HANDOFF
from grove_sm.operations.documents import decode, delete, look_up
from grove_sm.operations.handoffs import families, handoff_target
from grove_sm.operations.layout import CLAIMS, HANDOFFS, target_family
from grove_sm.operations.plan import Facts, Plan, Stored, make_plan

CLAIM_FORGOTTEN: Final = "forget_claim"
HANDOFF_FORGOTTEN: Final = "forget_handoff"

IsOld = Callable[[Stored], bool]
"""Whether a record was changed for the last time so long ago that it may be forgotten."""


def plan_forget_claim(claim_id: str, is_old: IsOld, facts: Facts) -> Plan:
    """What to write to forget a claim; nothing, if it has not ended or is not old."""
    found = look_up(Claim, CLAIMS, claim_id, facts)
    if found is None or found[1].status not in CLAIM.final or not is_old(found[0]):
        return make_plan(CLAIM_FORGOTTEN, facts, writes=(), keys=(), result={})
    stored, claim = found
    return make_plan(
        CLAIM_FORGOTTEN,
        facts,
        writes=(delete(CLAIMS, stored),),
        keys=(target_family(claim.target_ref),),
        result={"claimId": claim_id},
    )


def plan_forget_handoff(handoff_id: str, is_old: IsOld, facts: Facts) -> Plan:
    """What to write to forget a handoff with its deliveries; nothing, if it has not ended or is
    not old."""
    found = look_up(Handoff, HANDOFFS, handoff_id, facts)
    if found is None or found[1].status not in HANDOFF.final or not is_old(found[0]):
        return make_plan(HANDOFF_FORGOTTEN, facts, writes=(), keys=(), result={})
    stored, handoff = found
    deliveries = [
        each
        for each in facts.find(CLAIMS, targetRef=handoff_target(handoff_id))
        if decode(Claim, each).status in CLAIM.final
    ]
    return make_plan(
        HANDOFF_FORGOTTEN,
        facts,
        writes=(delete(HANDOFFS, stored), *(delete(CLAIMS, each) for each in deliveries)),
        keys=families(handoff),
        result={"handoffId": handoff_id},
    )
