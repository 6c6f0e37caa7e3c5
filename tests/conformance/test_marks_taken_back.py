"""Marks that a journal took back: who opens it when nobody lives believes none of them."""

import pytest

from grove_sm.commit.contract import Holder, Journal
from grove_sm.commit.machine import Decision

from .places import OpenJournal, commit, entry, finish, txids, write


def released(journal: Journal, *names: str, key: str = "") -> list[str]:
    """Transactions, each committed and marked applied before the next; they may share a key."""
    made = [commit(journal, entry(journal, name, keys=(key or name,))) for name in names]
    for each in made:
        journal.release(each.txid)
    journal.flush()
    return [each.txid for each in made]


def one_after_the_other(journal: Journal, *names: str) -> list[str]:
    """As `released`, all under one key."""
    return [txid for name in names for txid in released(journal, name, key="shared")]


def states(holders: tuple[Holder, ...]) -> dict[str, str]:
    return {holder.txid: holder.state for holder in holders}


def test_what_was_applied_is_committed_again_when_nobody_lives(open_journal: OpenJournal) -> None:
    dead = open_journal()
    (applied,) = released(dead, "a")
    dead.close()
    for journal in (open_journal(), open_journal()):
        assert states(journal.unapplied()) == states(journal.unfinished()) == {applied: "committed"}
        (holder,) = journal.unapplied()
        assert holder.keys == frozenset({"a"})
        assert holder.members == frozenset({("claims", "a")})
        assert journal.load(applied) is not None
        assert journal.outcome(applied) is Decision.COMMIT
        with journal.hold(entry(journal, "b", keys=("a",)), one_append=True) as hold:
            assert txids(hold.refused_by) == [applied]


@pytest.mark.parametrize("is_older", [True, False], ids=["older", "younger"])
def test_while_somebody_lives_marks_are_believed(open_journal: OpenJournal, is_older: bool) -> None:
    journals = [open_journal(), open_journal()]
    survivor, dead = journals if is_older else journals[::-1]
    (applied,) = released(dead, "a")
    dead.close()
    for journal in (survivor, open_journal()):
        assert journal.unapplied() == ()
        assert states(journal.unfinished()) == {applied: "applied"}
        with journal.hold(entry(journal, "b", keys=("a",)), one_append=True) as hold:
            assert hold.refused_by == ()


def test_marks_of_those_who_came_after_are_believed(open_journal: OpenJournal) -> None:
    """The first to open it has applied everything again; its marks are as good as any."""
    dead = open_journal()
    (applied,) = released(dead, "a")
    dead.close()
    first, second = open_journal(), open_journal()
    first.release(applied)
    first.flush()
    first.close()
    for journal in (second, open_journal()):
        assert journal.unapplied() == ()
        assert states(journal.unfinished()) == {applied: "applied"}


def test_those_that_hold_one_key_come_in_commit_order(open_journal: OpenJournal) -> None:
    """Ids are in no such order: they go by clocks, and by coordinators."""
    others = [open_journal() for _ in range(2)]
    made = [
        txid
        for number, name in enumerate("zaybxc")
        for txid in one_after_the_other(others[number % 2], name)
    ]
    assert sorted(made) != made
    for journal in others:
        journal.close()
    journal = open_journal()
    assert txids(journal.unapplied()) == txids(journal.unfinished()) == made
    with journal.hold(entry(journal, "next", keys=("shared",)), one_append=True) as hold:
        assert txids(hold.refused_by) == made
    # Whoever has applied the first of them again has let go of that one alone.
    journal.release(made[0])
    assert txids(journal.unapplied()) == made[1:]


def test_what_was_finished_stays_finished(open_journal: OpenJournal) -> None:
    dead = open_journal()
    made = commit(dead, entry(dead, "a", writes=(write("a"),)))
    finish(dead, made)
    dead.close()
    journal = open_journal()
    assert journal.unapplied() == journal.unfinished() == ()


def test_what_was_undecided_or_committed_stays_as_it_was(open_journal: OpenJournal) -> None:
    dead = open_journal()
    committed = commit(dead, entry(dead, "a"))
    planned = entry(dead, "b")
    dead.hold(planned, one_append=False).__enter__()
    dead.close()
    journal = open_journal()
    left = {committed.txid: "committed", planned.txid: "planned"}
    assert states(journal.unapplied()) == states(journal.unfinished()) == left
