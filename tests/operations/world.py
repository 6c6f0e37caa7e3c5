"""A store in memory to plan against, and nothing else of the library's machinery."""

import json
from collections.abc import Callable, Mapping, Sequence
from threading import RLock
from typing import Any

from grove_sm.domain import Agent, Bounty, Claim, Contribution, Handoff
from grove_sm.operations.bounties import (
    bounty_target,
    plan_claim_bounty,
    plan_create_bounty,
)
from grove_sm.operations.claims import ClaimRequest, plan_claim
from grove_sm.operations.contribute import ContributeRequest, plan_contribute
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.operations.plan import Facts, Find, MissingFacts, Plan, Read, Stored, Write
from grove_sm.settings import routes
from grove_sm.stores.memory import MemoryStore
from tests.groves import NOW, TOPOLOGY

LATER = "2026-01-08T12:00:00.000Z"


class World:
    """What the stores hold, changed by plans."""

    def __init__(self) -> None:
        self.store = MemoryStore("memory://", {}, RLock())
        self._plans = 0

    def plan(self, operation: Callable[[Facts], Plan], *, hopeful: bool = False) -> Plan:
        """Plan an operation on what is there."""
        known: dict[Read, tuple[Stored, ...]] = {}
        while True:
            try:
                return operation(Facts(known, hopeful=hopeful))
            except MissingFacts as missing:
                if set(missing.reads) & set(known):
                    raise AssertionError("it asked for what it knows") from missing
                known |= {read: self.store.read(read) for read in missing.reads}

    def do(self, operation: Callable[[Facts], Plan]) -> Plan:
        """Plan an operation and apply it."""
        plan = self.plan(operation)
        assert self.store.validate(plan.expectations)
        self._plans += 1
        members = json.dumps([(w.collection, w.record_id, w.revision) for w in plan.writes])
        assert self.store.apply(f"tx-{self._plans}", members, plan.writes) == ()
        return plan

    def documents(self, collection: str, **where: str) -> list[dict[str, Any]]:
        """The documents with these field values."""
        found = self.store.read(Find(collection, tuple(where.items())))
        return [json.loads(stored.document) for stored in found]

    def put(self, collection: str, record_id: str, document: Mapping[str, Any]) -> None:
        """Have a record so, whatever stood there."""
        found = [r for r in self.store.read(Find(collection, ())) if r.record_id == record_id]
        base = found[0].revision if found else 0
        write = Write(collection, record_id, base, json.dumps(document))
        self._plans += 1
        assert self.store.apply(f"put-{self._plans}", "[]", [write]) == ()

    def everything(self) -> list[tuple[Stored, ...]]:
        """All there is."""
        return [self.store.read(Find(collection, ())) for collection in COLLECTIONS]


def contribution(summary: str, agent: Agent, *relations: tuple[str, str], kind: Any = "work"
                 ) -> Contribution:  # fmt: skip
    """A contribution with relations of (type, target)."""
    return Contribution(
        kind=kind,
        summary=summary,
        agent=agent,
        relations=[{"relationType": kind, "targetCid": cid} for kind, cid in relations],  # type: ignore[misc]
        created_at=NOW,
    )


def contribute(
    made: Contribution,
    *,
    now: str = NOW,
    topology: Mapping[str, Sequence[str]] = TOPOLOGY,
) -> Callable[[Facts], Plan]:
    """Publishing it."""
    return lambda facts: plan_contribute(ContributeRequest(made, routes(topology), now), facts)


def claim_request(
    target: str, agent: Agent, *, now: str = NOW, lease: float = 300, claim_id: str = "claim-1"
) -> ClaimRequest:
    """A request for a target."""
    return ClaimRequest(target, agent, "do it", lease, claim_id, now)


def claim(
    target: str, agent: Agent, *, now: str = NOW, lease: float = 300, claim_id: str = "claim-1"
) -> Callable[[Facts], Plan]:
    """Claiming a target."""
    request = claim_request(target, agent, now=now, lease=lease, claim_id=claim_id)
    return lambda facts: plan_claim(request, facts)


def claim_bounty(
    bounty_id: str, agent: Agent, *, now: str = NOW, lease: float = 1800, claim_id: str = "claim-1"
) -> Callable[[Facts], Plan]:
    """Claiming a bounty."""
    target = bounty_target(bounty_id)
    request = claim_request(target, agent, now=now, lease=lease, claim_id=claim_id)
    return lambda facts: plan_claim_bounty(bounty_id, request, facts)


def bounty(
    creator: Agent, amount: int, *, bounty_id: str = "bounty-1", reserved: bool = True
) -> Bounty:
    """An open bounty."""
    return Bounty(
        bounty_id=bounty_id,
        title="Halve the latency",
        status="open",
        creator=creator,
        amount=amount,
        criteria={"description": "p99 below 5 ms"},  # type: ignore[arg-type]
        deadline=LATER,
        reservation_id=f"of-{bounty_id}" if reserved else None,
        created_at=NOW,
        updated_at=NOW,
    )


def create_bounty(made: Bounty) -> Callable[[Facts], Plan]:
    """Opening it, with its reservation if it names one."""
    return lambda facts: plan_create_bounty(made, facts)


def handoffs(world: World, **where: str) -> list[Handoff]:
    """The handoffs with these field values."""
    return [Handoff.from_document(d) for d in world.documents("handoffs", **where)]


def claims(world: World, **where: str) -> list[Claim]:
    """The claims with these field values."""
    return [Claim.from_document(d) for d in world.documents("claims", **where)]


def the_bounty(world: World) -> Bounty:
    """The one bounty."""
    (document,) = world.documents("bounties")
    return Bounty.from_document(document)
