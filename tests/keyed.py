"""Every operation that takes an idempotency key: what it finds, the call, and other requests."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from grove_sm import Agent, Contribution, Grove
from tests.groves import CODER, REVIEWER, SPONSOR

OTHER_CODER: Final = Agent(agent_id="coder-2", role="coder")
OTHER_REVIEWER: Final = Agent(agent_id="reviewer-2", role="reviewer")
CID: Final = "blake3:" + "0" * 64
CRITERIA: Final = {"description": "p99 below 5 ms"}
AT: Final = "2026-01-01T00:00:00.000Z"

Arguments = dict[str, Any]


class Other(NamedTuple):
    """Another value of an argument, which makes it another request; and the field that differs."""

    value: Any
    field: str


class Keyed(NamedTuple):
    """An operation, by the name of its method.

    `prepare` makes what it finds in a grove, and answers the arguments to call it with; `others`
    are other values for each of them that makes a difference.
    """

    name: str
    prepare: Callable[[Grove], Arguments]
    others: Mapping[str, Other]

    def call(self, grove: Grove, arguments: Arguments, key: str | None, **changes: Any) -> Any:
        """Make the request, or another one."""
        return getattr(grove, self.name)(**{**arguments, **changes}, idempotency_key=key)


# What they find.


def _contributed(grove: Grove) -> str:
    return grove.contribute(kind="work", summary="found", agent=CODER).cid


def _claimed(grove: Grove) -> Arguments:
    made = grove.claim("file:held", agent=CODER, intent_summary="i").claim
    return {"claim_id": made.claim_id, "agent": CODER}


def _bounty(grove: Grove, **more: Any) -> str:
    grove.grant_credits(SPONSOR.agent_id, 100)
    made = grove.create_bounty(title="b", amount=10, criteria=CRITERIA, agent=SPONSOR, **more)
    return made.bounty_id


def _creating_a_bounty(grove: Grove) -> Arguments:
    grove.grant_credits(SPONSOR.agent_id, 100)
    return {"title": "t", "amount": 10, "criteria": CRITERIA, "agent": SPONSOR}


def _claimed_bounty(grove: Grove) -> Arguments:
    bounty_id = _bounty(grove)
    grove.claim_bounty(bounty_id, agent=CODER)
    return {"bounty_id": bounty_id, "agent": CODER}


def _fulfilled_bounty(grove: Grove) -> Arguments:
    return {**_claimed_bounty(grove), "cid": _contributed(grove)}


def _delivered(grove: Grove) -> Arguments:
    _contributed(grove)
    picked = grove.pick_up(agent=REVIEWER)
    assert picked is not None
    return {"handoff_id": picked.handoff.handoff_id, "agent": REVIEWER}


def _picking_up(grove: Grove) -> Arguments:
    _contributed(grove)
    return {"agent": REVIEWER}


def _granted(grove: Grove) -> Arguments:
    grove.grant_credits("giver-1", 100)
    return {"from_agent_id": "giver-1", "to_agent_id": "receiver-1", "amount": 7}


def _manifest(summary: str) -> Contribution:
    return Contribution(kind="work", summary=summary, agent=CODER, created_at=AT)


_MANIFEST: Final[Mapping[str, Other]] = {
    "summary": Other("another", "summary"),
    "mode": Other("exploration", "mode"),
    "description": Other("d", "description"),
    "artifacts": Other({"a": CID}, "artifacts"),
    "scores": Other({"p99": {"value": 1, "direction": "minimize"}}, "scores"),
    "tags": Other(["t"], "tags"),
    "context": Other({"a": 1}, "context"),
    "created_at": Other(AT, "createdAt"),
    "agent": Other(OTHER_CODER, "agent"),
}
_BY_CODER: Final = {"agent": Other(OTHER_CODER, "agent")}
_BY_REVIEWER: Final = {"agent": Other(OTHER_REVIEWER, "agent")}
_CLAIM_ID: Final = {"claim_id": Other("claim-x", "claimId")}
_BOUNTY_ID: Final = {"bounty_id": Other("bounty-x", "bountyId")}
_HANDOFF_ID: Final = {"handoff_id": Other("handoff-x", "handoffId")}
_INTENT: Final = {
    "intent_summary": Other("j", "intentSummary"),
    "lease_seconds": Other(60.0, "leaseSeconds"),
    "context": Other({"a": 1}, "context"),
}


def _answer(name: str) -> Keyed:
    def prepare(grove: Grove) -> Arguments:
        return {"target_cid": _contributed(grove), "summary": "s", "agent": REVIEWER}

    others = {
        **_MANIFEST,
        **_BY_REVIEWER,
        "target_cid": Other(CID, "relations"),
        "relations": Other([{"targetCid": CID, "relationType": "adopts"}], "relations"),
    }
    return Keyed(name, prepare, others)


KEYED: Final = (
    Keyed(
        "contribute",
        lambda _: {"kind": "work", "summary": "s", "agent": CODER},
        {
            **_MANIFEST,
            "kind": Other("plan", "kind"),
            "relations": Other([{"targetCid": CID, "relationType": "adopts"}], "relations"),
        },
    ),
    Keyed(
        "publish",
        lambda _: {"contribution": _manifest("s")},
        {"contribution": Other(_manifest("another"), "summary")},
    ),
    *map(_answer, ("review", "reproduce", "discuss", "adopt")),
    Keyed(
        "claim",
        lambda _: {"target_ref": "file:a", "agent": CODER, "intent_summary": "i"},
        {**_INTENT, **_BY_CODER, "target_ref": Other("file:b", "targetRef")},
    ),
    Keyed(
        "heartbeat",
        _claimed,
        {**_CLAIM_ID, **_BY_CODER, "lease_seconds": Other(60.0, "leaseSeconds")},
    ),
    Keyed("release", _claimed, {**_CLAIM_ID, **_BY_CODER}),
    Keyed("complete", _claimed, {**_CLAIM_ID, **_BY_CODER}),
    Keyed(
        "create_bounty",
        _creating_a_bounty,
        {
            # It is the description too, where none is given.
            "title": Other("another", "description, title"),
            "amount": Other(11, "amount"),
            "criteria": Other({"description": "d"}, "criteria"),
            "description": Other("d", "description"),
            "deadline": Other("2099-01-01T00:00:00Z", "deadline"),
            "zone_id": Other("z", "zoneId"),
            "context": Other({"a": 1}, "context"),
            "draft": Other(True, "draft"),
        },
    ),
    Keyed(
        "open_bounty",
        lambda grove: {"bounty_id": _bounty(grove, draft=True), "agent": SPONSOR},
        _BOUNTY_ID,
    ),
    Keyed(
        "claim_bounty",
        lambda grove: {"bounty_id": _bounty(grove), "agent": CODER},
        {**_INTENT, **_BY_CODER, **_BOUNTY_ID},
    ),
    Keyed("release_bounty", _claimed_bounty, {**_BOUNTY_ID, **_BY_CODER}),
    Keyed(
        "complete_bounty", _fulfilled_bounty, {**_BOUNTY_ID, **_BY_CODER, "cid": Other(CID, "cid")}
    ),
    Keyed(
        "settle_bounty", _fulfilled_bounty, {**_BOUNTY_ID, **_BY_CODER, "cid": Other(CID, "cid")}
    ),
    Keyed(
        "cancel_bounty", lambda grove: {"bounty_id": _bounty(grove), "agent": SPONSOR}, _BOUNTY_ID
    ),
    Keyed(
        "pick_up",
        _picking_up,
        {
            **_BY_REVIEWER,
            "role": Other("tester", "role"),
            "visibility_seconds": Other(60.0, "visibilitySeconds"),
        },
    ),
    Keyed("acknowledge", _delivered, {**_HANDOFF_ID, **_BY_REVIEWER}),
    Keyed("dead_letter", _delivered, {**_HANDOFF_ID, **_BY_REVIEWER}),
    Keyed(
        "grant_credits",
        lambda _: {"agent_id": "agent-1", "amount": 1000},
        {"amount": Other(1001, "amount")},
    ),
    Keyed(
        "transfer_credits",
        _granted,
        {"to_agent_id": Other("receiver-2", "toAgentId"), "amount": Other(8, "amount")},
    ),
)
"""Every operation that takes a key; one that is named here is tested for what section 7 says."""
