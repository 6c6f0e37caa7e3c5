"""What every kind of journal remembers of the past, and for how long."""

import pytest

from grove_sm.commit.contract import Journal
from grove_sm.commit.machine import Decision
from grove_sm.commit.txid import make_txid
from grove_sm.domain import format_time
from grove_sm.domain.errors import NotFound
from grove_sm.operations.plan import Heuristic
from tests.groves import NOW, START

from .places import OpenJournal, commit, entry, finish, idempotency_key, txids

LATER = "2026-01-02T12:00:00.000Z"
MUCH_LATER = "2026-02-01T12:00:00.000Z"


def test_a_key_is_recalled_until_it_runs_out(open_journal: OpenJournal) -> None:
    journal, other = open_journal(), open_journal()
    key = idempotency_key("k", expires_at=LATER)
    made = commit(journal, entry(journal, "a", idempotency=key))
    finish(journal, made)
    for reader in (journal, other):
        recorded = reader.recall(key.record_id, NOW)
        assert recorded == (made.txid, key.fields, made.result)
        assert reader.recall(key.record_id, "2026-01-02T11:59:59.999Z") == recorded
        assert reader.recall(key.record_id, LATER) is None
        assert reader.recall("idempotency:10:role:coder:other", NOW) is None


def test_a_hold_tells_what_was_recorded(open_journal: OpenJournal) -> None:
    journal, other = open_journal(), open_journal()
    key = idempotency_key("k", expires_at=LATER)
    made = commit(journal, entry(journal, "a", idempotency=key))
    finish(journal, made)
    with other.hold(entry(other, "b", idempotency=key), one_append=True) as hold:
        assert hold.recorded == (made.txid, key.fields, made.result)
    assert hold.decision is Decision.ABORT
    late = entry(other, "c", idempotency=key, created_at=LATER)
    with other.hold(late, one_append=True) as hold:
        assert hold.recorded is None
        hold.decide(Decision.COMMIT)
    recorded = journal.recall(key.record_id, NOW)
    assert recorded is not None
    assert recorded.txid == late.txid


def test_one_key_is_held_by_one_transaction_at_a_time(journal: Journal) -> None:
    key = idempotency_key("k", expires_at=LATER)
    made = commit(journal, entry(journal, "a", idempotency=key))
    with journal.hold(entry(journal, "b", idempotency=key), one_append=True) as hold:
        assert txids(hold.refused_by) == [made.txid]


# forgetting


def test_old_outcomes_and_keys_are_forgotten_and_said_to_be(open_journal: OpenJournal) -> None:
    journal, other = open_journal(), open_journal()
    key = idempotency_key("k", expires_at=LATER)
    old = commit(journal, entry(journal, "a", idempotency=key))
    finish(journal, old)
    journal.forget(MUCH_LATER)
    for reader in (journal, other):
        with pytest.raises(NotFound) as caught:
            reader.outcome(old.txid)
        assert old.txid in str(caught.value)
        assert reader.recall(key.record_id, NOW) is None
        assert reader.history(9) == ()
    assert journal.outcome(make_txid(START.replace(year=2027), 99, "new")) is Decision.ABORT


def test_what_is_unfinished_or_recent_is_never_forgotten(journal: Journal) -> None:
    unfinished = commit(journal, entry(journal, "a"))
    applied = commit(journal, entry(journal, "b"))
    journal.release(applied.txid)
    journal.flush()
    journal.forget(MUCH_LATER)
    assert txids(journal.unfinished()) == [unfinished.txid, applied.txid]
    finish(journal, unfinished)
    journal.forget(format_time(START))
    assert journal.outcome(unfinished.txid) is Decision.COMMIT


def test_forgetting_goes_through_a_long_history(journal: Journal) -> None:
    made = [commit(journal, entry(journal, f"{number:04x}")) for number in range(30)]
    for done in made:
        journal.release(done.txid)
    journal.flush()
    journal.finish([done.txid for done in made])
    for _ in range(3):
        journal.forget(MUCH_LATER)
    assert journal.history(99) == ()
    for done in made:
        with pytest.raises(NotFound):
            journal.outcome(done.txid)


# heuristic outcomes


def test_heuristic_outcomes_are_kept_once_each(open_journal: OpenJournal) -> None:
    journal, other = open_journal(), open_journal()
    first = Heuristic("tx-1", "memory://s", "claims", "c1", "no record", "revision 1 by tx-9")
    second = first._replace(record_id="c2")
    journal.note([first, second])
    other.note([second])
    other.note([])
    for reader in (journal, other):
        assert reader.heuristics() == (first, second)
