"""What one sees of a grove, and whether a part of an operation is missing in it.

Checked by the rules alone, record by record, without the library's own audit.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from grove_sm.commit.coordinator import Coordinator
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.operations.query import Query
from tests.groves import TOPOLOGY

Sight = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Collection -> record id -> document."""

_BOUNTY: Final = "bounty:"


def look(coordinator: Coordinator, first: str) -> Sight:
    """Read every collection, beginning with one."""
    start = COLLECTIONS.index(first)
    return {
        name: {
            stored.record_id: json.loads(stored.document)
            for stored in coordinator.page(Query(name), None)
        }
        for name in COLLECTIONS[start:] + COLLECTIONS[:start]
    }


def missing_parts(sight: Sight) -> list[str]:
    """Every part of an operation that stands without another."""
    return [*_contributions(sight), *_claims(sight), *_bounties(sight), *_credits(sight)]


def _contributions(sight: Sight) -> Iterator[str]:
    handoffs = {(h["sourceCid"], h["toRole"]): h for h in sight["handoffs"].values()}
    for cid, contribution in sight["contributions"].items():
        for role in TOPOLOGY.get(contribution["agent"].get("role"), ()):
            if (cid, role) not in handoffs:
                yield f"{cid} has no handoff to {role}"
        for relation in contribution["relations"]:
            answered = handoffs.get((relation["targetCid"], contribution["agent"]["role"]))
            if answered is None or answered["status"] != "replied":
                yield f"{cid} replies to {relation['targetCid']}, whose handoff does not say so"
    for handoff_id, handoff in sight["handoffs"].items():
        for field in ("sourceCid", "resolvedByCid"):
            named = handoff.get(field, handoff["sourceCid"])
            if named not in sight["contributions"]:
                yield f"{handoff_id} names {named}, which is not there"


def _claims(sight: Sight) -> Iterator[str]:
    active = defaultdict(list)
    for claim_id, claim in sight["claims"].items():
        if claim["status"] == "active":
            active[claim["targetRef"]].append(claim_id)
    for target, claim_ids in active.items():
        bounty = sight["bounties"].get(target.removeprefix(_BOUNTY))
        if len(claim_ids) > 1:
            yield f"{target} has {len(claim_ids)} active claims"
        if bounty is None or bounty.get("claimId") not in claim_ids:
            yield f"{claim_ids[0]} has no bounty that names it"


def _bounties(sight: Sight) -> Iterator[str]:
    for bounty_id, bounty in sight["bounties"].items():
        claim = sight["claims"].get(bounty.get("claimId", ""))
        if (bounty["status"] == "claimed") != (claim is not None):
            yield f"{bounty_id} is {bounty['status']}, its claim is {claim}"
        if claim is not None and claim["agent"] != bounty["claimedBy"]:
            yield f"{bounty_id} is claimed by another agent than its claim"
        if f"reservation:{bounty['reservationId']}" not in sight["credits"]:
            yield f"{bounty_id} has no reservation"


def _credits(sight: Sight) -> Iterator[str]:
    reserved: defaultdict[str, int] = defaultdict(int)
    granted: defaultdict[str, int] = defaultdict(int)
    accounts = {}
    wanted = {bounty["reservationId"] for bounty in sight["bounties"].values()}
    for record_id, record in sight["credits"].items():
        kind = record_id.partition(":")[0]
        if kind == "account":
            accounts[record["agentId"]] = record
        elif kind == "reservation":
            reserved[record["agentId"]] += record["amount"]
            if record["reservationId"] not in wanted:
                yield f"{record_id} has no bounty"
        else:
            granted[record["agentId"]] += record["amount"]
    for agent_id in {*accounts, *reserved, *granted}:
        account = accounts.get(agent_id, {"available": 0, "reserved": 0})
        expected = (granted[agent_id] - reserved[agent_id], reserved[agent_id])
        if (account["available"], account["reserved"]) != expected:
            yield f"the account of {agent_id} is {account}, not {expected}"
