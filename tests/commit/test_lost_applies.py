"""A power cut leaves marks in the journal of applies that the stores have lost."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from grove_sm import Corrupt, Grove, StoreUnavailable
from grove_sm.commit.coordinator import Coordinator
from grove_sm.operations.plan import Find
from tests.groves import CODER, REVIEWER, SPONSOR, Clock, Names, open_files, open_parts

from .hindered import Hindered


def applied_and_dead(grove: Grove) -> None:
    """Its coordinator dies; the journal says that all of it has been applied."""
    grove.coordinator.journal.flush()
    grove.abandon()


def lose(folder: Path, *collections: str) -> None:
    """The power was cut before these stores had been forced."""
    for name in collections:
        for path in folder.glob(f"{name}.db*"):
            path.unlink()


def marks(folder: Path) -> list[str]:
    """The state of each transaction in the journal's file, in commit order."""
    with closing(sqlite3.connect(folder / "journal.db")) as connection:
        return [state for (state,) in connection.execute("SELECT state FROM transactions")]


@pytest.mark.parametrize("lost", ["contributions", "handoffs"])
def test_what_cannot_be_applied_again_is_withheld_until_it_can(
    hindered: Hindered, tmp_path: Path, clock: Clock, names: Names, lost: str
) -> None:
    dead = hindered.open()
    done = dead.contribute(kind="work", summary="a", agent=CODER)
    dead.grant_credits(SPONSOR.agent_id, 5)
    applied_and_dead(dead)
    lose(tmp_path, lost)
    grove = hindered.open(unwritable=lost)
    read: dict[str, Callable[[], object]] = {
        "contributions": grove.contributions.list,
        "handoffs": grove.handoffs.list,
    }

    assert grove.recovery.in_doubt == [done.txid]
    assert txids(grove) == [done.txid]
    with pytest.raises(StoreUnavailable) as caught:
        read.pop(lost)()
    assert caught.value.store == hindered.stores[lost].name
    with pytest.raises(StoreUnavailable):
        grove.audit()
    with pytest.raises(StoreUnavailable):
        grove.review(done.cid, summary="r", agent=REVIEWER)
    # What was not lost is there, and what was never touched can be changed.
    for untouched in read.values():
        untouched()
    assert grove.grant_credits(SPONSOR.agent_id, 2).available == 7

    # To another process the store is well: it does what recovery could not.
    other = open_files(tmp_path, clock, names)
    hindered.groves.append(other)
    assert other.recovery.in_doubt == []
    assert other.contributions.get(done.cid) == done.contribution
    assert len(other.handoffs.list(source_cid=done.cid)) == 2
    assert other.audit().ok

    hindered.stores[lost].cannot_apply = False
    assert grove.recover().in_doubt == []
    assert txids(grove) == []
    assert grove.contributions.get(done.cid) == done.contribution
    assert len(grove.handoffs.list(source_cid=done.cid)) == 2
    assert grove.audit().ok


def txids(grove: Grove) -> list[str]:
    """Whoever holds keys."""
    return [holder.txid for holder in grove.coordinator.journal.unapplied()]


def test_what_was_lost_is_applied_in_the_order_in_which_it_was_committed(
    hindered: Hindered, tmp_path: Path, clock: Clock
) -> None:
    """Each changes the same account; ids, which go by the clock, are in another order."""
    dead = hindered.open()
    for amount in (1, 2, 4):
        dead.grant_credits(SPONSOR.agent_id, amount)
        clock.advance(-60)
    applied_and_dead(dead)
    lose(tmp_path, "credits")
    grove = hindered.open(unwritable="credits")
    assert len(grove.recovery.in_doubt) == 3
    store = hindered.stores["credits"]
    store.cannot_apply = False
    assert grove.credits.balance(SPONSOR.agent_id).available == 7
    assert store.applied == grove.recovery.in_doubt
    assert grove.grant_credits(SPONSOR.agent_id, 8).available == 15
    assert grove.coordinator.journal.heuristics() == ()
    assert grove.audit().ok


def test_a_store_that_comes_back_half_way_skips_nothing(
    hindered: Hindered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later change of a record must not be applied where an earlier one was missed."""
    dead = hindered.open()
    for amount in (1, 2, 4):
        dead.grant_credits(SPONSOR.agent_id, amount)
    dead.claim("file:a", agent=CODER, intent_summary="mine")
    applied_and_dead(dead)
    lose(tmp_path, "credits", "claims")
    failing = iter([True])
    cannot_apply = property(lambda store: "credits" in store.name and next(failing, False))
    monkeypatch.setattr("tests.commit.hindered.HinderedStore.cannot_apply", cannot_apply)
    grove = hindered.open()
    assert len(grove.recovery.in_doubt) == 3
    assert len(grove.recovery.rolled_forward) == 1
    assert len(grove.recover().rolled_forward) == 3
    assert grove.credits.balance(SPONSOR.agent_id).available == 7
    assert grove.coordinator.journal.heuristics() == ()
    assert grove.audit().ok


def test_a_reader_of_one_record_has_applied_what_another_builds_on(
    hindered: Hindered, tmp_path: Path
) -> None:
    """The bounty was made by what also changed the account; the account was made before."""
    dead = hindered.open()
    dead.grant_credits(SPONSOR.agent_id, 100)
    bounty = dead.create_bounty(title="t", amount=60, criteria={"description": "d"}, agent=SPONSOR)
    applied_and_dead(dead)
    lose(tmp_path, "credits", "bounties")
    grove = hindered.open(unwritable="credits")
    hindered.stores["credits"].cannot_apply = False
    assert grove.bounties.get(bounty.bounty_id) == bounty
    assert txids(grove) == []
    assert grove.credits.balance(SPONSOR.agent_id).reserved == 60
    assert grove.coordinator.journal.heuristics() == ()
    assert grove.audit().ok


def test_no_reader_sees_a_part_before_the_first_has_recovered(
    tmp_path: Path, clock: Clock, names: Names
) -> None:
    """The first to open the journal has not begun to recover; another one opens, and reads."""
    dead = open_files(tmp_path, clock, names)
    done = dead.contribute(kind="work", summary="a", agent=CODER)
    applied_and_dead(dead)
    lose(tmp_path, "handoffs")
    journals = []
    for _ in range(2):
        journal, stores = open_parts(tmp_path)
        journals.append(journal)
        coordinator = Coordinator(journal, stores, clock=clock, random=names)
    assert [h.state for h in journals[0].unapplied()] == ["committed"]
    found = coordinator.read(Find("handoffs", (("sourceCid", done.cid),)))
    assert {stored.record_id for stored in found} == set(done.handoff_ids)
    for journal in journals:
        journal.close()
    for store in stores.values():
        store.close()


def test_where_somebody_lived_on_marks_are_believed(
    hindered: Hindered, tmp_path: Path, clock: Clock, names: Names
) -> None:
    """One process died and the power stayed on: what it applied need only be forced."""
    with open_files(tmp_path, clock, names) as survivor:
        dead = open_files(tmp_path, clock, names)
        dead.contribute(kind="work", summary="a", agent=CODER)
        applied_and_dead(dead)
        assert marks(tmp_path) == ["applied"]
        grove = hindered.open(unwritable="handoffs")
        assert txids(grove) == txids(survivor) == []
        assert grove.recovery.in_doubt == grove.recovery.rolled_forward == []
        assert all(store.applied == [] for store in hindered.stores.values())
        assert marks(tmp_path) == ["finished"]
        assert len(grove.handoffs.list()) == 2


@pytest.mark.parametrize("damage", ["redo = 'x'", "head = 'x', redo = 'x'"], ids=["redo", "both"])
def test_nothing_is_applied_in_place_of_what_a_damaged_record_wrote(
    hindered: Hindered, tmp_path: Path, damage: str
) -> None:
    """Later changes of the same account wait; the claim has nothing to wait for."""
    dead = hindered.open()
    for amount in (1, 2, 4):
        dead.grant_credits(SPONSOR.agent_id, amount)
    claimed = dead.claim("file:a", agent=CODER, intent_summary="mine")
    applied_and_dead(dead)
    lose(tmp_path, "credits", "claims")
    with closing(sqlite3.connect(tmp_path / "journal.db")) as connection, connection:
        connection.execute(f"UPDATE transactions SET {damage} WHERE seq = 2")
    grove = hindered.open()
    first, last = grove.recovery.rolled_forward
    assert last == claimed.txid
    assert len(grove.recovery.in_doubt) == 2
    assert len(grove.recovery.corrupt) == 1
    assert hindered.stores["credits"].applied == [first]
    assert hindered.stores["claims"].applied == [last]
    assert grove.coordinator.journal.heuristics() == ()
    with pytest.raises(Corrupt):
        grove.credits.balance(SPONSOR.agent_id)
    with pytest.raises(Corrupt):
        grove.grant_credits(SPONSOR.agent_id, 8)
