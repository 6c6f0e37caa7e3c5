"""Handoffs as an inbox (Grove protocol, section 3): a delivery is a claim on the handoff."""

from dataclasses import replace

from grove_sm.domain import Handoff
from grove_sm.domain.errors import NotFound, StateConflict
from models.records import Records, Step
from models.requests import Acknowledge, Call, DeadLetter, PickUp
from models.rules import claims


def pick_up(records: Records, request: PickUp, call: Call) -> Step:
    """The oldest handoff that waits for a role, delivered; or nothing."""
    role = request.agent.role if request.role is None else request.role
    waiting = [
        handoff
        for handoff in records.handoffs.values()
        if handoff.to_role == role and _is_waiting(records, handoff, call.now)
    ]
    if not waiting:
        return records, {"handoff": None}
    handoff = min(waiting, key=lambda each: (each.created_at, each.handoff_id))
    intent = f"process handoff {handoff.handoff_id}"
    records, answer = claims.take(
        records, call, _target(handoff), request.agent, intent=intent, seconds=request.seconds
    )
    records, with_handoff = _moved(records, handoff.replace(status="delivered"))
    source = records.contributions[handoff.source_cid]
    return records, {"claim": answer["claim"], "contribution": source, **with_handoff}


def acknowledge(records: Records, request: Acknowledge, call: Call) -> Step:
    """A delivered handoff, processed, by whom it was delivered to."""
    handoff = _known(records, request.handoff_id)
    deliveries = claims.active_on(records, _target(handoff))
    if handoff.status != "delivered" or not deliveries:
        raise _conflict(handoff)
    for delivery in deliveries:
        claims.require_held(delivery, request.agent, call.now)
    records = claims.end_active(records, _target(handoff), "completed", call.now)
    return _moved(records, handoff.replace(status="processed"))


def dead_letter(records: Records, request: DeadLetter, call: Call) -> Step:
    """A handoff, given up; not while another agent has it."""
    handoff = _known(records, request.handoff_id)
    if handoff.status not in ("pending_pickup", "delivered"):
        raise _conflict(handoff)
    for delivery in claims.active_on(records, _target(handoff)):
        if claims.is_live(delivery, call.now):
            claims.require_held(delivery, request.agent, call.now)
    records = claims.end_active(records, _target(handoff), "released", call.now)
    return _moved(records, handoff.replace(status="dead_lettered"))


def is_open(handoff: Handoff) -> bool:
    """Whether a handoff has not ended."""
    return handoff.status in ("pending_pickup", "delivered", "processed")


def expires(handoff: Handoff, now: str) -> bool:
    """Whether a handoff has to expire."""
    due = handoff.reply_due_at
    return is_open(handoff) and due is not None and due < now


def expire(records: Records, handoff: Handoff, now: str) -> Records:
    """Nobody has replied in time."""
    records = claims.end_active(records, _target(handoff), "expired", now)
    return _moved(records, handoff.replace(status="expired"))[0]


def reply(records: Records, handoff: Handoff, cid: str, now: str) -> Records:
    """A contribution replies; who had it for processing is done."""
    records = claims.end_active(records, _target(handoff), "completed", now)
    return _moved(records, handoff.replace(status="replied", resolved_by_cid=cid))[0]


def _is_waiting(records: Records, handoff: Handoff, now: str) -> bool:
    is_taken = any(
        claims.is_live(delivery, now) for delivery in claims.active_on(records, _target(handoff))
    )
    is_deliverable = handoff.status in ("pending_pickup", "delivered")
    return is_deliverable and not is_taken and not expires(handoff, now)


def _known(records: Records, handoff_id: str) -> Handoff:
    handoff = records.handoffs.get(handoff_id)
    if handoff is None:
        raise NotFound(record=f"handoff {handoff_id}")
    return handoff


def _conflict(handoff: Handoff) -> StateConflict:
    return StateConflict(record=f"handoff {handoff.handoff_id}", reason=f"it is {handoff.status}")


def _target(handoff: Handoff) -> str:
    return f"handoff:{handoff.handoff_id}"


def _moved(records: Records, handoff: Handoff) -> Step:
    handoffs = {**records.handoffs, handoff.handoff_id: handoff}
    return replace(records, handoffs=handoffs), {"handoff": handoff}
