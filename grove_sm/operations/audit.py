"""Checks of every rule that spans records, over one moment of all collections. Pure."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from grove_sm.domain import (
    Account,
    Bounty,
    Claim,
    Contribution,
    Grant,
    Handoff,
    Record,
    Reservation,
    Transfer,
)
from grove_sm.domain.errors import Corrupt
from grove_sm.domain.frozen import FrozenDict
from grove_sm.operations.contribute import handoff_id
from grove_sm.operations.credits import CREDIT_KINDS
from grove_sm.operations.documents import decode
from grove_sm.operations.layout import (
    BOUNTIES,
    BOUNTY_TARGET,
    CLAIMS,
    CONTRIBUTIONS,
    CREDITS,
    HANDOFF_TARGET,
    HANDOFFS,
)
from grove_sm.operations.plan import Deleted, Heuristic, Scanned, Stored

Scan = Mapping[str, Sequence[Scanned]]
"""What each collection holds: its records, what is left of deleted ones, and damage."""

Accounted = Callable[[str, str, str], bool]
"""Takes a transaction's id, a collection and the id of a record in it."""

R = TypeVar("R", bound=Record)

_RESERVATION_ONCE: Final[Mapping[str, str]] = {
    "open": "held",
    "claimed": "held",
    "completed": "held",
    "settled": "captured",
    "expired": "voided",
    "cancelled": "voided",
}
"""What has become of a bounty's reservation once the bounty has this status."""


@dataclass(frozen=True)
class Violation:
    """A broken rule: which, by which records, and what was found."""

    rule: str
    records: tuple[str, ...]
    found: str


@dataclass(frozen=True)
class AuditReport:
    """Every violation found; `ok` if there is none. `checked` counts the records looked at."""

    violations: tuple[Violation, ...]
    checked: int

    @property
    def ok(self) -> bool:
        """Whether every rule holds."""
        return not self.violations


def audit(
    collections: Scan,
    topology: Mapping[str, Sequence[str]],
    *,
    heuristics: Sequence[Heuristic] = (),
    let_go: Collection[str] = (),
    accounted: Accounted | None = None,
    damaged: Sequence[Corrupt] = (),
    committed: Mapping[str, str] = FrozenDict(),
) -> AuditReport:
    """Check everything.

    Args:
        collections: what each holds; for a damaged record, the error that names it. What was
            deleted counts as there: it was whole, and had ended.
        topology: to tell which handoffs are missing where a record does not say.
        heuristics: outcomes that wait for an operator.
        let_go: those transactions, by their ids, whose damaged record an operator has let go of.
        accounted: whether a transaction's part may be missing, as an outcome on it is or was known.
        damaged: what of the journal could not be read.
        committed: the members of each transaction whose writes have to be there, by its id.
    """
    subject = _Subject(collections)
    violations = [
        *subject.damaged,
        *(Violation("every record is readable", (e.what,), str(e)) for e in damaged),
        *_heuristics(heuristics, let_go),
        *_whole(collections, committed, accounted or _nothing_may_be_missing),
        *_contributions(subject, topology),
        *_handoffs(subject),
        *_claims(subject),
        *_bounties(subject),
        *_credits(subject),
    ]
    checked = sum(not isinstance(found, Deleted) for scan in collections.values() for found in scan)
    return AuditReport(tuple(violations), checked)


class _Subject:
    """The records by id, and what could not be read."""

    def __init__(self, collections: Scan) -> None:
        self.deleted = {
            (name, found.record_id)
            for name, scan in collections.items()
            for found in scan
            if isinstance(found, Deleted)
        }
        self.damaged: list[Violation] = []
        self.members: dict[str, str] = {}
        self.contributions = self._decode(Contribution, collections[CONTRIBUTIONS])
        self.handoffs = self._decode(Handoff, collections[HANDOFFS])
        self.claims = self._decode(Claim, collections[CLAIMS])
        self.bounties = self._decode(Bounty, collections[BOUNTIES])
        self.accounts: dict[str, Account] = {}
        self.grants: dict[str, Grant] = {}
        self.reservations: dict[str, Reservation] = {}
        self.transfers: dict[str, Transfer] = {}
        for name, into in (
            ("account", self.accounts),
            ("grant", self.grants),
            ("reservation", self.reservations),
            ("transfer", self.transfers),
        ):
            chosen = [
                stored
                for stored in collections[CREDITS]
                if isinstance(stored, Exception) or stored.record_id.startswith(f"{name}:")
            ]
            found: dict[str, Any] = self._decode(CREDIT_KINDS[name], chosen)
            into.update(found)

    def _decode(self, kind: type[R], collection: Sequence[Scanned]) -> dict[str, R]:
        records: dict[str, R] = {}
        for stored in collection:
            if isinstance(stored, Deleted):
                continue
            if isinstance(stored, Exception):
                self._damage(stored)
                continue
            try:
                records[stored.record_id] = decode(kind, stored)
            except Corrupt as error:
                self._damage(error)
            else:
                self.members[stored.record_id] = stored.members
        return records

    def _damage(self, error: Exception) -> None:
        what = error.what if isinstance(error, Corrupt) else str(error)
        violation = Violation("every record is readable", (what,), str(error))
        if violation not in self.damaged:
            self.damaged.append(violation)


def _heuristics(heuristics: Sequence[Heuristic], let_go: Collection[str]) -> Iterator[Violation]:
    """No write of a committed transaction is left undone."""
    for outcome in heuristics:
        what = f"transaction {outcome.txid} was to replace {outcome.expected} in {outcome.store}"
        resolve = f"resolve it with: grove-sm journal resolve {outcome.txid}"
        if outcome.txid in let_go:
            yield Violation(
                "what was committed is there",
                (outcome.record,),
                f"{what}, but its record in the journal was damaged and let go of; "
                f"{outcome.found} is there; {resolve}",
            )
        else:
            yield Violation(
                "no other software writes here",
                (outcome.record,),
                f"{what}, but found {outcome.found}, which no transaction made; "
                f"it left that as it is; {resolve}",
            )


def _whole(
    collections: Scan, committed: Mapping[str, str], accounted: Accounted
) -> Iterator[Violation]:
    """Wherever a part of a transaction is, all are; and all of what the journal has committed."""
    revisions = _revisions(collections)
    transactions = {stored.txid: stored.members for _, stored in _stored(collections)}
    for txid, members in {**transactions, **committed}.items():
        parts = [
            (f"{name} {key}", revisions.get((name, key), 0), r)
            for name, key, r in json.loads(members)
            if not accounted(txid, name, key)
        ]
        there = [record for record, found, written in parts if found >= written]
        for record, found, written in parts:
            if found >= written:
                continue
            if there:
                yield Violation(
                    "an operation is whole",
                    (there[0], record),
                    f"transaction {txid} wrote the first but not the second",
                )
            else:
                yield Violation(
                    "what was committed is there",
                    (record,),
                    f"transaction {txid} wrote its revision {written}; "
                    + (f"revision {found} is there" if found else "it is not there"),
                )


def _nothing_may_be_missing(_: str, __: str, ___: str) -> bool:
    return False


def _revisions(collections: Scan) -> dict[tuple[str, str], int]:
    return {key: stored.revision for key, stored in _stored(collections)}


def _stored(collections: Scan) -> Iterator[tuple[tuple[str, str], Stored | Deleted]]:
    for name, collection in collections.items():
        for stored in collection:
            if isinstance(stored, Stored | Deleted):
                yield (name, stored.record_id), stored


def _contributions(subject: _Subject, topology: Mapping[str, Sequence[str]]) -> Iterator[Violation]:
    handed_to: defaultdict[str, set[str]] = defaultdict(set)
    for handoff in subject.handoffs.values():
        handed_to[handoff.source_cid].add(handoff.to_role)
    for cid, contribution in subject.contributions.items():
        for relation in contribution.relations:
            if relation.target_cid not in subject.contributions:
                yield Violation(
                    "a relation's target exists",
                    (f"contribution {cid}", f"contribution {relation.target_cid}"),
                    f"{relation.relation_type} names a contribution that is not there",
                )
        recorded = any(json.loads(subject.members[cid]))
        missing = {
            role
            for role in topology.get(contribution.agent.role or "", ())
            if role not in handed_to[cid]
            and (HANDOFFS, handoff_id(cid, role)) not in subject.deleted
        }
        if missing and not recorded:
            yield Violation(
                "a contribution has its handoffs",
                (f"contribution {cid}",),
                f"there is no handoff to {', '.join(sorted(missing))}",
            )


def _handoffs(subject: _Subject) -> Iterator[Violation]:
    for handoff in subject.handoffs.values():
        for cid in (handoff.source_cid, handoff.resolved_by_cid):
            if cid is not None and cid not in subject.contributions:
                yield Violation(
                    "a handoff's contributions exist",
                    (f"handoff {handoff.handoff_id}", f"contribution {cid}"),
                    "it names a contribution that is not there",
                )


def _claims(subject: _Subject) -> Iterator[Violation]:
    active = defaultdict(list)
    for claim in subject.claims.values():
        if claim.status == "active":
            active[claim.target_ref].append(claim)
    for target_ref, claims in active.items():
        if len(claims) > 1:
            yield Violation(
                "a target has one claim",
                tuple(f"claim {claim.claim_id}" for claim in claims),
                f"target {target_ref} has {len(claims)} active claims",
            )
        for claim in claims:
            yield from _claimed_record(subject, claim)


def _claimed_record(subject: _Subject, claim: Claim) -> Iterator[Violation]:
    """An active claim on a bounty or a handoff goes with what that record says."""
    records = (f"claim {claim.claim_id}", claim.target_ref.replace(":", " ", 1))
    if claim.target_ref.startswith(BOUNTY_TARGET):
        bounty = subject.bounties.get(claim.target_ref.removeprefix(BOUNTY_TARGET))
        if bounty is None or bounty.status != "claimed" or bounty.claim_id != claim.claim_id:
            found = "is not there" if bounty is None else f"is {bounty.status} without it"
            yield Violation("a claim has its bounty", records, f"the bounty {found}")
    elif claim.target_ref.startswith(HANDOFF_TARGET):
        handoff = subject.handoffs.get(claim.target_ref.removeprefix(HANDOFF_TARGET))
        if handoff is None or handoff.status != "delivered":
            found = "is not there" if handoff is None else f"is {handoff.status}"
            yield Violation("a delivery has its handoff", records, f"the handoff {found}")


def _bounties(subject: _Subject) -> Iterator[Violation]:
    for bounty in subject.bounties.values():
        yield from _bounty_claim(subject, bounty)
        yield from _bounty_contribution(subject, bounty)
        yield from _bounty_reservation(subject, bounty)


def _bounty_claim(subject: _Subject, bounty: Bounty) -> Iterator[Violation]:
    claim = subject.claims.get(bounty.claim_id or "")
    is_claimants = claim is not None and claim.agent == bounty.claimed_by
    status = claim.status if claim else "not there"
    records = (f"bounty {bounty.bounty_id}", f"claim {bounty.claim_id}")
    found = f"the claim is {status}" + ("" if is_claimants or claim is None else ", and another's")
    if bounty.status == "claimed" and not (is_claimants and status == "active"):
        yield Violation("a claimed bounty has its claim", records, found)
    is_forgotten = (CLAIMS, bounty.claim_id) in subject.deleted
    is_completed = is_forgotten or (is_claimants and status == "completed")
    if bounty.status in ("completed", "settled") and not is_completed:
        yield Violation("a fulfilled bounty's claim is completed", records, found)


def _bounty_contribution(subject: _Subject, bounty: Bounty) -> Iterator[Violation]:
    if bounty.status not in ("completed", "settled"):
        return
    contribution = subject.contributions.get(bounty.fulfilled_by_cid or "")
    shortfall = (
        "it is not there" if contribution is None else bounty.criteria.shortfall(contribution)
    )
    if shortfall is not None:
        yield Violation(
            "a fulfilled bounty has its contribution",
            (f"bounty {bounty.bounty_id}", f"contribution {bounty.fulfilled_by_cid}"),
            shortfall,
        )


def _bounty_reservation(subject: _Subject, bounty: Bounty) -> Iterator[Violation]:
    due = _RESERVATION_ONCE.get(bounty.status)
    if bounty.reservation_id is None or due is None:
        return
    records = (f"bounty {bounty.bounty_id}", f"reservation {bounty.reservation_id}")
    reservation = subject.reservations.get(f"reservation:{bounty.reservation_id}")
    found = f"the reservation is {reservation.status if reservation else 'not there'}"
    is_so = (
        reservation is not None
        and reservation.status == due
        and reservation.agent_id == bounty.creator.agent_id
        and reservation.amount == bounty.amount
    )
    if due == "held" and not is_so:
        yield Violation("an unsettled bounty's amount is reserved", records, found)
    elif due == "voided" and not is_so:
        yield Violation("what a bounty reserved goes back", records, found)
    elif due == "captured":
        claimant = bounty.claimed_by.agent_id if bounty.claimed_by else None
        paid_to = reservation.captured_to if reservation else None
        if not is_so or paid_to != claimant:
            yield Violation(
                "a settled bounty has paid its claimant",
                records,
                f"{found}, and paid to {paid_to or 'nobody'}; its claimant is {claimant}",
            )


def _credits(subject: _Subject) -> Iterator[Violation]:
    granted = sum(grant.amount for grant in subject.grants.values())
    total = sum(account.total for account in subject.accounts.values())
    if granted != total:
        yield Violation(
            "credits are conserved", (), f"{granted} were granted, the accounts hold {total}"
        )
    available, reserved = _accounted_for(subject)
    accounts = {account.agent_id: account for account in subject.accounts.values()}
    for agent_id in sorted({*accounts, *available}):
        account = accounts.get(agent_id) or Account(agent_id=agent_id)
        if account.reserved != reserved[agent_id]:
            yield Violation(
                "an account's reservations are its own",
                (f"account {agent_id}",),
                f"it has {account.reserved} reserved, its reservations hold {reserved[agent_id]}",
            )
        if account.available != available[agent_id]:
            yield Violation(
                "every credit is accounted for",
                (f"account {agent_id}",),
                f"it has {account.available} available; its grants, reservations and transfers "
                f"leave {available[agent_id]}",
            )


def _accounted_for(subject: _Subject) -> tuple[Counter[str], Counter[str]]:
    """What each agent should have, available and reserved, by everything that moves credits."""
    available, reserved = Counter[str](), Counter[str]()
    for grant in subject.grants.values():
        available[grant.agent_id] += grant.amount
    for transfer in subject.transfers.values():
        available[transfer.from_agent_id] -= transfer.amount
        available[transfer.to_agent_id] += transfer.amount
    for reservation in subject.reservations.values():
        if reservation.status != "voided":
            available[reservation.agent_id] -= reservation.amount
        if reservation.status == "held":
            reserved[reservation.agent_id] += reservation.amount
        if reservation.captured_to is not None:
            available[reservation.captured_to] += reservation.amount
    return available, reserved
