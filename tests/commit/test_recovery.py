"""Recovery: from the journal alone, any number of times, beside anybody."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from grove_sm import Contributed, Grove, RecoveryReport, StoreUnavailable
from grove_sm.commit.record import make_entry
from grove_sm.commit.txid import make_txid
from grove_sm.operations.plan import Plan
from tests.groves import CODER, NOW, REVIEWER, SPONSOR, START, Clock, Names, open_files

from .hindered import Hindered

NOTHING = RecoveryReport()


def contribute(grove: Grove, *summaries: str) -> list[Contributed]:
    return [grove.contribute(kind="work", summary=s, agent=CODER) for s in summaries]


def leave_committed(grove: Grove, *summaries: str) -> list[Contributed]:
    """Committed and applied nowhere."""
    grove.coordinator.applier.lag = 1000
    return contribute(grove, *summaries)


def leave_planned(grove: Grove, key: str) -> str:
    """Keys held, and no decision."""
    journal = grove.coordinator.journal
    entry = make_entry(
        Plan("test", (), (), (key,), {}),
        txid=make_txid(START, journal.coordinator, "planned"),
        coordinator=journal.coordinator,
        created_at=NOW,
    )
    journal.hold(entry, one_append=False).__enter__()
    return entry.txid


def txids(done: list[Contributed]) -> list[str]:
    return [d.txid for d in done]


def test_a_new_grove_has_nothing_to_recover(file_grove: Grove) -> None:
    assert file_grove.recovery == file_grove.recover() == NOTHING


def test_what_a_dead_coordinator_left_is_ended_in_commit_order(
    tmp_path: Path, clock: Clock, names: Names
) -> None:
    dead = open_files(tmp_path, clock, names)
    done = leave_committed(dead, "c", "a", "b")
    planned = leave_planned(dead, "k")
    dead.abandon()
    with open_files(tmp_path, clock, names) as grove:
        assert grove.recovery == RecoveryReport(
            rolled_forward=txids(done), rolled_back=[planned], in_doubt=[], corrupt=[]
        )
        assert grove.recover() == NOTHING
        assert grove.coordinator.journal.unfinished() == ()
        for d in done:
            assert grove.contributions.get(d.cid) == d.contribution
            assert grove.outcome(d.txid) == "committed"
        assert grove.outcome(planned) == "aborted"
        assert grove.audit().ok
    with open_files(tmp_path, clock, names) as again:
        assert again.recovery == NOTHING


def test_a_live_coordinator_is_left_alone_until_it_dies(
    tmp_path: Path, clock: Clock, names: Names
) -> None:
    alive = open_files(tmp_path, clock, names)
    done = leave_committed(alive, "a", "b")
    planned = leave_planned(alive, "k")
    with open_files(tmp_path, clock, names) as grove:
        assert grove.recovery == grove.recover() == NOTHING
        assert len(grove.coordinator.journal.unfinished()) == 3
        assert grove.outcome(planned) == "undecided"
        alive.abandon()
        assert grove.recover() == RecoveryReport(rolled_forward=txids(done), rolled_back=[planned])
        assert grove.audit().ok


def test_readers_before_recovery_see_all_of_it(tmp_path: Path, clock: Clock, names: Names) -> None:
    with open_files(tmp_path, clock, names) as reader:
        dead = open_files(tmp_path, clock, names)
        (done,) = leave_committed(dead, "a")
        dead.abandon()
        assert len(reader.handoffs.list(source_cid=done.cid)) == 2
        assert reader.contributions.get(done.cid) == done.contribution
        assert reader.audit().ok


def test_what_was_applied_but_never_forced_is_applied_again(
    tmp_path: Path, clock: Clock, names: Names
) -> None:
    """The power is cut: the marks in the journal outlived the writes in the stores."""
    dead = open_files(tmp_path, clock, names)
    done = contribute(dead, "a", "b")
    dead.grant_credits("sponsor-1", 5)
    dead.grant_credits("sponsor-1", 7)
    dead.coordinator.journal.flush()
    dead.abandon()
    for name in ("contributions", "credits"):
        (tmp_path / f"{name}.db").unlink()
        (tmp_path / f"{name}.db-wal").unlink(missing_ok=True)
    with open_files(tmp_path, clock, names) as grove:
        assert {c.cid for c in grove.contributions.list()} == {d.cid for d in done}
        assert grove.credits.balance("sponsor-1").available == 12
        assert grove.audit().ok
        assert grove.coordinator.journal.unfinished() == ()


def test_recoveries_at_once_do_it_once(tmp_path: Path, clock: Clock, names: Names) -> None:
    dead = open_files(tmp_path, clock, names)
    done = leave_committed(dead, *(f"{n}" for n in range(10)))
    groves = [open_files(tmp_path, clock, names) for _ in range(4)]
    dead.abandon()
    with ThreadPoolExecutor(len(groves)) as pool:
        reports = list(pool.map(Grove.recover, groves))
    assert {txid for report in reports for txid in report.rolled_forward} == set(txids(done))
    assert all(report.in_doubt == report.rolled_back == [] for report in reports)
    for grove in groves:
        assert len(grove.contributions.list()) == len(done)
        assert grove.audit().ok
        grove.close()
    with open_files(tmp_path, clock, names) as again:
        assert again.recovery == NOTHING
        assert again.coordinator.journal.unfinished() == ()


def test_a_store_that_is_down_keeps_only_what_it_needs(hindered: Hindered) -> None:
    dead = hindered.open()
    done = leave_committed(dead, "a")
    dead.grant_credits(SPONSOR.agent_id, 5)
    dead.abandon()
    grove = hindered.reopen_down("handoffs")
    hindered.stores["handoffs"].down = True
    grove.recover()
    report = grove.recover()
    assert report.in_doubt == txids(done)
    assert grove.credits.balance(SPONSOR.agent_id).available == 5
    assert grove.claim("file:a", agent=REVIEWER, intent_summary="look").renewed is False
    # Its contribution can be seen: the other store's part is nobody's to see yet.
    assert grove.contributions.get(done[0].cid) == done[0].contribution
    with pytest.raises(StoreUnavailable) as caught:
        grove.handoffs.list(source_cid=done[0].cid)
    assert caught.value.store == hindered.stores["handoffs"].name
    with pytest.raises(StoreUnavailable):
        grove.contribute(
            kind="review",
            summary="r",
            agent=REVIEWER,
            relations=[{"targetCid": done[0].cid, "relationType": "reviews"}],
        )
    hindered.stores["handoffs"].down = False
    assert grove.recover().rolled_forward == txids(done)
    assert len(grove.handoffs.list(source_cid=done[0].cid)) == 2
    assert grove.audit().ok


def test_a_process_recovers_what_it_could_not_apply_itself(hindered: Hindered) -> None:
    grove = hindered.open()
    hindered.stores["handoffs"].goes_down = True
    (done,) = contribute(grove, "a")
    assert grove.recover().in_doubt == [done.txid]
    store = hindered.stores["handoffs"]
    store.goes_down = store.down = False
    assert grove.recover().rolled_forward == [done.txid]
    assert grove.recover() == NOTHING


def give_up_undecided(hindered: Hindered, grove: Grove) -> str:
    """A claim in two steps whose journal fails after it holds the keys; answers its txid."""
    hindered.stores["claims"].local = False
    hindered.journal.cannot_decide = True
    with pytest.raises(StoreUnavailable):
        grove.claim("file:a", agent=CODER, intent_summary="mine")
    hindered.journal.cannot_decide = False
    (holder,) = grove.coordinator.journal.unapplied()
    assert holder.state == "planned"
    return holder.txid


def test_keys_of_what_was_given_up_are_free_again(hindered: Hindered) -> None:
    grove = hindered.open()
    txid = give_up_undecided(hindered, grove)
    assert not grove.claim("file:a", agent=CODER, intent_summary="again").renewed
    assert grove.outcome(txid) == "aborted"
    assert grove.audit().ok


def test_a_process_recovers_what_it_gave_up(hindered: Hindered) -> None:
    grove = hindered.open()
    txid = give_up_undecided(hindered, grove)
    assert grove.recover() == RecoveryReport(rolled_back=[txid])
    assert grove.recover() == NOTHING


def test_a_process_leaves_what_it_is_at_work_on(hindered: Hindered) -> None:
    grove = hindered.open()
    hindered.stores["claims"].local = False
    found = []
    hindered.stores["claims"].on_validate = lambda: found.append(grove.recover())
    grove.claim("file:a", agent=CODER, intent_summary="mine")
    assert found == [NOTHING]


def test_keys_of_what_another_finished_are_free_again(
    hindered: Hindered, tmp_path: Path, clock: Clock, names: Names
) -> None:
    grove = hindered.open()
    hindered.stores["claims"].goes_down = True
    grove.claim("file:a", agent=CODER, intent_summary="mine")
    with open_files(tmp_path, clock, names) as other:
        assert len(other.claims.list(target_ref="file:a")) == 1
        other.flush()
    store = hindered.stores["claims"]
    store.goes_down = store.down = False
    assert grove.claim("file:a", agent=CODER, intent_summary="mine").renewed
    assert grove.audit().ok


def test_a_dead_undecided_holder_keeps_nobody_waiting(
    tmp_path: Path, clock: Clock, names: Names
) -> None:
    with open_files(tmp_path, clock, names, patience=30) as grove:
        dead = open_files(tmp_path, clock, names)
        planned = leave_planned(dead, "target:file:a")
        dead.abandon()
        assert grove.claim("file:a", agent=CODER, intent_summary="mine").renewed is False
        assert grove.outcome(planned) == "aborted"
