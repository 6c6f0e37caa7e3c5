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
        rolled_forward: decided to commit, and now visible everywhere; where nobody had lived on,
            also what had been visible, but might have been lost in a power cut.
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
    found = coordinator.journal.unfinished()
    ours = [holder for holder in found if _is_ours_to_end(coordinator, holder)]
    planned = [h.txid for h in ours if h.state == "planned" and coordinator.settle_abandoned(h)]
    left: set[str] = set()
    corrupt: list[str] = []

    def leave(txid: str, error: Corrupt | StoreUnavailable) -> None:
        left.add(txid)
        if isinstance(error, Corrupt):
            log.error("%s", error)
            corrupt.append(str(error))
        else:
            log.warning("%s", error)

    committed = [holder for holder in ours if holder.state == "committed"]
    txids = [holder.txid for holder in committed]
    left.update(coordinator.applier.roll_forward(txids, committed, leave))
    for holder in ours:
        if holder.state == "applied":
            try:
                coordinator.applier.take_over(holder)
            except Corrupt as error:
                leave(holder.txid, error)
    finish(coordinator)
    return RecoveryReport(
        rolled_forward=[txid for txid in txids if txid not in left],
        rolled_back=planned,
        in_doubt=[holder.txid for holder in ours if holder.txid in left],
        corrupt=corrupt,
    )


def _is_ours_to_end(coordinator: Coordinator, holder: Holder) -> bool:
    # Of our own: what we gave up, could not apply, or somebody else has applied for us.
    return coordinator.is_abandoned(holder) and not coordinator.applier.has(holder.txid)
