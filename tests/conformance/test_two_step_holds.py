"""What every kind of journal keeps of `Hold` where keys and decision are two steps."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from grove_sm.commit.contract import Holder, Journal
from grove_sm.commit.machine import Decision

from .places import OpenJournal, entry, idempotency_key, write

LATER = "2026-01-02T12:00:00.000Z"


def test_the_keys_are_held_from_the_beginning(open_journal: OpenJournal) -> None:
    journal, other = open_journal(), open_journal()
    made = entry(journal, "a", keys=("k1", "k2"), writes=(write("c1"),))
    with journal.hold(made, one_append=False) as hold:
        assert hold.refused_by == ()
        for reader in (journal, other):
            (holder,) = reader.unapplied()
            assert holder == Holder(
                made.txid,
                journal.coordinator,
                "planned",
                frozenset({"k1", "k2"}),
                frozenset({("claims", "c1")}),
            )
            assert reader.unfinished() == (holder,)
            assert reader.load(made.txid) is None
            assert reader.outcome(made.txid) is None
        hold.decide(Decision.COMMIT)
    assert hold.decision is Decision.COMMIT
    for reader in (journal, other):
        (holder,) = reader.unapplied()
        assert (holder.txid, holder.state) == (made.txid, "committed")
        assert reader.load(made.txid) == made
        assert reader.outcome(made.txid) is Decision.COMMIT


@pytest.mark.parametrize("second_in_one_append", [True, False])
def test_undecided_keys_are_refused_to_others(
    open_journal: OpenJournal, second_in_one_append: bool
) -> None:
    journal, other = open_journal(), open_journal()
    made = entry(journal, "a", keys=("k",))
    with journal.hold(made, one_append=False) as hold:
        refused = entry(other, "b", keys=("k", "l"))
        with other.hold(refused, one_append=second_in_one_append) as second:
            assert [h.txid for h in second.refused_by] == [made.txid]
        assert second.decision is Decision.ABORT
        assert [h.txid for h in journal.unapplied()] == [made.txid]
        free = entry(other, "c", keys=("l",))
        with other.hold(free, one_append=second_in_one_append) as third:
            third.decide(Decision.COMMIT)
        assert third.decision is Decision.COMMIT
        hold.decide(Decision.COMMIT)
    assert hold.decision is Decision.COMMIT


@pytest.mark.parametrize("asked", [Decision.ABORT, None])
def test_without_a_commit_it_is_aborted(open_journal: OpenJournal, asked: Decision | None) -> None:
    journal, other = open_journal(), open_journal()
    made = entry(journal, "a", idempotency=idempotency_key("k", expires_at=LATER))
    with journal.hold(made, one_append=False) as hold:
        if asked:
            hold.decide(asked)
    assert hold.decision is Decision.ABORT
    for reader in (journal, other):
        assert reader.unfinished() == ()
        assert reader.load(made.txid) is None
        assert reader.outcome(made.txid) is Decision.ABORT
        assert reader.recall("idempotency:10:role:coder:k", made.created_at) is None


def test_a_block_that_raises_aborts(journal: Journal) -> None:
    made = entry(journal, "a")

    def decide_and_raise() -> None:
        with journal.hold(made, one_append=False) as hold:
            hold.decide(Decision.COMMIT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        decide_and_raise()
    assert journal.unfinished() == ()
    assert journal.outcome(made.txid) is Decision.ABORT


def test_who_was_aborted_meanwhile_cannot_commit(open_journal: OpenJournal) -> None:
    journal, other = open_journal(), open_journal()
    key = idempotency_key("k", expires_at=LATER)
    made = entry(journal, "a", keys=("k",), idempotency=key)
    with journal.hold(made, one_append=False) as hold:
        assert other.abort(made.txid) is Decision.ABORT
        successor = entry(other, "b", keys=("k",))
        with other.hold(successor, one_append=True) as second:
            assert second.refused_by == ()
            second.decide(Decision.COMMIT)
        hold.decide(Decision.COMMIT)
    assert hold.decision is Decision.ABORT
    for reader in (journal, other):
        assert [h.txid for h in reader.unfinished()] == [successor.txid]
        assert reader.outcome(made.txid) is Decision.ABORT
        assert reader.abort(made.txid) is Decision.ABORT
        assert reader.recall(key.record_id, made.created_at) is None


def test_of_commit_and_abort_at_once_everyone_learns_the_same(open_journal: OpenJournal) -> None:
    journal, other = open_journal(), open_journal()
    seen = set()
    for number in range(20):
        made = entry(journal, f"{number}", keys=(f"k{number}",))
        start = threading.Barrier(2)

        def abort(txid: str = made.txid, start: threading.Barrier = start) -> Decision:
            start.wait()
            return other.abort(txid)

        with ThreadPoolExecutor(1) as pool:
            with journal.hold(made, one_append=False) as hold:
                aborting = pool.submit(abort)
                hold.decide(Decision.COMMIT)
                start.wait()
            assert aborting.result() is hold.decision
        assert journal.outcome(made.txid) is other.outcome(made.txid) is hold.decision
        seen.add(hold.decision)
    assert seen <= set(Decision)


def test_undecided_keys_outlive_their_coordinator_until_aborted(
    open_journal: OpenJournal,
) -> None:
    keeper, journal = open_journal(), open_journal()
    made = entry(journal, "a", keys=("k",))
    holding = journal.hold(made, one_append=False)
    holding.__enter__()
    journal.close()
    (holder,) = keeper.unapplied()
    assert (holder.txid, holder.state) == (made.txid, "planned")
    assert not keeper.is_alive(holder.coordinator)
    assert keeper.abort(made.txid) is Decision.ABORT
    assert keeper.unapplied() == ()
    assert keeper.unfinished() == ()


def test_what_was_recorded_under_the_key_is_told(open_journal: OpenJournal) -> None:
    journal, other = open_journal(), open_journal()
    key = idempotency_key("k", expires_at=LATER)
    made = entry(journal, "a", idempotency=key)
    with journal.hold(made, one_append=False) as hold:
        hold.decide(Decision.COMMIT)
    journal.release(made.txid)
    journal.flush()
    with other.hold(entry(other, "b", idempotency=key), one_append=False) as second:
        assert second.refused_by == ()
        assert second.recorded == (made.txid, key.fields, made.result)
    assert second.decision is Decision.ABORT
    assert len(journal.history(9)) == 1


def test_aborted_history_is_forgotten_too(journal: Journal) -> None:
    made = entry(journal, "a")
    with journal.hold(made, one_append=False):
        pass
    assert [state for _, state, _ in journal.history(9)] == ["aborted"]
    journal.forget("2026-02-01T12:00:00.000Z")
    assert journal.history(9) == ()
