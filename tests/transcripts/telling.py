"""How records, reports and results are put in a transcript: one line each."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from grove_sm.commit.recovery import RecoveryReport
from grove_sm.domain import (
    Account,
    Bounty,
    Claim,
    Contribution,
    Grant,
    Handoff,
    Record,
    Reservation,
)
from grove_sm.operations.audit import AuditReport
from grove_sm.operations.plan import Deleted, Scanned
from grove_sm.results import BountyClaimed, Claimed, Contributed

_KINDS: Final[Mapping[str, type[Record]]] = {
    "contributions": Contribution,
    "handoffs": Handoff,
    "claims": Claim,
    "bounties": Bounty,
    "account": Account,
    "grant": Grant,
    "reservation": Reservation,
}


def contribution(record: Contribution) -> str:
    """A contribution."""
    relations = "".join(f", {r.relation_type} {r.target_cid}" for r in record.relations)
    return f'{record.cid} {record.kind} "{record.summary}" by {record.agent.agent_id}{relations}'


def handoff(record: Handoff) -> str:
    """A handoff."""
    reply = f" by {record.resolved_by_cid}" if record.resolved_by_cid else ""
    return (
        f"{record.handoff_id} of {record.source_cid} from {record.from_role} to {record.to_role}, "
        f"{record.status}{reply}"
    )


def claim(record: Claim) -> str:
    """A claim."""
    return (
        f"{record.claim_id} on {record.target_ref} by {record.agent.agent_id}, {record.status} "
        f"until {record.lease_expires_at}"
    )


def bounty(record: Bounty) -> str:
    """A bounty."""
    by = f" by {record.claimed_by.agent_id} with {record.claim_id}" if record.claimed_by else ""
    return f'{record.bounty_id} "{record.title}" for {record.amount}, {record.status}{by}'


def account(record: Account) -> str:
    """An account."""
    return f"account:{record.agent_id} {record.available} available, {record.reserved} reserved"


def grant(record: Grant) -> str:
    """A grant."""
    return f"{record.grant_id} of {record.amount} to {record.agent_id}"


def reservation(record: Reservation) -> str:
    """A reservation."""
    return f"{record.reservation_id} of {record.amount} by {record.agent_id}, {record.status}"


_TELL: Final[Mapping[type, Callable[[Any], str]]] = {
    Contribution: contribution,
    Handoff: handoff,
    Claim: claim,
    Bounty: bounty,
    Account: account,
    Grant: grant,
    Reservation: reservation,
}


def record(value: Record) -> str:
    """Any record."""
    return _TELL[type(value)](value)


def stored(collection: str, found: Scanned) -> str:
    """What stands in a store, without asking whether it should."""
    if isinstance(found, Exception):
        return f"damaged: {found}"
    if isinstance(found, Deleted):
        return f"{found.record_id}, deleted (r{found.revision} by {found.txid})"
    kind = found.record_id.partition(":")[0] if collection == "credits" else collection
    told = record(_KINDS[kind].from_document(json.loads(found.document)))
    return f"{told} (r{found.revision} by {found.txid})"


def contributed(result: Contributed) -> str:
    """What contributing returned."""
    if result.duplicate:
        return f"{result.cid} was there already, by {result.txid}"
    parts = [f"{result.cid} published by {result.txid}"]
    pairs = zip(result.routed_to, result.handoff_ids, strict=True)
    parts += [f"handed off to {role} as {handoff_id}" for role, handoff_id in pairs]
    parts += [f"answers {handoff_id}" for handoff_id in result.replied_ids]
    return ", ".join(parts)


def claimed(result: Claimed | BountyClaimed) -> str:
    """What claiming returned."""
    verb = "renewed" if result.renewed else "taken"
    return (
        f"{result.claim.claim_id} on {result.claim.target_ref} {verb} by {result.txid} "
        f"until {result.claim.lease_expires_at}"
    )


def recovery(report: RecoveryReport) -> list[str]:
    """What a recovery did."""
    done = (
        ("rolled forward", report.rolled_forward),
        ("rolled back", report.rolled_back),
        ("in doubt", report.in_doubt),
    )
    told = [f"{what} {', '.join(txids)}" for what, txids in done if txids]
    return ["recovery: " + ("; ".join(told) or "nothing to do"), *report.corrupt]


def audit(report: AuditReport) -> list[str]:
    """What an audit found."""
    if report.ok:
        return [f"audit: ok, {report.checked} records"]
    return [
        f"audit: {violation.rule}: {violation.found} ({', '.join(violation.records)})"
        for violation in report.violations
    ]


def collection(name: str, found: Sequence[Scanned]) -> Iterator[str]:
    """What a collection holds, or seems to."""
    yield from (f"{name}: {stored(name, record)}" for record in found)
    if not found:
        yield f"{name}: empty"


def members(text: str) -> str:
    """The records that a transaction writes, from the text that goes with it."""
    triples: Sequence[tuple[str, str, int]] = json.loads(text)
    return ", ".join(f"{record_id} r{revision}" for _, record_id, revision in triples)
