"""Sweeping (Grove protocol, section 7): one atomic step for each record's family."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from grove_sm.domain import Claim, Handoff
from models.records import Records, Step, later
from models.requests import AllSwept, Call, Expire, Forget, Sweep
from models.rules import bounties, claims, handoffs

_ENDED: Final = frozenset({"released", "completed", "expired", "replied", "dead_lettered"})


def due(records: Records, sweep: Sweep, now: str) -> list[Expire | Forget]:
    """Every step that a sweep has to take now."""
    return [*_run_out(records, sweep, now), *_long_ended(records, sweep, now)]


def _run_out(records: Records, sweep: Sweep, now: str) -> list[Expire]:
    return [
        *(
            Expire(sweep, "bounties", bounty.bounty_id)
            for bounty in records.bounties.values()
            if bounties.expires(bounty, now)
        ),
        *(
            Expire(sweep, "claims", claim.claim_id)
            for claim in records.claims.values()
            if _has_run_out(claim, sweep, now)
        ),
        *(
            Expire(sweep, "handoffs", handoff.handoff_id)
            for handoff in records.handoffs.values()
            if handoffs.expires(handoff, now)
        ),
    ]


def _long_ended(records: Records, sweep: Sweep, now: str) -> list[Forget]:
    if sweep.forget_after is None:
        return []
    before = later(now, -timedelta(seconds=sweep.forget_after))

    def has_long_ended(record: Claim | Handoff, record_id: str) -> bool:
        has_ended = record.status in _ENDED
        return has_ended and record.created_at < before and records.changed[record_id] < before

    return [
        *(Forget(sweep, "claims", n) for n, c in records.claims.items() if has_long_ended(c, n)),
        *(
            Forget(sweep, "handoffs", n)
            for n, h in records.handoffs.items()
            if has_long_ended(h, n)
        ),
    ]


def forget(records: Records, step: Forget, call: Call) -> Step:
    """A record that ended long ago is gone, a handoff with its deliveries; or nothing happens."""
    if step not in due(records, step.sweep, call.now):
        return records, {"forgotten": None}
    target = f"handoff:{step.record_id}" if step.collection == "handoffs" else None
    return replace(
        records,
        claims={
            claim_id: claim
            for claim_id, claim in records.claims.items()
            if claim_id != step.record_id and claim.target_ref != target
        },
        handoffs={n: handoff for n, handoff in records.handoffs.items() if n != step.record_id},
    ), {"forgotten": step}


def expire(records: Records, step: Expire, call: Call) -> Step:
    """A record that has run out, at its end; nothing, if it has not."""
    now = call.now
    if step not in due(records, step.sweep, now):
        return records, {"swept": None, "reopened": None}
    if step.collection == "handoffs":
        expired = handoffs.expire(records, records.handoffs[step.record_id], now)
        return expired, {"swept": step, "reopened": None}
    bounty_id = step.record_id
    if step.collection == "claims":
        claim = records.claims[step.record_id]
        bounty_id = claim.target_ref.removeprefix("bounty:")
        bounty = records.bounties.get(bounty_id)
        # With the bounty whose own deadline has passed, it is the bounty that is swept.
        if bounty is None or not bounties.expires(bounty, now):
            after = claims.let_go(records, claims.changed(claim, status="expired"), now)
            return after, {"swept": step, "reopened": None if bounty is None else bounty_id}
    records, bounty = bounties.come_to_nothing(records, records.bounties[bounty_id], "expired", now)
    after = replace(records, bounties={**records.bounties, bounty_id: bounty})
    return after, {"swept": Expire(step.sweep, "bounties", bounty_id), "reopened": None}


def all_swept(records: Records, request: AllSwept, call: Call) -> Step:
    """Whether nothing has run out."""
    return records, {"all swept": not due(records, request.sweep, call.now)}


def _has_run_out(claim: Claim, sweep: Sweep, now: str) -> bool:
    if claim.status != "active":
        return False
    is_stalled = sweep.stalled_after is not None and claim.heartbeat_at <= later(
        now, -timedelta(seconds=sweep.stalled_after)
    )
    return is_stalled or not claims.is_live(claim, now)
