"""Contracts on the audit."""

from collections.abc import Mapping
from typing import Final, NamedTuple

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
from grove_sm.domain.errors import Corrupt
from grove_sm.lifecycles import BOUNTY, HANDOFF
from grove_sm.operations.audit import AuditReport, audit
from grove_sm.operations.layout import CLAIMS, COLLECTIONS
from grove_sm.operations.plan import Deleted, Heuristic, Scanned, Stored
from models.contracts.choices import chosen, settled
from models.contracts.registry import contract, getter
from models.contracts.worlds import World, bounty_records, handoff_records

WHOLE: Final[tuple[list[Record], ...]] = (
    *(bounty_records(status) for status in BOUNTY.states),
    *(bounty_records(status, is_funded=False) for status in BOUNTY.states),
    *(handoff_records(status) for status in HANDOFF.states),
    handoff_records("delivered", lease=None),
)


class Missing(NamedTuple):
    """A grove without the first record of a kind, and the rule that this breaks."""

    records: list[Record]
    kind: type[Record]
    rule: str


MISSING: Final = (
    Missing(bounty_records("claimed"), Claim, "a claimed bounty has its claim"),
    Missing(bounty_records("claimed"), Bounty, "a claim has its bounty"),
    Missing(bounty_records("completed"), Claim, "a fulfilled bounty's claim is completed"),
    Missing(bounty_records("settled"), Claim, "a fulfilled bounty's claim is completed"),
    Missing(bounty_records("completed"), Contribution, "a fulfilled bounty has its contribution"),
    Missing(bounty_records("settled"), Contribution, "a fulfilled bounty has its contribution"),
    Missing(bounty_records("open"), Reservation, "an unsettled bounty's amount is reserved"),
    Missing(bounty_records("claimed"), Reservation, "an unsettled bounty's amount is reserved"),
    Missing(bounty_records("completed"), Reservation, "an unsettled bounty's amount is reserved"),
    Missing(bounty_records("settled"), Reservation, "a settled bounty has paid its claimant"),
    Missing(bounty_records("cancelled"), Reservation, "what a bounty reserved goes back"),
    Missing(bounty_records("expired"), Reservation, "what a bounty reserved goes back"),
    Missing(bounty_records("open"), Account, "credits are conserved"),
    Missing(bounty_records("open"), Grant, "credits are conserved"),
    Missing(handoff_records("delivered"), Handoff, "a delivery has its handoff"),
    Missing(handoff_records("delivered"), Contribution, "a handoff's contributions exist"),
    Missing(handoff_records("pending_pickup"), Contribution, "a handoff's contributions exist"),
)

Scans = dict[str, list[Scanned]]


def _scans(records: list[Record]) -> Scans:
    with World(records).store.snapshot() as snapshot:
        return {collection: list(snapshot.scan(collection)) for collection in COLLECTIONS}


def _rules(scans: Scans, committed: Mapping[str, str] | None = None) -> list[str]:
    return [violation.rule for violation in audit(scans, {}, committed=committed or {}).violations]


@contract(audit, getter(AuditReport.ok))
def nothing_is_found_where_all_is_whole(number: int) -> bool:
    """The audit finds nothing in a grove where each record has what goes with it.

    pre: 0 <= number < len(WHOLE)
    post: _
    """
    records = chosen(WHOLE, number)
    with settled():
        report = audit(_scans(records), {})
        return report.ok and report.checked == len(records)


@contract(audit, getter(AuditReport.ok))
def what_is_missing_is_found(number: int) -> bool:
    """The audit finds each rule that a missing record breaks.

    pre: 0 <= number < len(MISSING)
    post: _
    """
    case = chosen(MISSING, number)
    with settled():
        missing = next(record for record in case.records if type(record) is case.kind)
        report = audit(_scans([each for each in case.records if each is not missing]), {})
        return not report.ok and case.rule in {broken.rule for broken in report.violations}


@contract(audit)
def a_part_without_the_others_is_found(first: int, second: int, is_committed: bool) -> bool:
    """Of a transaction over two records the audit finds whichever is missing, if the other is there
    or the journal has it committed; one that is deleted was there.

    pre: 0 <= first < 4 and 0 <= second < 4
    post: _
    """
    members = '[["claims","a",2],["claims","b",2]]'
    states = (chosen(range(4), first), chosen(range(4), second))
    committed = {"tx-both": members} if is_committed else {}
    with settled():
        (claim,) = (each for each in bounty_records("settled") if isinstance(each, Claim))
        scans = _scans([])
        for name, state in zip("ab", states, strict=True):
            text = claim.replace(claim_id=name).to_json()
            # Missing; as it was before; as it was written; deleted since.
            stands: tuple[Scanned | None, ...] = (
                None,
                Stored(name, 1, "tx-before", "[]", text),
                Stored(name, 2, "tx-both", members, text),
                Deleted(name, 3, "tx-after", "[]"),
            )
            found = stands[state]
            if found is not None:
                scans[CLAIMS].append(found)
        rules = set(_rules(scans, committed))
        is_known = bool(committed) or 2 in states
        there = [state >= 2 for state in states]
        if not is_known or all(there):
            return rules == set()
        return rules == {"an operation is whole" if any(there) else "what was committed is there"}


@contract(audit)
def damage_and_foreign_changes_are_found(kind: int) -> bool:
    """The audit finds what cannot be read, in a store or in the journal, and heuristic outcomes.

    pre: 0 <= kind < 3
    post: _
    """
    number = chosen(range(3), kind)
    with settled():
        damage = Corrupt(what="claim a", where="here", reason="it is damaged")
        scans = _scans(bounty_records("open"))
        if number == 0:
            scans[CLAIMS].append(damage)
        outcome = Heuristic("tx", "store", "claims", "a", "revision 1", "no record")
        report = audit(
            scans,
            {},
            damaged=[damage] * (number == 1),
            heuristics=[outcome] * (number == 2),
        )
        (violation,) = report.violations
        expected = "no other software writes here" if number == 2 else "every record is readable"
        return violation.rule == expected
