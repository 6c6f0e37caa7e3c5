"""Which records live where, by which fields they are found, and which are changed together.

The five collections are what a deployment places on stores. `INDEXED` is the one list of fields
that a store must be able to filter by; `family` names the unit that a transaction holds while it
changes a record, so that what it read of that unit cannot change in between.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CONTRIBUTIONS: Final = "contributions"
HANDOFFS: Final = "handoffs"
CLAIMS: Final = "claims"
BOUNTIES: Final = "bounties"
CREDITS: Final = "credits"

COLLECTIONS: Final = (CONTRIBUTIONS, HANDOFFS, CLAIMS, BOUNTIES, CREDITS)

OF_THE_ID: Final = "(id)"
"""In place of a path: what a record's id begins with, up to its first colon."""

INDEXED: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        CONTRIBUTIONS: {
            "kind": "kind",
            "mode": "mode",
            "agentId": "agent.agentId",
            "role": "agent.role",
            "tag": "tags[]",
            "targetCid": "relations[].targetCid",
            "createdAt": "createdAt",
        },
        HANDOFFS: {
            "sourceCid": "sourceCid",
            "toRole": "toRole",
            "status": "status",
            "replyDueAt": "replyDueAt",
            "resolvedByCid": "resolvedByCid",
            "createdAt": "createdAt",
        },
        CLAIMS: {
            "targetRef": "targetRef",
            "agentId": "agent.agentId",
            "status": "status",
            "heartbeatAt": "heartbeatAt",
            "leaseExpiresAt": "leaseExpiresAt",
            "createdAt": "createdAt",
        },
        BOUNTIES: {
            "status": "status",
            "creatorId": "creator.agentId",
            "claimantId": "claimedBy.agentId",
            "tag": "criteria.requiredTags[]",
            "deadline": "deadline",
            "createdAt": "createdAt",
        },
        CREDITS: {
            "type": OF_THE_ID,
            "agentId": "agentId",
            "fromAgentId": "fromAgentId",
            "toAgentId": "toAgentId",
            "status": "status",
            "createdAt": "createdAt",
        },
    }
)
"""Field a store filters by -> its path in the document, for each collection.

Behind a step of a path `[]` stands for every item of a list.
"""

SEARCHED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {CONTRIBUTIONS: ("summary", "description")}
)
"""The fields whose words a store finds records by, for each collection that can be searched."""

BOUNTY_TARGET: Final = "bounty:"
"""A claim on a bounty has this and the bounty's id as its target."""

HANDOFF_TARGET: Final = "handoff:"
"""A claim on a handoff, which its delivery makes, has this and the handoff's id as its target."""


def contribution_family(cid: str) -> str:
    """The key of a contribution together with the handoffs it caused."""
    return f"contribution:{cid}"


def target_family(target_ref: str) -> str:
    """The key of every claim on a target; for `bounty:<id>` of that bounty too."""
    return f"target:{target_ref}"


def bounty_family(bounty_id: str) -> str:
    """The key of a bounty together with the claims on it."""
    return target_family(BOUNTY_TARGET + bounty_id)


def handoff_family(handoff_id: str) -> str:
    """The key of the claims on a handoff; the handoff itself belongs to its contribution."""
    return target_family(HANDOFF_TARGET + handoff_id)


def account_family(agent_id: str) -> str:
    """The key of an agent's account together with its grants and reservations."""
    return f"account:{agent_id}"


def account_record(agent_id: str) -> str:
    """The id of an agent's account in the credits collection."""
    return f"account:{agent_id}"


def grant_record(grant_id: str) -> str:
    """The id of a grant in the credits collection."""
    return f"grant:{grant_id}"


def transfer_record(transfer_id: str) -> str:
    """The id of a transfer in the credits collection."""
    return f"transfer:{transfer_id}"


def reservation_record(reservation_id: str) -> str:
    """The id of a reservation in the credits collection."""
    return f"reservation:{reservation_id}"
