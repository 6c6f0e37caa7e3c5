"""Small groves to plan in: what stands in the stores, without anything else of the machinery."""

import json
from collections.abc import Callable, Iterable, Mapping
from threading import RLock
from typing import Final, NamedTuple

from grove_sm.domain import (
    Account,
    Agent,
    Bounty,
    Claim,
    Contribution,
    Grant,
    Handoff,
    Record,
    Reservation,
    Transfer,
)
from grove_sm.domain.contribution import Relation
from grove_sm.domain.coordination import BountyStatus, ClaimStatus, HandoffStatus
from grove_sm.domain.credits import ReservationStatus
from grove_sm.operations.audit import Violation, audit
from grove_sm.operations.bounties import bounty_target
from grove_sm.operations.contribute import handoff_id
from grove_sm.operations.handoffs import handoff_target
from grove_sm.operations.layout import (
    BOUNTIES,
    CLAIMS,
    COLLECTIONS,
    CONTRIBUTIONS,
    CREDITS,
    HANDOFFS,
    account_record,
    grant_record,
    reservation_record,
    transfer_record,
)
from grove_sm.operations.plan import Deleted, Facts, MissingFacts, Plan, Read, Stored
from grove_sm.stores.memory import MemoryStore, Tables

BEFORE: Final = "2026-01-01T11:59:59.999Z"
NOW: Final = "2026-01-01T12:00:00.000Z"
AFTER: Final = "2026-01-01T12:00:00.001Z"
LONG_AGO: Final = "2025-12-01T00:00:00.000Z"
TIMES: Final = (BEFORE, NOW, AFTER)
"""Every way that a time can lie to now: code only compares times, so others are as one of these."""

ADA: Final = Agent(agent_id="ada", role="coder")
BEN: Final = Agent(agent_id="ben", role="reviewer")
EVE: Final = Agent(agent_id="eve")
AGENTS: Final = (ADA, BEN, EVE)

_PLACES: Final[Mapping[type[Record], tuple[str, Callable[..., str]]]] = {
    Contribution: (CONTRIBUTIONS, lambda record: record.cid),
    Handoff: (HANDOFFS, lambda record: record.handoff_id),
    Claim: (CLAIMS, lambda record: record.claim_id),
    Bounty: (BOUNTIES, lambda record: record.bounty_id),
    Account: (CREDITS, lambda record: account_record(record.agent_id)),
    Grant: (CREDITS, lambda record: grant_record(record.grant_id)),
    Reservation: (CREDITS, lambda record: reservation_record(record.reservation_id)),
    Transfer: (CREDITS, lambda record: transfer_record(record.transfer_id)),
}


class Planned(NamedTuple):
    """A plan, and what it looked at."""

    plan: Plan
    known: Mapping[Read, tuple[Stored, ...]]


class World:
    """A grove with these records in it."""

    def __init__(self, records: Iterable[Record] = (), *, revision: int = 3) -> None:
        self.tables: Tables = {}
        self.store = MemoryStore("memory://", self.tables, RLock())
        for record in records:
            collection, id_of = _PLACES[type(record)]
            stored = Stored(id_of(record), revision, "tx-before", "[]", record.to_json())
            self.tables[collection][stored.record_id] = stored

    def plan(self, operation: Callable[[Facts], Plan], *, hopeful: bool = False) -> Planned:
        """Plan an operation on what is here. Raises what it refuses with."""
        known: dict[Read, tuple[Stored, ...]] = {}
        while True:
            try:
                return Planned(operation(Facts(known, hopeful=hopeful)), known)
            except MissingFacts as missing:
                asked = missing.reads
            assert not set(asked) & set(known), "it asked for what it knows"
            known |= {read: self.store.read(read) for read in asked}

    def after(self, plan: Plan) -> "World":
        """What is here once a plan is carried out."""
        assert self.store.validate(plan.expectations), "its preconditions do not hold"
        then = World()
        for collection in COLLECTIONS:
            then.tables[collection] |= self.tables[collection]
        members = json.dumps([(w.collection, w.record_id, w.revision) for w in plan.writes])
        assert then.store.apply("tx-after", members, plan.writes) == ()
        return then

    def found(self, collection: str, record_id: str) -> Stored | None:
        """What stands in a place."""
        found = self.tables[collection].get(record_id)
        return None if isinstance(found, Deleted) else found

    def violations(self) -> tuple[Violation, ...]:
        """Every broken rule that spans records."""
        with self.store.snapshot() as snapshot:
            scans = {collection: snapshot.scan(collection) for collection in COLLECTIONS}
        return audit(scans, {}).violations


WORK: Final = Contribution(
    kind="work", summary="it is done", tags=["done"], agent=BEN, created_at=BEFORE
)
OTHER_WORK: Final = Contribution(
    kind="work", summary="it is not", tags=["other"], agent=BEN, created_at=BEFORE
)
AMOUNT: Final = 7
GRANTED: Final = 10
BOUNTY_ID: Final = "bounty-1"
RESERVATION_ID: Final = "reservation-1"
CLAIM_ID: Final = "claim-1"


def a_claim(
    target: str,
    *,
    agent: Agent = BEN,
    status: ClaimStatus = "active",
    lease: str = AFTER,
    heartbeat: str = LONG_AGO,
    claim_id: str = CLAIM_ID,
    attempts: int = 2,
) -> Claim:
    """A claim that was made long ago."""
    return Claim(
        claim_id=claim_id,
        target_ref=target,
        agent=agent,
        status=status,
        intent_summary="do it",
        created_at=LONG_AGO,
        heartbeat_at=heartbeat,
        lease_expires_at=lease,
        attempt_count=attempts,
        revision=3,
    )


def bounty_records(
    status: BountyStatus, *, lease: str = AFTER, deadline: str = AFTER, is_funded: bool = True
) -> list[Record]:
    """A bounty of Eve's in this status, claimed by Ben if it has to be, with all that goes with it.

    What Ben may complete it by is `WORK`; `OTHER_WORK` does not meet its criteria.
    """
    was_claimed = status in ("claimed", "completed", "settled")
    was_completed = status in ("completed", "settled")
    has_reservation = is_funded and status != "draft"
    bounty = Bounty(
        bounty_id=BOUNTY_ID,
        title="do it",
        status=status,
        creator=EVE,
        amount=AMOUNT,
        criteria={"description": "done", "requiredTags": ["done"]},  # type: ignore[arg-type]
        deadline=deadline,
        claimed_by=BEN if was_claimed else None,
        claim_id=CLAIM_ID if was_claimed else None,
        fulfilled_by_cid=WORK.cid if was_completed else None,
        reservation_id=RESERVATION_ID if has_reservation else None,
        created_at=LONG_AGO,
        updated_at=LONG_AGO,
    )
    records: list[Record] = [bounty, WORK, OTHER_WORK]
    if was_claimed:
        claimed: ClaimStatus = "completed" if was_completed else "active"
        records.append(a_claim(bounty_target(BOUNTY_ID), status=claimed, lease=lease))
    return records + _credits_of(status, has_reservation=has_reservation)


def _credits_of(status: BountyStatus, *, has_reservation: bool) -> list[Record]:
    """Eve's account, what she was granted, and what has become of her reservation."""
    grant = Grant(grant_id="grant-1", agent_id=EVE.agent_id, amount=GRANTED, created_at=LONG_AGO)
    if not has_reservation:
        return [grant, Account(agent_id=EVE.agent_id, available=GRANTED)]
    become: dict[str, ReservationStatus] = {
        "settled": "captured",
        "expired": "voided",
        "cancelled": "voided",
    }
    now = become.get(status, "held")
    records: list[Record] = [
        grant,
        Account(
            agent_id=EVE.agent_id,
            available=GRANTED - (0 if now == "voided" else AMOUNT),
            reserved=AMOUNT if now == "held" else 0,
        ),
        Reservation(
            reservation_id=RESERVATION_ID,
            agent_id=EVE.agent_id,
            amount=AMOUNT,
            expires_at=AFTER,
            status=now,
            captured_to=BEN.agent_id if now == "captured" else None,
            created_at=LONG_AGO,
        ),
    ]
    if now == "captured":
        records.append(Account(agent_id=BEN.agent_id, available=AMOUNT))
    return records


HANDED: Final = Contribution(kind="work", summary="look at it", agent=ADA, created_at=BEFORE)
ANSWER: Final = Contribution(
    kind="review",
    summary="looked at",
    agent=BEN,
    relations=[Relation(relation_type="reviews", target_cid=HANDED.cid)],
    created_at=BEFORE,
)
HANDOFF_ID: Final = handoff_id(HANDED.cid, "reviewer")


def handoff_records(
    status: HandoffStatus, *, due: str | None = None, lease: str | None = AFTER
) -> list[Record]:
    """A contribution of Ada's, handed to reviewers; if it is delivered, to Ben, until his lease
    ends, or, without one, so that he has given it back."""
    records: list[Record] = [
        HANDED,
        Handoff(
            handoff_id=HANDOFF_ID,
            source_cid=HANDED.cid,
            from_role="coder",
            to_role="reviewer",
            status=status,
            reply_due_at=due,
            resolved_by_cid=ANSWER.cid if status == "replied" else None,
            created_at=LONG_AGO,
        ),
    ]
    target = handoff_target(HANDOFF_ID)
    if status == "replied":
        records.append(ANSWER)
    if status in ("processed", "replied"):
        records.append(a_claim(target, status="completed"))
    elif status == "delivered" and lease is None:
        records.append(a_claim(target, status="released"))
    elif status == "delivered":
        records.append(a_claim(target, lease=lease or AFTER))
    return records
