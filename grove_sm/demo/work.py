"""What the demo's agents do: operations as values, so that they can be logged and repeated."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from grove_sm.domain import Agent, Contribution, Handoff
from grove_sm.grove import Grove

CONTRIBUTE: Final = "contribute"
CREATE_BOUNTY: Final = "create_bounty"
CLAIM_BOUNTY: Final = "claim_bounty"

MARK: Final = "operation"
"""Under this name the context of what an operation writes holds the operation's key."""

_SHARES: Final = {CONTRIBUTE: 5, CLAIM_BOUNTY: 3, CREATE_BOUNTY: 2}
_OFFERED: Final = 8


class Operation(NamedTuple):
    """One call of the library; `key` is its idempotency key, `arguments` is a JSON object."""

    key: str
    kind: str
    arguments: Mapping[str, Any]


class Hand(NamedTuple):
    """One life of a worker: who it is, and where its choices come from."""

    agent_id: str
    sponsor_id: str
    rng: random.Random


def sponsor_of(worker: int) -> str:
    """The agent whose credits pay for a worker's bounties; nobody else spends them."""
    return f"sponsor-{worker}"


def choose(hand: Hand, number: int, grove: Grove, bases: Sequence[str]) -> Operation:
    """What to do next: contribute, offer a bounty, or race for one that is open.

    Args:
        hand: who chooses.
        number: which of its operations this is.
        grove: where open bounties and waiting handoffs are looked up.
        bases: CIDs to build upon.
    """
    key = f"{hand.agent_id}-{number}"
    (kind,) = hand.rng.choices(list(_SHARES), list(_SHARES.values()))
    if kind == CLAIM_BOUNTY:
        offered = grove.bounties.list(status="open", limit=_OFFERED)
        if offered:
            bounty_id = hand.rng.choice(offered).bounty_id
            return Operation(key, kind, {"agentId": hand.agent_id, "bountyId": bounty_id})
        kind = CREATE_BOUNTY
    if kind == CREATE_BOUNTY:
        amount = hand.rng.randint(1, 100)
        return Operation(key, kind, {"agentId": hand.sponsor_id, "amount": amount})
    return Operation(key, kind, {"document": _contribution(hand, key, grove, bases)})


def _contribution(hand: Hand, key: str, grove: Grove, bases: Sequence[str]) -> dict[str, Any]:
    """New work on something older, or the review of work that waits for one."""
    waiting: list[Handoff] = []
    if hand.rng.random() < 0.5:
        waiting = grove.handoffs.list(to_role="reviewer", status="pending_pickup", limit=_OFFERED)
    if waiting:
        kind, role, relation = "review", "reviewer", "reviews"
        targets = [hand.rng.choice(waiting).source_cid]
    else:
        kind, role, relation = "work", "coder", "derives_from"
        targets = [hand.rng.choice(bases)] if bases else []
    contribution = Contribution.from_document(
        {
            "kind": kind,
            "summary": f"{kind} {key}",
            "relations": [{"targetCid": cid, "relationType": relation} for cid in targets],
            "context": {MARK: key},
            "agent": {"agentId": hand.agent_id, "role": role},
            "createdAt": grove.coordinator.now(),
        }
    )
    return contribution.to_document()


def perform(grove: Grove, operation: Operation) -> None:
    """Call the library. Raises what it raises."""
    _PERFORM[operation.kind](grove, operation)


def _contribute(grove: Grove, operation: Operation) -> None:
    contribution = Contribution.from_document(operation.arguments["document"])
    grove.publish(contribution, idempotency_key=operation.key)


def _create_bounty(grove: Grove, operation: Operation) -> None:
    grove.create_bounty(
        title=f"Bounty {operation.key}",
        amount=operation.arguments["amount"],
        criteria={"description": "whoever is first"},
        agent=Agent(agent_id=operation.arguments["agentId"]),
        context={MARK: operation.key},
        idempotency_key=operation.key,
    )


def _claim_bounty(grove: Grove, operation: Operation) -> None:
    grove.claim_bounty(
        operation.arguments["bountyId"],
        agent=Agent(agent_id=operation.arguments["agentId"], role="coder"),
        context={MARK: operation.key},
        idempotency_key=operation.key,
    )


_PERFORM: Final[Mapping[str, Callable[[Grove, Operation], None]]] = {
    CONTRIBUTE: _contribute,
    CREATE_BOUNTY: _create_bounty,
    CLAIM_BOUNTY: _claim_bounty,
}
