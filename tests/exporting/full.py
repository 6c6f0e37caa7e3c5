"""A grove that holds records of every kind, in many states, and what is left of deleted ones."""

from datetime import timedelta
from typing import Any

from grove_sm import Grove
from grove_sm.domain import Record
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.operations.plan import Deleted, Stored
from tests.cli.prepared import prepare_claims_and_bounties, prepare_handoffs
from tests.groves import CODER, SPONSOR, Clock

ODD: dict[str, Any] = {
    "zażółć \U0001f600": [1.0, -0.0, 1e21, 1e-7, 2**60, None, True, {"z": "\u2028", "a": "\x7f"}],
    "\uffff": "\ud7ff",
    "\U00010000": 0.1,
}
"""Values that JSON writers like to write in different ways."""


def fill(grove: Grove, clock: Clock) -> dict[str, str]:
    """Fill an empty grove, by its operations; the ids of some records by name."""
    found = {**prepare_claims_and_bounties(grove, clock), **prepare_handoffs(grove)}
    odd = grove.contribute(
        kind="plan",
        summary="odd",
        agent=CODER,
        context=ODD,
        scores={"speed": {"value": 1e21, "direction": "maximize"}},
    )
    grove.review(odd.cid, summary="odder", agent=SPONSOR)
    grove.transfer_credits(SPONSOR.agent_id, CODER.agent_id, 3)
    grove.cancel_bounty(found["open"], agent=SPONSOR)
    assert grove.sweep().failures == []
    clock.time += timedelta(days=1)
    assert grove.sweep(forget_after=3600).swept > 0
    assert grove.audit().violations == ()
    return found


def everything(grove: Grove) -> dict[str, list[Stored | Deleted]]:
    """All that is there, with documents as their records say them."""
    with grove.coordinator.snapshots() as views:
        return {name: [_sound(each) for each in views[name].scan(name)] for name in COLLECTIONS}


def _sound(found: object) -> Stored | Deleted:
    assert isinstance(found, Stored | Deleted), found
    return found


def kinds_and_states(grove: Grove) -> set[tuple[str, str]]:
    """Of which kinds, in which states, records are there."""
    records: list[Record] = [
        *grove.contributions.list(),
        *grove.handoffs.list(),
        *grove.claims.list(),
        *grove.bounties.list(),
        *grove.credits.accounts.list(),
        *grove.credits.grants.list(),
        *grove.credits.reservations.list(),
        *grove.credits.transfers.list(),
    ]
    return {(type(record).__name__, getattr(record, "status", "")) for record in records}
