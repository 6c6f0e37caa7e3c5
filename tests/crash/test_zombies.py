"""A coordinator stops in mid-protocol, others go on, and it wakes up; or it does not."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from faults.crash import crash_points
from faults.freeze import Freeze
from faults.schedule import Crash, Schedule, When
from grove_sm import Grove
from grove_sm.commit.machine import Decision
from grove_sm.commit.record import Entry
from grove_sm.domain.errors import ClaimConflict, InDoubt
from grove_sm.results import BountyClaimed
from tests.kinds.params import each
from tests.kinds.placement import LAYOUTS, Layout, Placement

from .life import Life, read_at_once
from .scenarios import CODER, OTHER_CODER, PREPARED_AT, SCENARIOS, claim_bounty

NOW = PREPARED_AT + timedelta(seconds=1)
LATER = PREPARED_AT + timedelta(hours=1)
OFFERED = next(scenario for scenario in SCENARIOS if scenario.name == "claim a bounty")

CODER_CLAIMS = partial(claim_bounty, agent=CODER, key=None)
OTHER_CLAIMS = partial(claim_bounty, agent=OTHER_CODER, key=None)


@pytest.fixture(params=each(LAYOUTS))
def placement(request: pytest.FixtureRequest, folder: Path) -> Placement:
    """A grove with an open bounty."""
    layout: Layout = request.param
    placement = layout.place(folder)
    life = Life(placement, PREPARED_AT, names="before")
    grove = life.open()
    OFFERED.prepare(grove)
    grove.close()
    return placement


@contextmanager
def frozen(life: Life, freeze: Freeze, call: Callable[[Grove], Any]) -> Iterator[Future[Any]]:
    """A call that has stopped where it freezes; thawed at the end at the latest."""
    grove = life.open()
    with ThreadPoolExecutor(1) as executor:
        future = executor.submit(call, grove)
        try:
            freeze.wait()
            yield future
        finally:
            freeze.thaw()


def deliver(life: Life, entry: Entry) -> None:
    """Have every store apply an entry's writes, as a request that was long on its way."""
    participants = life.coordinator.participants
    for collection in dict.fromkeys(write.collection for write in entry.writes):
        writes = [write for write in entry.writes if write.collection == collection]
        participants[collection].apply(entry.txid, entry.members, writes)


@pytest.mark.parametrize("one_append", [True, False], ids=["one append", "two steps"])
@pytest.mark.parametrize("collection", ["claims", "bounties"])
def test_applies_that_come_late_and_twice_change_nothing(
    placement: Placement, collection: str, one_append: bool
) -> None:
    freeze = Freeze(f"apply {placement.label(collection)}", "before")
    zombie = Life(placement, NOW, Schedule(freeze), names="zombie", one_append=one_append)
    with frozen(zombie, freeze, CODER_CLAIMS) as late:
        (holder,) = zombie.coordinator.journal.unapplied()
        entry = zombie.coordinator.journal.load(holder.txid)
        assert entry is not None
        assert {write.collection for write in entry.writes} == {"claims", "bounties"}

        helper = Life(placement, NOW, names="helper", one_append=one_append)
        grove = helper.open()
        (bounty,) = grove.bounties.list()
        assert (bounty.status, bounty.claimed_by) == ("claimed", CODER)
        renewal = grove.claim_bounty(bounty.bounty_id, agent=CODER)
        assert renewal.renewed
        assert renewal.claim.claim_id == bounty.claim_id

        successor = Life(placement, LATER, names="successor", one_append=one_append)
        taken = OTHER_CLAIMS(successor.open())
        assert not taken.renewed
        before = read_at_once(successor.coordinator)

        freeze.thaw()
        result: BountyClaimed = late.result()
    assert (result.txid, result.claim.claim_id) == (entry.txid, bounty.claim_id)
    assert read_at_once(successor.coordinator) == before
    for life in (zombie, helper, successor):
        deliver(zombie, entry)
        assert read_at_once(successor.coordinator) == before
        life.open().flush()
    assert successor.coordinator.journal.unfinished() == ()
    assert successor.coordinator.journal.heuristics() == ()
    assert successor.open().audit().violations == ()
    for life in (zombie, helper, successor):
        life.kill()


UNDECIDED = [
    ("hold", "after"),
    ("validate bounties", "after"),
    ("decide commit", "after"),
    ("leave", "before"),
]


@pytest.fixture(params=UNDECIDED, ids=lambda point: f"{point[1]} {point[0]}")
def undecided(request: pytest.FixtureRequest, placement: Placement) -> Freeze:
    """Where a coordinator stops that holds keys and has not decided."""
    name: str
    when: When
    name, when = request.param
    return Freeze(name.replace("bounties", placement.label("bounties")), when)


def test_a_live_undecided_holder_is_left_alone(placement: Placement, undecided: Freeze) -> None:
    slow = Life(placement, NOW, Schedule(undecided), names="slow", one_append=False)
    other = Life(placement, NOW, names="other", one_append=False, patience=0.02)
    with frozen(slow, undecided, CODER_CLAIMS) as claiming:
        grove = other.open()
        assert grove.recovery == grove.recover()
        assert grove.recovery.rolled_back == []
        (holder,) = other.coordinator.journal.unapplied()
        assert (holder.state, holder.coordinator) == (
            "planned",
            slow.coordinator.journal.coordinator,
        )
        with pytest.raises(InDoubt) as refusal:
            OTHER_CLAIMS(grove)
        assert (refusal.value.txid, refusal.value.coordinator) == (holder.txid, holder.coordinator)
        assert grove.outcome(holder.txid) == "undecided"
        assert grove.claims.list() == []
        undecided.thaw()
        won: BountyClaimed = claiming.result()
    assert won.txid == holder.txid
    assert grove.outcome(holder.txid) == "committed"
    with pytest.raises(ClaimConflict) as conflict:
        OTHER_CLAIMS(grove)
    assert (conflict.value.holder, conflict.value.claim_id) == ("coder-1", won.claim.claim_id)
    assert grove.audit().violations == ()
    slow.kill()
    other.kill()


def test_a_commit_after_an_abort_is_refused(placement: Placement, undecided: Freeze) -> None:
    zombie = Life(placement, NOW, Schedule(undecided), names="zombie", one_append=False)
    dead = zombie.coordinator.journal.coordinator
    other = Life(placement, NOW, names="other", one_append=False, believed_dead={dead})
    with frozen(zombie, undecided, CODER_CLAIMS) as claiming:
        (holder,) = other.coordinator.journal.unapplied()
        grove = other.open()
        assert grove.recovery.rolled_back == [holder.txid]
        won = OTHER_CLAIMS(grove)
        before = read_at_once(other.coordinator)
        undecided.thaw()
        with pytest.raises(ClaimConflict) as conflict:
            claiming.result()
    assert (conflict.value.holder, conflict.value.claim_id) == ("coder-2", won.claim.claim_id)
    assert zombie.coordinator.journal.outcome(holder.txid) is Decision.ABORT
    assert read_at_once(other.coordinator) == before
    assert grove.audit().violations == ()
    zombie.kill()
    other.kill()


def test_whoever_meets_a_dead_undecided_holder_aborts_it(
    placement: Placement, undecided: Freeze
) -> None:
    zombie = Life(placement, NOW, Schedule(undecided), names="zombie", one_append=False)
    dead = zombie.coordinator.journal.coordinator
    other = Life(placement, NOW, names="other", one_append=False, believed_dead={dead})
    grove = other.open()
    with frozen(zombie, undecided, CODER_CLAIMS) as claiming:
        (holder,) = other.coordinator.journal.unapplied()
        OTHER_CLAIMS(grove)
        assert grove.outcome(holder.txid) == "aborted"
        undecided.thaw()
        with pytest.raises(ClaimConflict):
            claiming.result()
    assert grove.audit().violations == ()
    zombie.kill()
    other.kill()


def test_a_refused_commit_is_planned_anew(placement: Placement, undecided: Freeze) -> None:
    zombie = Life(placement, NOW, Schedule(undecided), names="zombie", one_append=False)
    dead = zombie.coordinator.journal.coordinator
    other = Life(placement, NOW, names="other", one_append=False, believed_dead={dead})
    with frozen(zombie, undecided, CODER_CLAIMS) as claiming:
        (aborted,) = other.open().recovery.rolled_back
        undecided.thaw()
        won: BountyClaimed = claiming.result()
    grove = other.open()
    assert won.txid != aborted
    assert grove.claims.list() == [won.claim]
    assert grove.bounties.list() == [won.bounty]
    assert grove.audit().violations == ()
    zombie.kill()
    other.kill()


@pytest.mark.parametrize("one_append", [True, False], ids=["one append", "two steps"])
def test_the_dead_block_nobody(placement: Placement, one_append: bool) -> None:
    """Another coordinator, opened before, goes on at once, without a recovery."""
    start = placement.save()
    recording = Life(placement, NOW, one_append=one_append)
    CODER_CLAIMS(recording.open())
    recording.kill()
    winners = set()
    for point in crash_points(recording.schedule.effects):
        placement.restore(start)
        other = Life(placement, NOW, names="other", one_append=one_append, patience=0.0)
        grove = other.open()
        victim = Life(placement, NOW, Schedule(point), one_append=one_append)
        with pytest.raises(Crash):
            CODER_CLAIMS(victim.open())
        victim.kill()
        try:
            OTHER_CLAIMS(grove)
            winner = OTHER_CODER
        except ClaimConflict as conflict:
            winner = {CODER.agent_id: CODER}[conflict.holder]
        (bounty,) = grove.bounties.list()
        (claim,) = grove.claims.list()
        assert (bounty.claimed_by, bounty.claim_id, claim.agent) == (winner, claim.claim_id, winner)
        assert grove.audit().violations == (), point
        winners.add(winner.agent_id)
        with closing(grove):
            grove.flush()
    assert winners == {"coder-1", "coder-2"}
