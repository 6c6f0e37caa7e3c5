"""Agent contributions, handoffs, claims and bounties across unlike stores, as one atomic step."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from grove_sm.aio import AsyncGrove
    from grove_sm.commit.recovery import RecoveryReport
    from grove_sm.domain import (
        Account,
        Agent,
        Bounty,
        Claim,
        Contribution,
        Criteria,
        Grant,
        Handoff,
        Relation,
        Reservation,
        Route,
        Score,
        Transfer,
        compute_cid,
    )
    from grove_sm.domain.errors import (
        ClaimConflict,
        Corrupt,
        GroveError,
        InDoubt,
        InsufficientCredits,
        NotFound,
        OutcomeUnknown,
        StateConflict,
        StoreUnavailable,
        ValidationError,
    )
    from grove_sm.grove import Grove
    from grove_sm.operations.audit import AuditReport, Violation
    from grove_sm.results import (
        BountyClaimed,
        Claimed,
        Contributed,
        Exported,
        NotSwept,
        PickedUp,
        Restored,
        SweepReport,
    )
    from grove_sm.settings import Keep, Leases
    from grove_sm.views import Node, Page, Thread

__all__ = [
    "Account",
    "Agent",
    "AsyncGrove",
    "AuditReport",
    "Bounty",
    "BountyClaimed",
    "Claim",
    "ClaimConflict",
    "Claimed",
    "Contributed",
    "Contribution",
    "Corrupt",
    "Criteria",
    "Exported",
    "Grant",
    "Grove",
    "GroveError",
    "Handoff",
    "InDoubt",
    "InsufficientCredits",
    "Keep",
    "Leases",
    "Node",
    "NotFound",
    "NotSwept",
    "OutcomeUnknown",
    "Page",
    "PickedUp",
    "RecoveryReport",
    "Relation",
    "Reservation",
    "Restored",
    "Route",
    "Score",
    "StateConflict",
    "StoreUnavailable",
    "SweepReport",
    "Thread",
    "Transfer",
    "ValidationError",
    "Violation",
    "compute_cid",
]

_HOMES: Final = (
    "grove_sm.commit.recovery",
    "grove_sm.domain",
    "grove_sm.domain.errors",
    "grove_sm.grove",
    "grove_sm.operations.audit",
    "grove_sm.results",
    "grove_sm.settings",
    "grove_sm.views",
    "grove_sm.aio",
)


def __getattr__(name: str) -> Any:
    # What is imported here is loaded at its first use: the command line must start at once.
    if name in __all__:
        for home in map(import_module, _HOMES):
            if hasattr(home, name):
                return globals().setdefault(name, getattr(home, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
