"""Bringing what dead coordinators left to its end, from the journal alone."""

import logging
from dataclasses import dataclass, field

from grove_sm.commit.contract import Holder
from grove_sm.commit.coordinator import Coordinator
from grove_sm.commit.housekeeping import finish
from grove_sm.domain.errors import Corrupt, StoreUnavailable

log = logging.getLogger("grove_sm")


@dataclass(frozen=True)
class RecoveryReport:
    """What a recovery did: transaction ids, each list in commit order.

    Attributes:
        rolled_forward: decided to commit, and now visible everywhere.
        rolled_back: undecided, and now aborted (presumed abort).
        in_doubt: not brought to an end, because a store cannot be reached or the record is
            damaged; their records stay held until a later recovery, or an operator, can.
        corrupt: the damage met, in words; it names each place.
    """

    rolled_forward: list[str] = field(default_factory=list)
    rolled_back: list[str] = field(default_factory=list)
    in_doubt: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)


def recover(coordinator: Coordinator) -> RecoveryReport:
    """Finish every unfinished transaction that no live coordinator is at work on.

    Idempotent; may crash anywhere and be run again, beside live coordinators and beside itself.
    Costs in proportion to what is unfinished. A damaged record stops nothing but itself.
    Raises StoreUnavailable if the journal cannot be read.
    """
    report = RecoveryReport()
    for holder in coordinator.journal.unfinished():
        if _is_ours_to_end(coordinator, holder):
            _end(coordinator, holder, report)
    finish(coordinator)
    return report


def _is_ours_to_end(coordinator: Coordinator, holder: Holder) -> bool:
    if holder.coordinator == coordinator.journal.coordinator:
        # What we could not apply, or somebody else has applied for us.
        return holder.state != "planned" and not coordinator.applier.has(holder.txid)
    return not coordinator.journal.is_alive(holder.coordinator)


def _end(coordinator: Coordinator, holder: Holder, report: RecoveryReport) -> None:
    if holder.state == "planned":
        if coordinator.settle_dead(holder):
            report.rolled_back.append(holder.txid)
        return
    try:
        is_applied = not coordinator.applier.roll_forward(holder.txid, holder.state)
    except Corrupt as error:
        log.error("%s", error)
        report.corrupt.append(str(error))
        is_applied = False
    except StoreUnavailable as error:
        log.warning("%s", error)
        is_applied = False
    if not is_applied:
        report.in_doubt.append(holder.txid)
    elif holder.state == "committed":
        report.rolled_forward.append(holder.txid)
