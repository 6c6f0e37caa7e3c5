"""Bounties (Grove protocol, sections 5 and 7)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from grove_sm.domain import Agent, Bounty, BountyStatus, Criteria
from grove_sm.domain.errors import NotFound, StateConflict, ValidationError
from models.records import Records, Step, later
from models.requests import (
    Call,
    CancelBounty,
    ClaimBounty,
    CompleteBounty,
    CreateBounty,
    OpenBounty,
    ReleaseBounty,
    SettleBounty,
)
from models.rules import claims, credits

_DEADLINE: Final = timedelta(days=7)

_ENDS_CLAIM: Final[Mapping[BountyStatus, Any]] = {"cancelled": "released", "expired": "expired"}


def criteria_of(request: CreateBounty) -> Criteria:
    """What a contribution must show to fulfil a bounty."""
    tags = None if request.required_tag is None else [request.required_tag]
    return Criteria(description="as the title says", required_tags=tags)


def create(records: Records, request: CreateBounty, call: Call) -> Step:
    """A new bounty with its reservation, or a draft without."""
    deadline = later(call.now, _DEADLINE) if request.deadline is None else request.deadline
    if deadline <= call.now:
        raise ValidationError(field="deadline", rule="must lie in the future", value=deadline)
    bounty = Bounty(
        bounty_id=f"bounty-{call.new_ids[0]}",
        title=request.title,
        status="draft" if request.draft else "open",
        creator=request.agent,
        amount=request.amount,
        criteria=criteria_of(request),
        deadline=deadline,
        reservation_id=None if request.draft else f"reservation-{call.new_ids[1]}",
        created_at=call.now,
        updated_at=call.now,
    )
    if not request.draft:
        records = credits.reserve(records, bounty)
    return _with_bounty(records, bounty)


def open_draft(records: Records, request: OpenBounty, call: Call) -> Step:
    """A draft, opened, and its reservation."""
    bounty = _known(records, request.bounty_id)
    _require(bounty, "draft")
    _require_creator(bounty, request.agent)
    _require_in_time(bounty, call.now)
    bounty = bounty.replace(
        status="open", reservation_id=f"reservation-{call.new_ids[0]}", updated_at=call.now
    )
    return _with_bounty(credits.reserve(records, bounty), bounty)


def claim(records: Records, request: ClaimBounty, call: Call) -> Step:
    """The claim on a bounty, and the bounty; the same agent's is renewed and changes no more."""
    bounty = _known(records, request.bounty_id)
    _require(bounty, "open", "claimed")
    _require_in_time(bounty, call.now)
    records, answer = claims.take(
        records,
        call,
        _target(bounty),
        request.agent,
        intent=request.intent_summary,
        seconds=request.lease_seconds,
    )
    if not answer["renewed"]:
        bounty = bounty.replace(
            status="claimed",
            claimed_by=answer["claim"].agent,
            claim_id=answer["claim"].claim_id,
            updated_at=call.now,
        )
    records, with_bounty = _with_bounty(records, bounty)
    return records, {**answer, **with_bounty}


def release(records: Records, request: ReleaseBounty, call: Call) -> Step:
    """A bounty, open again, and its claim given up."""
    bounty = _known(records, request.bounty_id)
    _require(bounty, "claimed")
    _require_holder(records, bounty, request.agent, call.now)
    records = claims.end_active(records, _target(bounty), "released", call.now)
    return _with_bounty(records, claims.reopened(bounty, call.now))


def complete(records: Records, request: CompleteBounty, call: Call) -> Step:
    """A bounty that a contribution fulfils, and its claim."""
    bounty = _known(records, request.bounty_id)
    return _completed(records, bounty, request.cid, request.agent, call.now)


def settle(records: Records, request: SettleBounty, call: Call) -> Step:
    """A bounty, paid to its claimant; a claimed one is completed on the way."""
    bounty = _known(records, request.bounty_id)
    if bounty.status == "claimed":
        if request.cid is None:
            raise ValidationError(field="cid", rule="is required")
        records, answer = _completed(records, bounty, request.cid, None, call.now)
        bounty = answer["bounty"]
    _require(bounty, "completed")
    if request.cid not in (None, bounty.fulfilled_by_cid):
        raise _conflict(bounty, "another contribution has completed it")
    bounty = bounty.replace(status="settled", updated_at=call.now)
    return _with_bounty(credits.capture(records, bounty), bounty)


def cancel(records: Records, request: CancelBounty, call: Call) -> Step:
    """A bounty, taken back by its creator."""
    bounty = _known(records, request.bounty_id)
    _require(bounty, "draft", "open", "claimed", "completed")
    _require_creator(bounty, request.agent)
    return _with_bounty(*come_to_nothing(records, bounty, "cancelled", call.now))


def expires(bounty: Bounty, now: str) -> bool:
    """Whether a bounty has to expire."""
    return bounty.status in ("open", "claimed", "completed") and bounty.deadline <= now


def come_to_nothing(
    records: Records, bounty: Bounty, status: BountyStatus, now: str
) -> tuple[Records, Bounty]:
    """A bounty that ends so: its claim ends too, and its amount goes back."""
    records = claims.end_active(records, _target(bounty), _ENDS_CLAIM[status], now)
    return credits.void(records, bounty), bounty.replace(status=status, updated_at=now)


def _completed(records: Records, bounty: Bounty, cid: str, agent: Agent | None, now: str) -> Step:
    _require(bounty, "claimed")
    _require_in_time(bounty, now)
    _require_holder(records, bounty, agent, now)
    contribution = records.contributions.get(cid)
    if contribution is None:
        raise NotFound(record=f"contribution {cid}")
    if not set(bounty.criteria.required_tags or ()) <= set(contribution.tags):
        raise _conflict(bounty, "the contribution does not meet its criteria")
    records = claims.end_active(records, _target(bounty), "completed", now)
    completed = bounty.replace(status="completed", fulfilled_by_cid=cid, updated_at=now)
    return _with_bounty(records, completed)


def _known(records: Records, bounty_id: str) -> Bounty:
    bounty = records.bounties.get(bounty_id)
    if bounty is None:
        raise NotFound(record=f"bounty {bounty_id}")
    return bounty


def _require(bounty: Bounty, *statuses: BountyStatus) -> None:
    if bounty.status not in statuses:
        raise _conflict(bounty, f"it is {bounty.status}")


def _require_creator(bounty: Bounty, agent: Agent) -> None:
    if agent.agent_id != bounty.creator.agent_id:
        raise _conflict(bounty, "it is another's")


def _require_in_time(bounty: Bounty, now: str) -> None:
    if bounty.deadline <= now:
        raise _conflict(bounty, "its deadline has passed")


def _require_holder(records: Records, bounty: Bounty, agent: Agent | None, now: str) -> None:
    for found in claims.active_on(records, _target(bounty)):
        claims.require_held(found, agent, now)


def _conflict(bounty: Bounty, reason: str) -> StateConflict:
    return StateConflict(record=f"bounty {bounty.bounty_id}", reason=reason)


def _target(bounty: Bounty) -> str:
    return f"bounty:{bounty.bounty_id}"


def _with_bounty(records: Records, bounty: Bounty) -> Step:
    bounties = {**records.bounties, bounty.bounty_id: bounty}
    return replace(records, bounties=bounties), {"bounty": bounty}
