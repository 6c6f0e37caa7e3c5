"""One valid document of each record, and how to change one."""

from typing import Any, Final

from grove_sm.domain import (
    Account,
    Agent,
    Bounty,
    Claim,
    Contribution,
    Criteria,
    Grant,
    Handoff,
    Record,
    Relation,
    Reservation,
    Route,
    Score,
    Transfer,
)

CID: Final = "blake3:" + "ab" * 32
NOW: Final = "2026-01-02T03:04:05.678Z"
LATER: Final = "2026-01-03T00:00:00.000Z"

MISSING: Final = object()
"""As a changed value: leave the field out."""

AGENT: Final[dict[str, Any]] = {
    "agentId": "a1",
    "agentName": "Ada",
    "provider": "p",
    "model": "m",
    "platform": "H100",
    "version": "1",
    "toolchain": "t",
    "runtime": "python-3.11",
    "role": "coder",
}
SCORE: Final[dict[str, Any]] = {"value": 0.5, "direction": "minimize", "unit": "ms"}
RELATION: Final[dict[str, Any]] = {
    "targetCid": CID,
    "relationType": "reviews",
    "metadata": {"verdict": "approve"},
}
CONTRIBUTION: Final[dict[str, Any]] = {
    "manifestVersion": 1,
    "kind": "work",
    "mode": "evaluation",
    "summary": "s",
    "description": "two\nlines",
    "artifacts": {"src/main.py": CID},
    "relations": [RELATION],
    "scores": {"p99": SCORE},
    "tags": ["b", "a"],
    "context": {"nested": {"z": 1, "a": [True, None, "x"]}},
    "agent": AGENT,
    "createdAt": NOW,
}
HANDOFF: Final[dict[str, Any]] = {
    "handoffId": "h1",
    "sourceCid": CID,
    "fromRole": "coder",
    "toRole": "reviewer",
    "status": "replied",
    "requiresReply": True,
    "replyDueAt": LATER,
    "resolvedByCid": CID,
    "createdAt": NOW,
}
CLAIM: Final[dict[str, Any]] = {
    "claimId": "c1",
    "targetRef": "file:a",
    "agent": AGENT,
    "status": "active",
    "intentSummary": "fix it",
    "createdAt": NOW,
    "heartbeatAt": NOW,
    "leaseExpiresAt": LATER,
    "context": {"a": 1},
    "attemptCount": 0,
    "revision": 1,
}
CRITERIA: Final[dict[str, Any]] = {
    "description": "p99 below 5 ms",
    "metricName": "p99",
    "metricThreshold": 5,
    "metricDirection": "minimize",
    "requiredTags": ["measured"],
}
BOUNTY: Final[dict[str, Any]] = {
    "bountyId": "b1",
    "title": "Halve the latency",
    "description": "All of it",
    "status": "settled",
    "creator": {"agentId": "sponsor-1"},
    "amount": 100,
    "criteria": CRITERIA,
    "deadline": LATER,
    "zoneId": "z",
    "claimedBy": AGENT,
    "claimId": "c1",
    "fulfilledByCid": CID,
    "reservationId": "r1",
    "context": {"a": 1},
    "createdAt": NOW,
    "updatedAt": NOW,
}
ROUTE: Final[dict[str, Any]] = {"to": "reviewer", "requiresReply": True, "replySeconds": 60.0}
ACCOUNT: Final[dict[str, Any]] = {"agentId": "a1", "available": 5, "reserved": 2}
GRANT: Final[dict[str, Any]] = {"grantId": "g1", "agentId": "a1", "amount": 5, "createdAt": NOW}
RESERVATION: Final[dict[str, Any]] = {
    "reservationId": "r1",
    "agentId": "a1",
    "amount": 5,
    "expiresAt": LATER,
    "status": "captured",
    "capturedTo": "a2",
    "createdAt": NOW,
}
TRANSFER: Final[dict[str, Any]] = {
    "transferId": "t1",
    "fromAgentId": "a1",
    "toAgentId": "a2",
    "amount": 5,
    "createdAt": NOW,
}

SAMPLES: Final[dict[type[Record], dict[str, Any]]] = {
    Account: ACCOUNT,
    Agent: AGENT,
    Bounty: BOUNTY,
    Claim: CLAIM,
    Contribution: CONTRIBUTION,
    Criteria: CRITERIA,
    Grant: GRANT,
    Handoff: HANDOFF,
    Relation: RELATION,
    Reservation: RESERVATION,
    Route: ROUTE,
    Score: SCORE,
    Transfer: TRANSFER,
}
"""Every field of every record is present in its sample."""

OPTIONAL: Final[dict[type[Record], frozenset[str]]] = {
    Agent: frozenset(AGENT) - {"agentId"},
    Bounty: frozenset({"zoneId", "reservationId", "context"}),
    Claim: frozenset({"context"}),
    Contribution: frozenset({"description", "scores", "context"}),
    Criteria: frozenset({"metricThreshold", "metricDirection", "requiredTags"}),
    Handoff: frozenset({"replyDueAt"}),
    Relation: frozenset({"metadata"}),
    Route: frozenset({"replySeconds"}),
    Score: frozenset({"unit"}),
}
"""Fields that may be absent from the sample by themselves, and then are absent."""

DEFAULTS: Final[dict[type[Record], dict[str, Any]]] = {
    Account: {"available": 0, "reserved": 0},
    Bounty: {"description": "Halve the latency"},
    Claim: {"attemptCount": 0, "revision": 1},
    Contribution: {
        "manifestVersion": 1,
        "mode": "evaluation",
        "artifacts": {},
        "relations": [],
        "tags": [],
    },
    Handoff: {"requiresReply": False},
    Route: {"requiresReply": False},
}
"""Fields that have this value when they are left out."""


def changed(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The document with some fields set, or left out where the value is MISSING."""
    return {k: v for k, v in {**document, **changes}.items() if v is not MISSING}
