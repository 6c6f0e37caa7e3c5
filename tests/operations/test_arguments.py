"""Whatever is passed as an id, an agent or a number gets an error of ours, never Python's own."""

from collections.abc import Callable
from typing import Any, Final

import pytest

from grove_sm import Grove
from grove_sm.domain.errors import GroveError
from grove_sm.operations.layout import COLLECTIONS
from tests.groves import CODER

Call = Callable[[Grove, Any], object]

VALUES: Final[tuple[Any, ...]] = (
    *(7, -1, 2**70, True, float("inf"), float("nan"), None, [], {}, object()),
    *("", "\ud800", "x\0", b"x"),
)

CALLS: Final[dict[str, Call]] = {
    "claim": lambda g, v: g.claim(v, agent=CODER, intent_summary="x"),
    "claim, agent": lambda g, v: g.claim("x", agent=v, intent_summary="x"),
    "claim_bounty": lambda g, v: g.claim_bounty(v, agent=CODER),
    "heartbeat": lambda g, v: g.heartbeat(v),
    "heartbeat, agent": lambda g, v: g.heartbeat("x", agent=v),
    "heartbeat, lease": lambda g, v: g.heartbeat("x", lease_seconds=v),
    "release": lambda g, v: g.release(v),
    "complete": lambda g, v: g.complete(v),
    "open_bounty": lambda g, v: g.open_bounty(v, agent=CODER),
    "open_bounty, agent": lambda g, v: g.open_bounty("x", agent=v),
    "release_bounty": lambda g, v: g.release_bounty(v),
    "complete_bounty": lambda g, v: g.complete_bounty(v, "x"),
    "complete_bounty, cid": lambda g, v: g.complete_bounty("x", v),
    "settle_bounty": lambda g, v: g.settle_bounty(v, v),
    "settle_bounty, agent": lambda g, v: g.settle_bounty("x", "x", agent=v),
    "settle_bounty, key": lambda g, v: g.settle_bounty("x", agent=CODER, idempotency_key=v),
    "cancel_bounty": lambda g, v: g.cancel_bounty(v, agent=CODER),
    "cancel_bounty, agent": lambda g, v: g.cancel_bounty("x", agent=v),
    "pick_up, agent": lambda g, v: g.pick_up(agent=v),
    "acknowledge": lambda g, v: g.acknowledge(v),
    "dead_letter": lambda g, v: g.dead_letter(v),
    "dead_letter, agent": lambda g, v: g.dead_letter("x", agent=v),
    "review": lambda g, v: g.review(v, summary="x", agent=CODER),
    "review, agent": lambda g, v: g.review("x", summary="x", agent=v),
    "review, relations": lambda g, v: g.review("x", summary="x", agent=CODER, relations=v),
    "transfer_credits, from": lambda g, v: g.transfer_credits(v, "b", 1),
    "transfer_credits, to": lambda g, v: g.transfer_credits("a", v, 1),
    "get": lambda g, v: g.claims.get(v),
    "outcome": lambda g, v: g.outcome(v),
}
"""Each refuses every one of the values: there is nothing that it could mean."""

LENIENT: Final[dict[str, Call]] = {
    "pick_up, role": lambda g, v: g.pick_up(agent=CODER, role=v),
    "pick_up, wait": lambda g, v: g.pick_up(agent=CODER, wait=0 if v == 7 else v),
    "pick_up, visibility": lambda g, v: g.pick_up(agent=CODER, visibility_seconds=v),
    "sweep, limit": lambda g, v: g.sweep(limit=v),
    "sweep, stalled": lambda g, v: g.sweep(stalled_after=v),
    "sweep, forget": lambda g, v: g.sweep(forget_after=v),
    "stalled, after": lambda g, v: g.stalled(after=v),
    "stalled, limit": lambda g, v: g.stalled(after=1.0, limit=v),
    "transfer_credits, amount": lambda g, v: g.transfer_credits("a", "b", v),
    "list": lambda g, v: g.claims.list(agent_id=v),
    "balance": lambda g, v: g.credits.balance(v),
}
"""These take some of the values."""


@pytest.fixture(params=["memory", "sqlite"])
def grove(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    memory = request.param == "memory"
    journal = "memory://" if memory else f"sqlite:///{tmp_path}/journal.db"
    store = "memory://arguments" if memory else f"sqlite:///{tmp_path}/stores.db"
    with Grove.open(journal=journal, stores=dict.fromkeys(COLLECTIONS, store)) as opened:
        yield opened


@pytest.mark.parametrize("name", CALLS)
def test_a_senseless_argument_is_refused(grove: Grove, name: str) -> None:
    for value in VALUES:
        if value is None and name in ("heartbeat, agent", "heartbeat, lease", "dead_letter, agent"):
            continue
        if name == "claim" and value in ("x\0", "x"):
            continue
        with pytest.raises(GroveError):
            CALLS[name](grove, value)
    assert not any(view.list() for view in (grove.contributions, grove.handoffs, grove.bounties))


@pytest.mark.parametrize("name", LENIENT)
def test_an_argument_is_taken_or_refused(grove: Grove, name: str) -> None:
    refused = 0
    for value in VALUES:
        try:
            LENIENT[name](grove, value)
        except GroveError:
            refused += 1
    assert refused >= 8


def test_an_agent_must_be_named_with_a_key(grove: Grove) -> None:
    with pytest.raises(GroveError, match="agent is required with an idempotency key"):
        grove.heartbeat("x", idempotency_key="k")
