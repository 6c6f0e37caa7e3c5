"""What every kind of journal keeps: the sentences of `Journal`, and of `Hold` in one append."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from grove_sm.commit.contract import Holder, Journal
from grove_sm.commit.machine import Decision
from grove_sm.commit.txid import make_txid
from grove_sm.domain.errors import StoreUnavailable, ValidationError
from grove_sm.operations.plan import Find, Get
from tests.groves import NOW, START

from .places import OpenJournal, commit, entry, finish, idempotency_key, txids, write

LATER = "2026-01-02T12:00:00.000Z"


# coordinators


def test_each_opener_is_another_coordinator(open_journal: OpenJournal) -> None:
    journals = [open_journal() for _ in range(3)]
    assert len({journal.coordinator for journal in journals}) == 3
    assert len({journal.name for journal in journals}) == 1


def test_a_number_is_never_used_again(open_journal: OpenJournal) -> None:
    used = set()
    for _ in range(5):
        journal = open_journal()
        assert journal.coordinator not in used
        used.add(journal.coordinator)
        journal.close()


def test_a_coordinator_lives_until_it_closes(open_journal: OpenJournal) -> None:
    first, second = open_journal(), open_journal()
    for journal in (first, second):
        assert journal.is_alive(first.coordinator)
        assert journal.is_alive(second.coordinator)
        assert journal.has_company()
    second.close()
    assert not first.is_alive(second.coordinator)
    assert first.is_alive(first.coordinator)
    assert not first.has_company()


def test_nobody_lives_under_a_number_that_was_never_given(journal: Journal) -> None:
    assert not journal.is_alive(journal.coordinator + 1)


# one append


def test_a_commit_is_recorded_whole(open_journal: OpenJournal) -> None:
    journal, other = open_journal(), open_journal()
    key = idempotency_key("k", expires_at=LATER)
    made = commit(
        journal, entry(journal, "a", writes=(write("c1"), write("c2", 3)), idempotency=key)
    )
    for reader in (journal, other):
        assert reader.load(made.txid) == made
        assert reader.outcome(made.txid) is Decision.COMMIT
        (holder,) = reader.unapplied()
        assert holder == Holder(
            made.txid,
            journal.coordinator,
            "committed",
            frozenset(made.keys),
            frozenset({("claims", "c1"), ("claims", "c2")}),
        )
        assert reader.unfinished() == (holder,)


def test_a_commit_survives_the_death_of_its_coordinator(open_journal: OpenJournal) -> None:
    keeper, journal = open_journal(), open_journal()
    made = commit(journal, entry(journal, "a"))
    journal.close()
    again = open_journal()
    for reader in (keeper, again):
        assert txids(reader.unapplied()) == [made.txid]
        assert reader.load(made.txid) == made


@pytest.mark.parametrize("asked", [Decision.ABORT, None])
def test_without_a_commit_nothing_is_recorded(journal: Journal, asked: Decision | None) -> None:
    made = entry(journal, "a", idempotency=idempotency_key("k", expires_at=LATER))
    with journal.hold(made, one_append=True) as hold:
        if asked:
            hold.decide(asked)
    assert hold.decision is Decision.ABORT
    assert journal.unfinished() == ()
    assert journal.load(made.txid) is None
    assert journal.outcome(made.txid) is Decision.ABORT
    assert journal.recall("idempotency:10:role:coder:k", NOW) is None
    commit(journal, entry(journal, "b", keys=made.keys))


def test_a_block_that_raises_aborts(journal: Journal) -> None:
    made = entry(journal, "a")

    def decide_and_raise() -> None:
        with journal.hold(made, one_append=True) as hold:
            hold.decide(Decision.COMMIT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        decide_and_raise()
    assert journal.unfinished() == ()
    assert journal.outcome(made.txid) is Decision.ABORT
    commit(journal, entry(journal, "b", keys=made.keys))


def test_held_keys_are_refused_until_they_are_let_go(open_journal: OpenJournal) -> None:
    journal, other = open_journal(), open_journal()
    held = commit(journal, entry(journal, "a", keys=("k1", "k2")))
    for asker in (journal, other):
        with asker.hold(entry(asker, "b", keys=("k2", "k3")), one_append=True) as hold:
            assert txids(hold.refused_by) == [held.txid]
        assert hold.decision is Decision.ABORT
        commit(asker, entry(asker, "free", keys=(f"k{asker.coordinator + 3}",)))
    finish(journal, held)
    commit(other, entry(other, "b", keys=("k2", "k3")))


def test_everyone_who_holds_a_key_is_named(journal: Journal) -> None:
    made = [commit(journal, entry(journal, name, keys=(name,))) for name in "abc"]
    with journal.hold(entry(journal, "d", keys=("a", "c", "d")), one_append=True) as hold:
        assert txids(hold.refused_by) == [made[0].txid, made[2].txid]


def test_no_other_decision_is_made_while_the_block_lasts(open_journal: OpenJournal) -> None:
    first, second = open_journal(), open_journal()
    order: list[str] = []
    inside = threading.Event()

    def decide_second() -> None:
        inside.wait()
        with second.hold(entry(second, "b", keys=("k",)), one_append=True) as hold:
            order.append("second")
            assert txids(hold.refused_by) == [made.txid]

    made = entry(first, "a", keys=("k",))
    with ThreadPoolExecutor(1) as pool:
        deciding = pool.submit(decide_second)
        with first.hold(made, one_append=True) as hold:
            inside.set()
            assert not threading.Event().wait(0.05)
            order.append("first")
            hold.decide(Decision.COMMIT)
        deciding.result()
    assert order == ["first", "second"]


# from commit to finish


def test_release_counts_at_once_here_and_after_a_flush_everywhere(
    open_journal: OpenJournal,
) -> None:
    journal, other = open_journal(), open_journal()
    made = commit(journal, entry(journal, "a"))
    journal.release(made.txid)
    assert journal.unapplied() == ()
    (holder,) = journal.unfinished()
    assert (holder.txid, holder.state) == (made.txid, "applied")
    journal.flush()
    assert other.unapplied() == ()
    (holder,) = other.unfinished()
    assert (holder.txid, holder.state) == (made.txid, "applied")
    assert other.load(made.txid) == made
    commit(other, entry(other, "b", keys=made.keys))


def test_anyone_may_finish_what_another_committed(open_journal: OpenJournal) -> None:
    journal, other = open_journal(), open_journal()
    made = commit(journal, entry(journal, "a"))
    finish(other, made)
    assert other.unapplied() == ()
    # Who committed it may learn so only when it looks the transaction up.
    assert journal.load(made.txid) is None
    assert journal.unapplied() == ()
    commit(journal, entry(journal, "b", keys=made.keys))


def test_releasing_twice_or_late_is_harmless(open_journal: OpenJournal) -> None:
    journal, other = open_journal(), open_journal()
    made = commit(journal, entry(journal, "a"))
    finish(journal, made)
    for anyone in (journal, other):
        anyone.release(made.txid)
        anyone.release("tx-000000000001-9-never")
        anyone.flush()
        anyone.finish([made.txid, "tx-000000000001-9-never"])
    assert journal.unfinished() == ()
    assert journal.outcome(made.txid) is Decision.COMMIT


def test_finishing_drops_the_redo_and_keeps_the_outcome(open_journal: OpenJournal) -> None:
    journal, other = open_journal(), open_journal()
    made = commit(journal, entry(journal, "a"))
    finish(journal, made)
    for reader in (journal, other):
        assert reader.load(made.txid) is None
        assert reader.unfinished() == ()
        assert reader.outcome(made.txid) is Decision.COMMIT
        assert reader.abort(made.txid) is Decision.COMMIT


def test_what_is_not_applied_is_not_finished(journal: Journal) -> None:
    made = commit(journal, entry(journal, "a"))
    journal.finish([made.txid])
    assert journal.load(made.txid) == made
    assert txids(journal.unapplied()) == [made.txid]


def test_unfinished_ones_come_in_commit_order(open_journal: OpenJournal) -> None:
    journals = [open_journal() for _ in range(3)]
    made = [
        commit(journals[number % 3], entry(journals[number % 3], name))
        for number, name in enumerate("zaybxc")
    ]
    journals[0].release(made[0].txid)
    journals[0].flush()
    for reader in journals:
        assert txids(reader.unfinished()) == [e.txid for e in made]
        assert set(txids(reader.unapplied())) == {e.txid for e in made[1:]}


def test_a_committed_transaction_cannot_be_aborted(open_journal: OpenJournal) -> None:
    journal, other = open_journal(), open_journal()
    made = commit(journal, entry(journal, "a"))
    assert other.abort(made.txid) is Decision.COMMIT
    assert other.load(made.txid) == made


def test_an_unknown_transaction_is_aborted(journal: Journal) -> None:
    txid = make_txid(START, 99, "never")
    assert journal.abort(txid) is Decision.ABORT
    assert journal.outcome(txid) is Decision.ABORT
    assert journal.load(txid) is None


def test_the_outcome_of_what_is_no_transaction_is_refused(journal: Journal) -> None:
    with pytest.raises(ValidationError) as caught:
        journal.outcome("nonsense")
    assert caught.value.field == "txid"


def test_an_unrecorded_transaction_of_a_live_coordinator_is_undecided(
    open_journal: OpenJournal,
) -> None:
    journal, other = open_journal(), open_journal()
    txid = entry(other, "maybe").txid
    assert journal.outcome(txid) is None
    other.close()
    assert journal.outcome(txid) is Decision.ABORT


def test_a_holder_touches_what_it_writes(journal: Journal) -> None:
    commit(journal, entry(journal, "a", writes=(write("c1"), write("b1", collection="bounties"))))
    (holder,) = journal.unapplied()
    assert holder.touches(Get("claims", "c1"))
    assert not holder.touches(Get("claims", "c2"))
    assert not holder.touches(Get("credits", "c1"))
    assert holder.touches(Find("claims", (("status", "x"),)))
    assert not holder.touches(Find("credits", ()))


def test_the_newest_come_first_in_the_history(open_journal: OpenJournal) -> None:
    journal, other = open_journal(), open_journal()
    made = [commit(journal, entry(journal, name)) for name in "abc"]
    finish(journal, made[0])
    found = other.history(2)
    assert [(txid, state) for txid, state, _ in found] == [
        (made[2].txid, "committed"),
        (made[1].txid, "committed"),
    ]
    (*_, (txid, state, head)) = other.history(9)
    assert (txid, state) == (made[0].txid, "finished")
    assert head == made[0]._replace(writes=(), result={}, idempotency=None)


# housekeeping and closing


def test_flushing_and_trimming_change_nothing_that_is_seen(journal: Journal) -> None:
    made = [commit(journal, entry(journal, name)) for name in "abc"]
    finish(journal, made[0])
    before = journal.unfinished(), journal.history(9)
    for _ in range(2):
        journal.flush()
        journal.trim()
        journal.finish([])
    assert (journal.unfinished(), journal.history(9)) == before


def test_a_closed_journal_says_so(open_journal: OpenJournal) -> None:
    keeper, journal = open_journal(), open_journal()
    made = commit(journal, entry(journal, "a"))
    journal.close()
    journal.close()
    for use in (journal.unapplied, journal.unfinished, lambda: journal.load(made.txid)):
        with pytest.raises(StoreUnavailable) as caught:
            use()
        assert caught.value.store == journal.name
    assert txids(keeper.unapplied()) == [made.txid]


# many at once


def test_threads_append_at_once_and_all_is_found(open_journal: OpenJournal) -> None:
    journal = open_journal()
    threads, each = 8, 25
    start = threading.Barrier(threads)

    def append(thread: int) -> list[str]:
        start.wait()
        return [
            commit(journal, entry(journal, f"{thread}x{number}")).txid for number in range(each)
        ]

    with ThreadPoolExecutor(threads) as pool:
        made = {txid for batch in pool.map(append, range(threads)) for txid in batch}
    assert len(made) == threads * each
    journal.close()
    again = open_journal()
    assert set(txids(again.unapplied())) == made
    for txid in made:
        found = again.load(txid)
        assert found is not None
        assert found.txid == txid


def test_of_those_who_want_one_key_at_once_one_gets_it(open_journal: OpenJournal) -> None:
    journals = [open_journal() for _ in range(4)]
    for number in range(10):
        start = threading.Barrier(2 * len(journals))

        def race(
            who: int, number: int = number, start: threading.Barrier = start
        ) -> tuple[str, bool]:
            journal = journals[who % len(journals)]
            made = entry(journal, f"{number}x{who}", keys=(f"k{number}",))
            start.wait()
            with journal.hold(made, one_append=True) as hold:
                if not hold.refused_by:
                    hold.decide(Decision.COMMIT)
            return made.txid, hold.decision is Decision.COMMIT

        with ThreadPoolExecutor(2 * len(journals)) as pool:
            outcomes = list(pool.map(race, range(2 * len(journals))))
        winners = [txid for txid, won in outcomes if won]
        assert len(winners) == 1
        found = [h.txid for h in journals[0].unapplied() if f"k{number}" in (h.keys or ())]
        assert found == winners
