"""What became of every operation, judged by the records alone, whatever the workers were told."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from grove_sm.demo.deployment import TOPOLOGY
from grove_sm.demo.work import CLAIM_BOUNTY, CONTRIBUTE, CREATE_BOUNTY, MARK, Operation, perform
from grove_sm.demo.worker import Logged, open_grove, read_logs
from grove_sm.grove import Grove
from grove_sm.operations.audit import Violation
from grove_sm.operations.layout import (
    BOUNTIES,
    CLAIMS,
    COLLECTIONS,
    CONTRIBUTIONS,
    CREDITS,
    HANDOFFS,
    reservation_record,
)
from grove_sm.operations.plan import Scanned, Stored

WHOLE: Final = "whole"
PART: Final = "part"
ABSENT: Final = "absent"


@dataclass(frozen=True)
class Verdict:
    """How one side of the demo ended.

    Attributes:
        acknowledged: operations that a worker was told are done.
        refused: those it was told are not, having lost a race.
        cut_off: those that a kill left unanswered: `rolled_forward` are there as a whole,
            `rolled_back` left no trace, `in_part` is what must not be.
        recoveries: transactions that recoveries at opening brought to an end; readers that met
            others' brought the rest.
        violations: what audit found, and operations that are not what was answered.
    """

    acknowledged: int
    refused: int
    cut_off: int
    rolled_forward: int
    rolled_back: int
    in_part: int
    recoveries: int
    violations: tuple[Violation, ...]


def judge(folder: Path, *, is_safe: bool) -> Verdict:
    """Open what the workers left, recover it, and judge it."""
    log = read_logs(folder)
    with open_grove(folder, is_safe=is_safe) as grove:
        recovered = (*log.recovered, *grove.recovery.rolled_forward, *grove.recovery.rolled_back)
        before = Records(grove)
        found = {key: before.trace(operation) for key, operation in log.started.items()}
        violations = [
            *grove.audit().violations,
            *_broken_answers(log, found),
            *before.idle_reservations(),
        ]
        cut_off = Counter(found[key] for key in log.cut_off)
        if is_safe:
            whole = [log.started[key] for key in log.cut_off if found[key] == WHOLE]
            violations += _repeated(grove, whole, before)
    return Verdict(
        acknowledged=len(log.done),
        refused=len(log.refused),
        cut_off=len(log.cut_off),
        rolled_forward=cut_off[WHOLE],
        rolled_back=cut_off[ABSENT],
        in_part=cut_off[PART],
        recoveries=len(set(recovered)),
        violations=tuple(violations),
    )


class Records:
    """All records of a grove at one moment."""

    def __init__(self, grove: Grove) -> None:
        with grove.coordinator.snapshots() as snapshots:
            stored = {name: snapshots[name].scan(name) for name in COLLECTIONS}
        self.revisions = {
            (name, record.record_id): record.revision
            for name, records in stored.items()
            for record in records
            if isinstance(record, Stored)
        }
        self._contributions = _documents(stored[CONTRIBUTIONS])
        self._bounties = _documents(stored[BOUNTIES])
        self._reservations = {
            record_id for record_id in _documents(stored[CREDITS]) if "reservation" in record_id
        }
        self._handed_to: defaultdict[str, set[str]] = defaultdict(set)
        for handoff in _documents(stored[HANDOFFS]).values():
            self._handed_to[handoff["sourceCid"]].add(handoff["toRole"])
        self._claim_by = _by_mark(_documents(stored[CLAIMS]))
        self._bounty_by = _by_mark(self._bounties)

    def trace(self, operation: Operation) -> str:
        """How much of an operation is there: WHOLE, PART or ABSENT."""
        parts = _PARTS[operation.kind](self, operation)
        if all(parts):
            return WHOLE
        return PART if any(parts) else ABSENT

    def idle_reservations(self) -> list[Violation]:
        """Credits set aside for a bounty that is not there."""
        wanted = {reservation_record(b["reservationId"]) for b in self._bounties.values()}
        return [
            Violation("a reservation has its bounty", (record,), "there is no such bounty")
            for record in sorted(self._reservations - wanted)
        ]

    def contribute_parts(self, operation: Operation) -> list[bool]:
        """The contribution and a handoff to each role it is routed to."""
        document = operation.arguments["document"]
        cid = document["cid"]
        handed_to = self._handed_to[cid]
        roles = TOPOLOGY[document["agent"]["role"]]
        return [cid in self._contributions, *(role in handed_to for role in roles)]

    def create_bounty_parts(self, operation: Operation) -> list[bool]:
        """The bounty and the reservation of its amount."""
        bounty = self._bounty_by.get(operation.key)
        if bounty is None:
            return [False]
        return [True, reservation_record(bounty["reservationId"]) in self._reservations]

    def claim_bounty_parts(self, operation: Operation) -> list[bool]:
        """The claim and its bounty's mention of it."""
        claim = self._claim_by.get(operation.key)
        if claim is None:
            return [False]
        bounty = self._bounties[operation.arguments["bountyId"]]
        return [True, bounty.get("claimId") == claim["claimId"]]


_PARTS: Final = {
    CONTRIBUTE: Records.contribute_parts,
    CREATE_BOUNTY: Records.create_bounty_parts,
    CLAIM_BOUNTY: Records.claim_bounty_parts,
}


def _documents(records: Sequence[Scanned]) -> dict[str, dict[str, Any]]:
    return {
        record.record_id: json.loads(record.document)
        for record in records
        if isinstance(record, Stored)
    }


def _by_mark(documents: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        document["context"][MARK]: document
        for document in documents.values()
        if MARK in document.get("context", {})
    }


def _broken_answers(log: Logged, found: Mapping[str, str]) -> list[Violation]:
    promised = dict.fromkeys(log.done, WHOLE) | dict.fromkeys(log.refused, ABSENT)
    return [
        Violation(
            "an answer is true",
            (f"{log.started[key].kind} {key}",),
            f"its caller was promised {promise}, and what is there is {found[key]}",
        )
        for key, promise in promised.items()
        if found[key] != promise
    ]


def _repeated(grove: Grove, whole: Sequence[Operation], before: Records) -> list[Violation]:
    """Make calls that are done again, under their keys, and see that nothing comes of it."""
    for operation in whole:
        perform(grove, operation)
    changed = Records(grove).revisions.items() ^ before.revisions.items()
    return (
        [
            Violation(
                "a retry has one effect", tuple(sorted({id for (_, id), _ in changed})), "twice"
            )
        ]
        if changed
        else []
    )
