"""Handoffs as an inbox: delivered to one agent at a time, processed, or given up.

A delivery is a claim on the handoff: its lease is the time that the agent has before the handoff
is delivered again, and its attempts count the deliveries. Grove protocol, sections 3 and 4.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from grove_sm.domain import Agent, Contribution, Handoff
from grove_sm.domain.errors import Corrupt, StateConflict
from grove_sm.lifecycles import HANDOFF, advance
from grove_sm.operations.claims import (
    ClaimRequest,
    active_on,
    end_active,
    is_live,
    move,
    require_holder,
    take,
)
from grove_sm.operations.documents import decode, known, look_up, update
from grove_sm.operations.layout import (
    CLAIMS,
    CONTRIBUTIONS,
    HANDOFF_TARGET,
    HANDOFFS,
    contribution_family,
    handoff_family,
)
from grove_sm.operations.plan import Facts, Find, Plan, Stored, Write, make_plan

PICK_UP: Final = "pick_up"
ACKNOWLEDGE: Final = "acknowledge"
DEAD_LETTER: Final = "dead_letter"
EXPIRE: Final = "expire_handoff"

DELIVERABLE: Final = ("pending_pickup", "delivered")
"""The states in which a handoff can be picked up; a delivered one, once its delivery ran out."""


class NotWaiting(Exception):  # noqa: N818 - an answer, not an error
    """The handoff is not to be picked up now: it is delivered, overdue, or past that.

    `until` is when its delivery runs out, if that is what is in the way.
    """

    def __init__(self, until: str | None = None) -> None:
        super().__init__(until)
        self.until = until


class PickUpRequest(NamedTuple):
    """A handoff to deliver to an agent, which then has so many seconds to process it."""

    handoff_id: str
    agent: Agent
    seconds: float
    claim_id: str
    now: str


class DeliveredRequest(NamedTuple):
    """Something that is asked of a handoff; by whom it was delivered to, where it names one."""

    handoff_id: str
    agent_id: str | None
    now: str


def plan_pick_up(request: PickUpRequest, facts: Facts) -> Plan:
    """What to write to deliver a handoff: the handoff `delivered`, and the claim on it.

    Raises NotWaiting if it cannot be delivered now; Corrupt if its contribution is not there.
    """
    stored, handoff = known_handoff(request.handoff_id, facts)
    if handoff.status not in DELIVERABLE or is_overdue(handoff, request.now):
        raise NotWaiting
    target = handoff_target(handoff.handoff_id)
    for _, claim in active_on(target, facts):
        if is_live(claim, request.now):
            raise NotWaiting(until=claim.lease_expires_at)
    source = facts.get(CONTRIBUTIONS, handoff.source_cid)
    if source is None:
        raise Corrupt(
            what=f"handoff {handoff.handoff_id}",
            where="its store",
            reason=f"its contribution {handoff.source_cid} is not there",
        )
    taken = take(
        ClaimRequest(
            target,
            request.agent,
            f"process handoff {handoff.handoff_id}",
            request.seconds,
            request.claim_id,
            request.now,
        ),
        facts,
    )
    writes = list(taken.writes)
    if handoff.status == "pending_pickup":
        handoff = moved(handoff, "deliver")
        writes.append(update(HANDOFFS, stored, handoff))
    return make_plan(
        PICK_UP,
        facts,
        writes=writes,
        keys=families(handoff),
        result={
            "handoff": handoff.to_document(),
            "claim": taken.claim.to_document(),
            "contribution": decode(Contribution, source).to_document(),
        },
    )


def plan_acknowledge(request: DeliveredRequest, facts: Facts) -> Plan:
    """What to write for a handoff that was processed: the handoff, and its delivery completed.

    Raises NotFound; StateConflict if it is not delivered, or the time to process it has run out;
    ClaimConflict if it was delivered to another agent.
    """
    stored, handoff = known_handoff(request.handoff_id, facts)
    processed = moved(handoff, "process")
    deliveries = active_on(handoff_target(handoff.handoff_id), facts)
    if not deliveries:
        raise StateConflict(
            record=f"handoff {handoff.handoff_id}",
            reason="its delivery was given back; pick it up again",
        )
    ended: list[Write] = []
    for found, claim in deliveries:
        require_holder(claim, request.agent_id, request.now)
        ended.append(update(CLAIMS, found, move(claim, "complete")))
    return make_plan(
        ACKNOWLEDGE,
        facts,
        writes=(*ended, update(HANDOFFS, stored, processed)),
        keys=families(handoff),
        result={"handoff": processed.to_document()},
    )


def plan_dead_letter(request: DeliveredRequest, facts: Facts) -> Plan:
    """What to write for a handoff that cannot be delivered: the handoff, its delivery released.

    Raises NotFound; StateConflict if it was processed or has ended; ClaimConflict if another agent
    has it.
    """
    stored, handoff = known_handoff(request.handoff_id, facts)
    given_up = moved(handoff, "dead_letter")
    target = handoff_target(handoff.handoff_id)
    for _, claim in active_on(target, facts):
        if is_live(claim, request.now):
            require_holder(claim, request.agent_id, request.now)
    return make_plan(
        DEAD_LETTER,
        facts,
        writes=(
            *end_active(target, "release", request.now, facts),
            update(HANDOFFS, stored, given_up),
        ),
        keys=families(handoff),
        result={"handoff": given_up.to_document()},
    )


def plan_expire_handoff(handoff_id: str, now: str, facts: Facts) -> Plan:
    """What to write for an overdue handoff, with its delivery; nothing, if it is not overdue."""
    found = look_up(Handoff, HANDOFFS, handoff_id, facts)
    if found is None or not is_overdue(found[1], now):
        return make_plan(EXPIRE, facts, writes=(), keys=(), result={})
    stored, handoff = found
    expired = moved(handoff, "expire")
    return make_plan(
        EXPIRE,
        facts,
        writes=(
            *end_active(handoff_target(handoff_id), "expire", now, facts),
            update(HANDOFFS, stored, expired),
        ),
        keys=families(handoff),
        result={"handoff": expired.to_document()},
    )


def end_deliveries(
    handoffs: Iterable[Handoff], trigger: str, now: str, facts: Facts
) -> tuple[tuple[Write, ...], tuple[str, ...]]:
    """The writes that end the deliveries of handoffs which are resolved, and their families."""
    delivered = [handoff.handoff_id for handoff in handoffs if handoff.status == "delivered"]
    facts.need(
        *(
            Find(CLAIMS, (("status", "active"), ("targetRef", handoff_target(handoff_id))))
            for handoff_id in delivered
        )
    )
    writes = [
        write
        for handoff_id in delivered
        for write in end_active(handoff_target(handoff_id), trigger, now, facts)
    ]
    return tuple(writes), tuple(handoff_family(handoff_id) for handoff_id in delivered)


def moved(handoff: Handoff, trigger: str) -> Handoff:
    """The handoff after a move of its lifecycle. Raises StateConflict if there is no such move."""
    status = advance(HANDOFF, handoff.status, trigger, record=f"handoff {handoff.handoff_id}")
    return handoff.replace(status=status)


def known_handoff(handoff_id: str, facts: Facts) -> tuple[Stored, Handoff]:
    """The handoff of this id. Raises NotFound."""
    return known(Handoff, HANDOFFS, handoff_id, facts)


def is_overdue(handoff: Handoff, now: str) -> bool:
    """Whether nobody has answered in time: it has to expire, if it has not ended."""
    is_open = handoff.status not in HANDOFF.final
    return is_open and handoff.reply_due_at is not None and handoff.reply_due_at < now


def handoff_target(handoff_id: str) -> str:
    """The target that the claim of a delivery names."""
    return HANDOFF_TARGET + handoff_id


def families(handoff: Handoff) -> tuple[str, str]:
    """The families that a change of a handoff and its deliveries has to hold."""
    return contribution_family(handoff.source_cid), handoff_family(handoff.handoff_id)
