"""The records, their rules, CIDs and errors. Frozen values, no I/O (Grove protocol)."""

from grove_sm.domain.canonical import canonical_json
from grove_sm.domain.contribution import (
    Agent,
    Contribution,
    Direction,
    Kind,
    Mode,
    Relation,
    RelationType,
    Score,
    compute_cid,
)
from grove_sm.domain.coordination import (
    Bounty,
    BountyStatus,
    Claim,
    ClaimStatus,
    Criteria,
    Handoff,
    HandoffStatus,
    Route,
)
from grove_sm.domain.credits import Account, Grant, Reservation, ReservationStatus, Transfer
from grove_sm.domain.record import Record
from grove_sm.domain.values import format_time, normalise_time, parse_time

__all__ = [
    "Account",
    "Agent",
    "Bounty",
    "BountyStatus",
    "Claim",
    "ClaimStatus",
    "Contribution",
    "Criteria",
    "Direction",
    "Grant",
    "Handoff",
    "HandoffStatus",
    "Kind",
    "Mode",
    "Record",
    "Relation",
    "RelationType",
    "Reservation",
    "ReservationStatus",
    "Route",
    "Score",
    "Transfer",
    "canonical_json",
    "compute_cid",
    "format_time",
    "normalise_time",
    "parse_time",
]
