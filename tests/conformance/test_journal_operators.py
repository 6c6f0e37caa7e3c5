"""What every kind of journal tells operators, and keeps of what they did."""

import os
from socket import gethostname

import pytest

from grove_sm.commit.contract import Journal
from grove_sm.commit.intervention import Intervention
from grove_sm.commit.machine import Decision
from grove_sm.domain.errors import NotFound, StateConflict
from grove_sm.operations.plan import Heuristic, Origin
from tests.groves import NOW

from .places import OpenJournal, commit, entry, finish, txids, write

MUCH_NOW = "2026-02-01T12:00:00.000Z"
OUTCOME = Heuristic(
    "tx-1", "memory://s", "claims", "c1", "no record", "revision 1 by tx-9", write("c1")
)
KEPT = Intervention("tx-1", "keep", "alice", NOW, OUTCOME)


# what operators did


@pytest.mark.parametrize(
    "done", [KEPT, KEPT._replace(action="write", written_by="tx-2", by="Zoë")], ids=str
)
def test_a_resolved_outcome_waits_no_more_and_is_not_lost(
    open_journal: OpenJournal, done: Intervention
) -> None:
    journal, other = open_journal(), open_journal()
    second = OUTCOME._replace(record_id="c2")
    journal.note([OUTCOME, second])
    other.intervene(done)
    journal.note([OUTCOME])
    for reader in (journal, other, open_journal()):
        assert reader.heuristics() == (second,)
        assert reader.interventions() == (done,)


def test_an_outcome_on_what_was_taken_over_keeps_where_that_came_from(
    open_journal: OpenJournal,
) -> None:
    meant = write("c1")._replace(origin=Origin(7, "tx-there", "[]"))
    outcome = OUTCOME._replace(write=meant)
    open_journal().note([outcome])
    (found,) = open_journal().heuristics()
    assert found == outcome
    assert found.write is not None
    assert found.write.revision == 7


def test_an_outcome_is_resolved_once(open_journal: OpenJournal) -> None:
    journal, other = open_journal(), open_journal()
    journal.note([OUTCOME])
    journal.intervene(KEPT)
    for reader in (journal, other):
        with pytest.raises(StateConflict, match=f"resolved by alice at {NOW}"):
            reader.intervene(KEPT._replace(by="bob"))
        assert reader.interventions() == (KEPT,)


def test_what_was_noted_with_other_words_is_the_same_outcome(journal: Journal) -> None:
    journal.note([OUTCOME])
    journal.intervene(KEPT)
    journal.note([OUTCOME._replace(found="revision 2 by tx-9")])
    assert journal.heuristics() == ()


def test_what_operators_did_is_told_in_order(journal: Journal) -> None:
    outcomes = [OUTCOME._replace(record_id=f"c{number}") for number in range(5)]
    journal.note(outcomes)
    done = [KEPT._replace(outcome=outcome) for outcome in reversed(outcomes)]
    for each in done:
        journal.intervene(each)
    assert journal.interventions() == tuple(done)


def test_a_transaction_with_an_outcome_is_never_forgotten(journal: Journal) -> None:
    kept, gone = commit(journal, entry(journal, "a")), commit(journal, entry(journal, "b"))
    finish(journal, kept)
    finish(journal, gone)
    outcome = OUTCOME._replace(txid=kept.txid)
    journal.note([outcome])
    for _ in range(2):
        journal.forget(MUCH_NOW)
        assert [txid for txid, _, _ in journal.history(9)] == [kept.txid]
        assert journal.outcome(kept.txid) is Decision.COMMIT
        if journal.heuristics():
            journal.intervene(KEPT._replace(txid=kept.txid, outcome=outcome))


# letting go


def test_what_is_whole_is_not_let_go_of(open_journal: OpenJournal) -> None:
    journal, other = open_journal(), open_journal()
    made = commit(journal, entry(journal, "a"))
    done = Intervention(made.txid, "discard", "alice", NOW)
    for reader in (journal, other):
        with pytest.raises(StateConflict, match="its record is whole"):
            reader.discard(done, [OUTCOME], has_effect=False)
        assert txids(reader.unapplied()) == [made.txid]
        assert (reader.heuristics(), reader.interventions()) == ((), ())


def test_only_what_is_unfinished_is_let_go_of(journal: Journal) -> None:
    made = commit(journal, entry(journal, "a"))
    finish(journal, made)
    for txid in (made.txid, "tx-1"):
        with pytest.raises(NotFound, match=txid):
            journal.discard(Intervention(txid, "discard", "alice", NOW), [OUTCOME], has_effect=True)
    assert (journal.heuristics(), journal.interventions()) == ((), ())


# the story of a transaction


def test_a_transaction_is_recounted_with_its_times(open_journal: OpenJournal) -> None:
    journal, other = open_journal(), open_journal()
    made = commit(journal, entry(journal, "a", writes=(write("c1"), write("c2", 3))))
    times = [("planned", NOW), ("committed", NOW)]
    for reader in (journal, other):
        found = reader.recount(made.txid)
        assert found is not None
        assert found[:4] == (made.txid, journal.coordinator, "committed", tuple(times))
        assert found.keys == made.keys
        assert found.members == (("claims", "c1", 1), ("claims", "c2", 4))
        assert found.redo is not None
        assert found.redo.writes == made.writes
        assert found.damage is None
    journal.release(made.txid)
    journal.flush()
    times.append(("applied", NOW))
    assert [r and r.times for r in map(other.recount, [made.txid])] == [tuple(times)]
    journal.finish([made.txid])
    times.append(("finished", NOW))
    for reader in (journal, other):
        found = reader.recount(made.txid)
        assert found is not None
        assert (found.state, found.times, found.redo) == ("finished", tuple(times), None)
        assert found.members == (("claims", "c1", 1), ("claims", "c2", 4))
        assert found.entry is not None
        assert found.entry.operation == made.operation


def test_an_undecided_and_an_aborted_transaction_are_recounted(
    open_journal: OpenJournal,
) -> None:
    journal, other = open_journal(), open_journal()
    made = entry(journal, "a")
    with journal.hold(made, one_append=False) as hold:
        found = other.recount(made.txid)
        assert found is not None
        assert (found.state, found.times, found.redo) == ("planned", (("planned", NOW),), None)
        hold.decide(Decision.ABORT)
    found = other.recount(made.txid)
    assert found is not None
    assert found.state == "aborted"
    assert found.times == (("planned", NOW), ("aborted", NOW))
    assert found.damage is None


def test_what_never_was_is_not_recounted(journal: Journal) -> None:
    assert journal.recount("tx-1") is None


def test_whoever_opened_the_journal_is_known(open_journal: OpenJournal) -> None:
    journal, other = open_journal(), open_journal()
    opened = (gethostname(), os.getpid(), NOW)
    assert other.opener(journal.coordinator) == opened
    assert journal.opener(other.coordinator) == opened
    assert journal.opener(other.coordinator + 1) is None
