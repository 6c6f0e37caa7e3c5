"""The audit of all that a grove holds."""

from collections.abc import Mapping, Sequence
from typing import Final

from grove_sm.calls.base import Calls
from grove_sm.commit.contract import OnDamage
from grove_sm.domain.errors import Corrupt
from grove_sm.operations.audit import AuditReport, Scan, audit
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.transactions.story import accounted_for

_AUDITED_TRANSACTIONS: Final = 100_000


class AuditCalls(Calls):
    """The audit, and what others do with what it has looked at."""

    def audit(self) -> AuditReport:
        """Check every rule that spans records, over one moment of all stores.

        Also whether they hold what the journal's newest transactions wrote. Raises
        StoreUnavailable if a store cannot be read, and Corrupt if it is damaged as a whole.
        """
        _, report = self._audited()
        return report

    def _audited(self) -> tuple[Scan, AuditReport]:
        """All that the stores hold at one moment, and what an audit finds there."""
        damaged: list[Corrupt] = []
        # Read before the stores, which then hold all of it.
        journal = self.coordinator.journal
        history = journal.history(_AUDITED_TRANSACTIONS)
        records = self._scan(damaged.append)
        interventions = journal.interventions(damaged.append)
        heuristics = journal.heuristics(damaged.append)
        report = audit(
            records,
            self._roles,
            heuristics=heuristics,
            let_go=[each.txid for each in interventions if each.action == "discard"],
            accounted=accounted_for(heuristics, interventions),
            damaged=damaged,
            committed={
                txid: entry.members
                for txid, state, entry in history
                if entry is not None and state not in ("planned", "aborted")
            },
        )
        return records, report

    def _scan(self, on_damage: OnDamage | None = None) -> Scan:
        with self.coordinator.snapshots(on_damage) as views:
            return {name: views[name].scan(name) if name in views else () for name in COLLECTIONS}

    @property
    def _roles(self) -> Mapping[str, Sequence[str]]:
        """For each role, the roles that its contributions are handed off to."""
        return {role: [to.to for to in targets] for role, targets in self.settings.topology.items()}
