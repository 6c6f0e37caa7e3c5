"""The reference model: a grove as plain dictionaries, each operation at one stroke.

Written from the protocol (Grove protocol, sections 2 to 8), not from the library: of that it
uses the records and errors alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, NamedTuple

from grove_sm.domain import (
    Bounty,
    Claim,
    Contribution,
    Criteria,
    Handoff,
    Relation,
    format_time,
    parse_time,
)
from grove_sm.domain.errors import (
    ClaimConflict,
    GroveError,
    InsufficientCredits,
    NotFound,
    StateConflict,
    ValidationError,
)
from models.requests import (
    Call,
    ClaimBounty,
    ClaimTarget,
    Contribute,
    CreateBounty,
    Grant,
    Request,
)

CRITERIA: Final = Criteria(description="as the title says")

_KEYS_LAST: Final = timedelta(hours=24)
_DEADLINE: Final = timedelta(days=7)
_LEASE: Final = 300.0
_BOUNTY_LEASE: Final = 1800.0
_ANSWERS: Final = frozenset({"reviews", "responds_to", "adopts"})
_UNRESOLVED: Final = frozenset({"pending_pickup", "delivered", "processed"})

HandoffName = tuple[str, str]
"""A handoff's source and the role it goes to, which are its name in both."""


class HandoffState(NamedTuple):
    """What a handoff says beside its name."""

    from_role: str
    status: str
    resolved_by: str | None
    created_at: str


class Balance(NamedTuple):
    """An account."""

    available: int = 0
    reserved: int = 0


@dataclass(frozen=True)
class Records:
    """Everything that a reader of a grove can see."""

    contributions: Mapping[str, Contribution] = field(default_factory=dict)
    handoffs: Mapping[HandoffName, HandoffState] = field(default_factory=dict)
    claims: Mapping[str, Claim] = field(default_factory=dict)
    bounties: Mapping[str, Bounty] = field(default_factory=dict)
    accounts: Mapping[str, Balance] = field(default_factory=dict)


Answer = Mapping[str, Any]
"""The facts of a result, by name."""

Outcome = Answer | GroveError


class Remembered(NamedTuple):
    """What a used idempotency key stands for."""

    request: Request
    answer: Answer
    expires_at: str


@dataclass(frozen=True)
class World:
    """A grove between two operations. Never changed; an operation makes another one.

    Attributes:
        records: what readers see.
        keys: (scope, key) -> what it stands for.
        happened: transaction id -> whether it did, for those whose outcome was unknown.
    """

    records: Records = field(default_factory=Records)
    keys: Mapping[tuple[str, str], Remembered] = field(default_factory=dict)
    happened: Mapping[str, bool] = field(default_factory=dict)


Step = tuple[Records, Answer]


class Reference:
    """The rules, for one topology: role -> the roles that its contributions are handed to."""

    def __init__(self, topology: Mapping[str, Sequence[str]]) -> None:
        self._topology = topology

    def apply(self, world: World, call: Call) -> tuple[World, Outcome]:
        """The world after a call, and what its caller is told; a refusal changes nothing."""
        try:
            known = self.remembered(world, call.request, call.key, call.now)
            if known is not None:
                return world, known
            records, answer = self._step(world.records, call)
        except GroveError as refusal:
            return world, refusal
        keys = world.keys
        if call.key is not None:
            until = _later(call.now, _KEYS_LAST)
            name = (_scope(call.request), call.key)
            keys = {**keys, name: Remembered(call.request, answer, until)}
        return replace(world, records=records, keys=keys), answer

    def remembered(
        self, world: World, request: Request, key: str | None, now: str
    ) -> Answer | None:
        """What a request was answered when it came under this key before, if it did.

        Raises StateConflict if another request did.
        """
        known = None if key is None else world.keys.get((_scope(request), key))
        if known is None or known.expires_at <= now:
            return None
        if known.request != request:
            record = f"idempotency key {key!r}"
            raise StateConflict(record=record, reason="it was used for another request")
        return known.answer

    def _step(self, records: Records, call: Call) -> Step:
        match call.request:
            case Contribute():
                return self._contribute(records, call.request, call.now)
            case Grant():
                return _grant(records, call.request)
            case CreateBounty():
                return _create_bounty(records, call.request, call)
            case ClaimTarget(target_ref=target, lease_seconds=lease):
                return _claim(records, call, target, _LEASE if lease is None else lease)
            case ClaimBounty():
                return _claim_bounty(records, call.request, call)

    def _contribute(self, records: Records, request: Contribute, now: str) -> Step:
        made = contribution_of(request, now)
        cid, role = made.cid, made.agent.role
        if cid in records.contributions:
            routed = {to for source, to in records.handoffs if source == cid}
            resolved = {n for n, handoff in records.handoffs.items() if handoff.resolved_by == cid}
            return records, _contributed(cid, routed, resolved, duplicate=True)
        for relation in made.relations:
            if relation.target_cid not in records.contributions:
                raise NotFound(record=f"contribution {relation.target_cid}")
        handoffs = dict(records.handoffs)
        answered = {r.target_cid for r in made.relations if r.relation_type in _ANSWERS}
        replied = {
            name
            for name, handoff in handoffs.items()
            if name[0] in answered and role in (None, name[1]) and handoff.status in _UNRESOLVED
        }
        for name in replied:
            handoffs[name] = handoffs[name]._replace(status="replied", resolved_by=cid)
        routed = set(self._topology.get(role, ())) if role is not None else set()
        for to in routed:
            handoffs[cid, to] = HandoffState(role or "", "pending_pickup", None, now)
        contributions = {**records.contributions, cid: made}
        after = replace(records, contributions=contributions, handoffs=handoffs)
        return after, _contributed(cid, routed, replied, duplicate=False)


def contribution_of(request: Contribute, now: str) -> Contribution:
    """The contribution that a request publishes if it is made now."""
    return Contribution(
        kind=request.kind,
        summary=request.summary,
        agent=request.agent,
        relations=[Relation(target_cid=cid, relation_type=kind) for cid, kind in request.relations],
        created_at=request.created_at or now,
    )


def handoff_state(handoff: Handoff) -> tuple[HandoffName, HandoffState]:
    """A handoff as this model keeps it."""
    return (handoff.source_cid, handoff.to_role), HandoffState(
        handoff.from_role, handoff.status, handoff.resolved_by_cid, handoff.created_at
    )


def _scope(request: Request) -> str:
    if isinstance(request, Grant):
        return f"agent {request.agent_id}"
    agent = request.agent
    return f"role {agent.role}" if agent.role else f"agent {agent.agent_id}"


def _later(now: str, by: timedelta) -> str:
    return format_time(parse_time(now) + by)


def _contributed(
    cid: str, routed: set[str], replied: set[HandoffName], *, duplicate: bool
) -> Answer:
    return {"cid": cid, "routed": routed, "replied": replied, "duplicate": duplicate}


def _grant(records: Records, request: Grant) -> Step:
    balance = records.accounts.get(request.agent_id, Balance())
    balance = balance._replace(available=balance.available + request.amount)
    accounts = {**records.accounts, request.agent_id: balance}
    return replace(records, accounts=accounts), {"balance": balance}


def _create_bounty(records: Records, request: CreateBounty, call: Call) -> Step:
    now = call.now
    deadline = _later(now, _DEADLINE) if request.deadline is None else request.deadline
    if deadline <= now:
        raise ValidationError(field="deadline", rule="must lie in the future", value=deadline)
    creator = request.agent.agent_id
    balance = records.accounts.get(creator, Balance())
    if balance.available < request.amount:
        raise InsufficientCredits(
            agent_id=creator, needed=request.amount, available=balance.available
        )
    bounty = Bounty(
        bounty_id=f"bounty-{call.new_ids[0]}",
        title=request.title,
        status="open",
        creator=request.agent,
        amount=request.amount,
        criteria=CRITERIA,
        deadline=deadline,
        reservation_id=f"reservation-{call.new_ids[1]}",
        created_at=now,
        updated_at=now,
    )
    left = Balance(balance.available - request.amount, balance.reserved + request.amount)
    after = replace(
        records,
        bounties={**records.bounties, bounty.bounty_id: bounty},
        accounts={**records.accounts, creator: left},
    )
    return after, {"bounty": bounty}


def _claim(records: Records, call: Call, target: str, lease: float) -> Step:
    request = call.request
    assert isinstance(request, ClaimTarget | ClaimBounty)
    now, until = call.now, _later(call.now, timedelta(seconds=lease))
    claims = dict(records.claims)
    attempts = 0
    for claim in records.claims.values():
        if claim.target_ref != target or claim.status != "active":
            continue
        if claim.lease_expires_at <= now:
            claims[claim.claim_id] = _changed(claim, status="expired")
            attempts = claim.attempt_count + 1
        elif claim.agent.agent_id != request.agent.agent_id:
            raise ClaimConflict(
                target_ref=target,
                holder=claim.agent.agent_id,
                claim_id=claim.claim_id,
                lease_expires_at=claim.lease_expires_at,
            )
        else:
            # A clock that jumped back shortens no lease.
            claims[claim.claim_id] = renewed = _changed(
                claim,
                heartbeat_at=max(claim.heartbeat_at, now),
                lease_expires_at=max(claim.lease_expires_at, until),
            )
            return replace(records, claims=claims), {"claim": renewed, "renewed": True}
    claim = Claim(
        claim_id=f"claim-{call.new_ids[0]}",
        target_ref=target,
        agent=request.agent,
        status="active",
        intent_summary=request.intent_summary,
        created_at=now,
        heartbeat_at=now,
        lease_expires_at=until,
        attempt_count=attempts,
    )
    claims[claim.claim_id] = claim
    return replace(records, claims=claims), {"claim": claim, "renewed": False}


def _claim_bounty(records: Records, request: ClaimBounty, call: Call) -> Step:
    bounty = records.bounties.get(request.bounty_id)
    if bounty is None:
        raise NotFound(record=f"bounty {request.bounty_id}")
    if bounty.deadline <= call.now:
        raise StateConflict(record=f"bounty {request.bounty_id}", reason="its deadline has passed")
    lease = _BOUNTY_LEASE if request.lease_seconds is None else request.lease_seconds
    records, answer = _claim(records, call, f"bounty:{request.bounty_id}", lease)
    if not answer["renewed"]:
        claim: Claim = answer["claim"]
        bounty = bounty.replace(
            status="claimed",
            claimed_by=claim.agent,
            claim_id=claim.claim_id,
            updated_at=call.now,
        )
        records = replace(records, bounties={**records.bounties, bounty.bounty_id: bounty})
    return records, {**answer, "bounty": bounty}


def _changed(claim: Claim, **changes: Any) -> Claim:
    return claim.replace(**changes, revision=claim.revision + 1)
