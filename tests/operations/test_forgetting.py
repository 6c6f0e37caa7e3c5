"""Claims and handoffs that ended long ago are deleted; what names them stays whole."""

from pathlib import Path

import pytest

from grove_sm import Agent, Grove, Keep, NotFound, SweepReport
from grove_sm.operations.layout import CLAIMS, COLLECTIONS, CONTRIBUTIONS, HANDOFFS
from grove_sm.operations.plan import Deleted, Get, Write
from tests.groves import CODER, REVIEWER, SPONSOR, TOPOLOGY, Clock, Names, open_files

DAY = 86_400.0
TESTER = Agent(agent_id="tester-1", role="tester")


def forget(grove: Grove, limit: int | None = None) -> SweepReport:
    report = grove.sweep(forget_after=DAY, limit=limit)
    assert report.failures == []
    assert grove.audit().violations == ()
    return report


def left_of(grove: Grove, collection: str) -> list[str]:
    with grove.coordinator.snapshots() as views:
        found = views[collection].scan(collection)
    return [each.record_id for each in found if isinstance(each, Deleted)]


def claim(grove: Grove, target: str) -> str:
    made = grove.claim(target, agent=CODER, intent_summary="i", lease_seconds=10 * DAY)
    return made.claim.claim_id


@pytest.mark.parametrize("end", ["release", "complete"])
@pytest.mark.parametrize(("age", "is_forgotten"), [(DAY, False), (DAY + 0.001, True)])
def test_a_claim_is_forgotten_so_long_after_it_has_ended(
    memory_grove: Grove, clock: Clock, end: str, age: float, is_forgotten: bool
) -> None:
    claim_id = claim(memory_grove, "file:a")
    clock.advance(5 * DAY)
    getattr(memory_grove, end)(claim_id)
    clock.advance(age)
    assert forget(memory_grove).claims_forgotten == [claim_id] * is_forgotten
    assert left_of(memory_grove, CLAIMS) == [claim_id] * is_forgotten
    if is_forgotten:
        with pytest.raises(NotFound, match=f"claim {claim_id} was not found"):
            memory_grove.claims.get(claim_id)
    assert len(memory_grove.claims.list()) == (not is_forgotten)
    assert forget(memory_grove).swept == 0


def test_a_claim_that_ran_out_is_expired_first_and_forgotten_later(
    memory_grove: Grove, clock: Clock
) -> None:
    claim_id = claim(memory_grove, "file:a")
    clock.advance(100 * DAY)
    report = forget(memory_grove)
    assert (report.claims_expired, report.claims_forgotten) == ([claim_id], [])
    clock.advance(DAY + 1)
    assert forget(memory_grove).claims_forgotten == [claim_id]


def test_what_has_not_ended_is_kept_however_old(memory_grove: Grove, clock: Clock) -> None:
    memory_grove.contribute(kind="work", summary="w", agent=CODER)
    picked = memory_grove.pick_up(agent=TESTER, visibility_seconds=100 * DAY)
    assert picked is not None
    memory_grove.acknowledge(picked.handoff.handoff_id)
    memory_grove.claim("file:a", agent=CODER, intent_summary="i", lease_seconds=100 * DAY)
    clock.advance(50 * DAY)
    assert forget(memory_grove).claims_forgotten == [picked.claim.claim_id]
    assert {h.status for h in memory_grove.handoffs.list()} == {"pending_pickup", "processed"}
    assert [c.status for c in memory_grove.claims.list()] == ["active"]


def test_a_handoff_is_forgotten_with_its_deliveries(memory_grove: Grove, clock: Clock) -> None:
    done = memory_grove.contribute(kind="work", summary="w", agent=CODER)
    deliveries = []
    for _ in range(2):
        picked = memory_grove.pick_up(agent=TESTER)
        assert picked is not None
        deliveries.append(picked.claim.claim_id)
        clock.advance(DAY)
        handoff_id = picked.handoff.handoff_id
    memory_grove.dead_letter(handoff_id)
    memory_grove.review(done.cid, summary="r", agent=REVIEWER)
    clock.advance(DAY + 1)
    report = forget(memory_grove)
    assert set(report.handoffs_forgotten) == {handoff_id, *done.handoff_ids}
    assert report.claims_forgotten == []
    assert set(left_of(memory_grove, CLAIMS)) == set(deliveries)
    assert [h.source_cid for h in memory_grove.handoffs.list()] != [done.cid]


def test_a_contribution_made_again_is_answered_as_the_first_time(
    memory_grove: Grove, clock: Clock
) -> None:
    at = "2026-01-01T00:00:00Z"
    work = memory_grove.contribute(kind="work", summary="w", agent=CODER, created_at=at)
    answer = memory_grove.review(work.cid, summary="r", agent=REVIEWER, created_at=at)
    memory_grove.review(work.cid, summary="t", agent=TESTER)
    clock.advance(DAY + 1)
    assert len(forget(memory_grove).handoffs_forgotten) == 2
    again = memory_grove.contribute(kind="work", summary="w", agent=CODER, created_at=at)
    assert again.duplicate
    assert (again.routed_to, again.handoff_ids) == (work.routed_to, work.handoff_ids)
    again = memory_grove.review(work.cid, summary="r", agent=REVIEWER, created_at=at)
    assert again.replied_ids == answer.replied_ids != ()
    assert again.handoff_ids == answer.handoff_ids
    assert memory_grove.audit().ok


def test_a_bounty_outlives_the_claim_that_it_names(memory_grove: Grove, clock: Clock) -> None:
    memory_grove.grant_credits(SPONSOR.agent_id, 100)
    work = memory_grove.contribute(kind="work", summary="w", agent=CODER)
    offer = {"title": "t", "amount": 10, "criteria": {"description": "c"}, "agent": SPONSOR}
    bounties = [
        memory_grove.create_bounty(**offer, deadline="2026-12-31T00:00:00Z").bounty_id  # type: ignore[arg-type]
        for _ in range(3)
    ]
    for bounty_id in bounties:
        memory_grove.claim_bounty(bounty_id, agent=CODER)
    memory_grove.complete_bounty(bounties[0], work.cid)
    memory_grove.settle_bounty(bounties[1], work.cid)
    memory_grove.cancel_bounty(bounties[2], agent=SPONSOR)
    clock.advance(DAY + 1)
    assert len(forget(memory_grove).claims_forgotten) == 3
    memory_grove.settle_bounty(bounties[0])
    assert memory_grove.bounties.get(bounties[1]).claim_id is not None
    assert memory_grove.credits.balance(CODER.agent_id).available == 20
    assert memory_grove.audit().violations == ()


def test_attempts_are_counted_as_far_back_as_claims_are_kept(
    memory_grove: Grove, clock: Clock
) -> None:
    for expected in (0, 1, 2):
        made = memory_grove.claim("file:a", agent=CODER, intent_summary="i").claim
        assert made.attempt_count == expected
        clock.advance(DAY)
    memory_grove.sweep()
    clock.advance(2 * DAY)
    assert len(forget(memory_grove).claims_forgotten) == 3
    assert memory_grove.claim("file:a", agent=CODER, intent_summary="i").claim.attempt_count == 0


def test_a_limit_bounds_what_is_forgotten_and_the_next_sweep_goes_on(
    memory_grove: Grove, clock: Clock
) -> None:
    for number in range(5):
        memory_grove.release(claim(memory_grove, f"file:{number}"))
    clock.advance(2 * DAY)
    found = [forget(memory_grove, limit=2) for _ in range(3)]
    assert [len(report.claims_forgotten) for report in found] == [2, 2, 1]
    assert [report.is_complete for report in found] == [False, False, True]


def test_settings_say_how_long_what_is_kept(clock: Clock, names: Names) -> None:
    stores = dict.fromkeys(COLLECTIONS, "memory://")
    keep = Keep(handoffs=DAY)
    with Grove.open(
        journal="memory://",
        stores=stores,
        topology=TOPOLOGY,
        keep=keep,
        clock=clock,
        random=names,
        background=False,
    ) as grove:
        grove.release(claim(grove, "file:a"))
        done = grove.contribute(kind="work", summary="w", agent=CODER)
        grove.dead_letter(done.handoff_ids[0])
        clock.advance(DAY + 1)
        report = grove.sweep()
        assert report.handoffs_forgotten == [done.handoff_ids[0]]
        assert report.claims_forgotten == []
        assert len(forget(grove).claims_forgotten) == 1


def test_by_default_everything_is_kept(memory_grove: Grove, clock: Clock) -> None:
    memory_grove.release(claim(memory_grove, "file:a"))
    clock.advance(10_000 * DAY)
    assert memory_grove.sweep().swept == 0


def test_nothing_late_brings_a_forgotten_claim_back(file_grove: Grove, clock: Clock) -> None:
    journal = file_grove.coordinator.journal
    claim_id = claim(file_grove, "file:a")
    (holder,) = journal.unfinished()
    entry = journal.load(holder.txid)
    assert entry is not None
    file_grove.release(claim_id)
    clock.advance(DAY + 1)
    assert forget(file_grove).claims_forgotten == [claim_id]
    store = file_grove.coordinator.participants[CLAIMS]
    assert store.apply(entry.txid, entry.members, entry.writes) == ()
    assert store.read(Get(CLAIMS, claim_id)) == ()
    assert file_grove.audit().violations == ()


def test_a_contribution_of_other_software_has_its_forgotten_handoffs(
    memory_grove: Grove, clock: Clock
) -> None:
    """It names none of them as written with it, so that the topology tells which there must be."""
    done = memory_grove.contribute(kind="work", summary="w", agent=CODER)
    store = memory_grove.coordinator.participants[CONTRIBUTIONS]
    (stored,) = store.read(Get(CONTRIBUTIONS, done.cid))
    foreign = Write(CONTRIBUTIONS, done.cid, 1, stored.document)
    assert store.apply("somebody", "[]", [foreign]) == ()
    for handoff_id in done.handoff_ids:
        memory_grove.dead_letter(handoff_id)
    clock.advance(DAY + 1)
    assert len(forget(memory_grove).handoffs_forgotten) == 2


def test_what_is_forgotten_stays_so_after_a_restart(
    tmp_path: Path, clock: Clock, names: Names
) -> None:
    with open_files(tmp_path, clock, names) as grove:
        claim_id = claim(grove, "file:a")
        grove.release(claim_id)
        clock.advance(DAY + 1)
        assert forget(grove).claims_forgotten == [claim_id]
        grove.abandon()
    with open_files(tmp_path, clock, names) as grove:
        assert grove.recovery.in_doubt == []
        assert grove.claims.list() == []
        assert grove.audit().violations == ()


@pytest.mark.parametrize("collection", [CLAIMS, HANDOFFS])
def test_a_forgotten_record_that_was_lost_is_missed(
    memory_grove: Grove, clock: Clock, collection: str
) -> None:
    """What is left of it is what the audit goes by."""
    memory_grove.release(claim(memory_grove, "file:a"))
    done = memory_grove.contribute(kind="work", summary="w", agent=CODER)
    memory_grove.dead_letter(done.handoff_ids[0])
    clock.advance(DAY + 1)
    forget(memory_grove)
    (gone,) = left_of(memory_grove, collection)
    store = memory_grove.coordinator.participants[collection]
    del store._tables[collection][gone]  # type: ignore[attr-defined]
    rules = {violation.rule for violation in memory_grove.audit().violations}
    assert rules & {"an operation is whole", "what was committed is there"}
