"""What operators do by hand about what transactions left, and what is kept of that."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from grove_sm.domain.errors import StateConflict
from grove_sm.operations.plan import Heuristic

Action = Literal["keep", "write", "discard"]


class Intervention(NamedTuple):
    """Something that an operator did about a transaction; the journal keeps it for good.

    `keep` and `write` resolve a heuristic `outcome`: what stands in the record's place was taken,
    or what the transaction had meant to write was written, by the transaction `written_by`, unless
    it stood there already. `discard` let go of a record of the journal that was damaged, as
    `reason` says.
    """

    txid: str
    action: Action
    by: str
    at: str
    outcome: Heuristic | None = None
    written_by: str | None = None
    reason: str = ""

    def resolves(self, outcome: Heuristic) -> bool:
        """Whether this was about an outcome, or about the same record of the same transaction."""
        return self.outcome is not None and _place(self.outcome) == _place(outcome)


def require_unresolved(outcome: Heuristic, done: Iterable[Intervention]) -> None:
    """Raises StateConflict if one of these interventions has resolved an outcome."""
    for each in done:
        if each.resolves(outcome):
            raise StateConflict(
                record=f"heuristic outcome of {outcome.txid} on {outcome.record}",
                reason=f"it was resolved by {each.by} at {each.at} ({each.action})",
            )


def is_whole(txid: str) -> StateConflict:
    """The refusal to let go of a transaction whose record is not damaged."""
    return StateConflict(
        record=f"transaction {txid}", reason="its record is whole; recovery brings it to its end"
    )


def _place(outcome: Heuristic) -> tuple[str, str, str, str]:
    return outcome.txid, outcome.store, outcome.collection, outcome.record_id
