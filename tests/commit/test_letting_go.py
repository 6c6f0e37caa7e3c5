"""A damaged unfinished transaction is let go of: nothing it holds stays held, nothing is hidden."""

from typing import Final

import pytest

from grove_sm import Grove, NotFound, StateConflict, StoreUnavailable, ValidationError
from grove_sm.stores.sqlite import SQLiteStore
from tests.groves import CODER

from .damaged import DAMAGE, Left, Opener

HIDES_ITS_PARTS: Final = "both"


def left_open(grove: Grove) -> list[tuple[str, str]]:
    return sorted((each.txid, each.collection) for each in grove.transactions.heuristics())


def rules(grove: Grove) -> set[str]:
    return {violation.rule for violation in grove.audit().violations}


@pytest.mark.parametrize("change", DAMAGE.values(), ids=DAMAGE)
def test_what_was_held_is_free_and_what_is_missing_is_told(
    opened: Opener, left: Left, change: str
) -> None:
    txid = left.damaged.txid
    opened.damage(txid, change)
    grove = opened.open()
    assert grove.recovery.in_doubt == [txid]
    story = grove.transactions.discard(txid, by="alice")
    (done,) = story.interventions
    assert (done.action, done.by, done.at) == ("discard", "alice", grove.coordinator.now())
    assert done.reason
    assert txid in done.reason

    for opened_again in (grove, opened.open()):
        assert opened_again.recover().in_doubt == []
        assert opened_again.transactions.get(txid).interventions == (done,)
        assert {c.summary for c in opened_again.contributions.list()} == {"one", "three"}
        assert not opened_again.transactions.get(txid).holds_keys
    hides = change == DAMAGE[HIDES_ITS_PARTS]
    expected = [] if hides else ["contributions", "handoffs", "handoffs"]
    assert left_open(grove) == [(txid, collection) for collection in expected]
    assert rules(grove) == (set() if hides else {"what was committed is there"})
    assert grove.outcome(txid) == "committed"


@pytest.mark.parametrize("change", DAMAGE.values(), ids=DAMAGE)
def test_what_one_store_shows_names_what_the_others_miss(
    opened: Opener, left: Left, change: str
) -> None:
    txid = left.damaged.txid
    entry = opened.load(txid)
    with opened.store("handoffs") as store:
        writes = [write for write in entry.writes if write.collection == "handoffs"]
        assert store.apply(txid, entry.members, writes) == ()
    opened.damage(txid, change)
    grove = opened.open()
    grove.transactions.discard(txid, by="alice")
    assert left_open(grove) == [(txid, "contributions")]
    (outcome,) = grove.transactions.heuristics()
    assert (outcome.record_id, outcome.expected, outcome.found) == (
        left.damaged.cid,
        "no record",
        "no record",
    )
    assert "what was committed is there" in rules(grove)
    assert grove.outcome(txid) == "committed"


@pytest.mark.parametrize("damage", ["its head cut short", "a bit of its head", "its state"])
def test_what_is_still_known_of_it_can_be_written_after_all(
    opened: Opener, left: Left, damage: str
) -> None:
    txid = left.damaged.txid
    opened.damage(txid, DAMAGE[damage])
    grove = opened.open()
    grove.transactions.discard(txid, by="alice")
    for outcome in grove.transactions.heuristics():
        grove.transactions.resolve(outcome, "write", by="alice")
    assert grove.audit().ok
    assert grove.contributions.get(left.damaged.cid) == left.damaged.contribution
    assert {h.handoff_id for h in grove.handoffs.list(source_cid=left.damaged.cid)} == set(
        left.damaged.handoff_ids
    )


def test_what_is_lost_can_be_made_again(opened: Opener, left: Left) -> None:
    opened.damage(left.damaged.txid, DAMAGE["both"])
    with opened.open() as grove:
        grove.transactions.discard(left.damaged.txid, by="alice")
        again = grove.publish(left.damaged.contribution)
        assert (again.cid, again.duplicate) == (left.damaged.cid, False)
        assert grove.audit().ok


def test_an_undecided_one_that_is_damaged_is_aborted_by_recovery(
    opened: Opener, left: Left
) -> None:
    txid = left.damaged.txid
    opened.damage(txid, "state = 'planned', redo = NULL, head = 'x'")
    grove = opened.open()
    assert grove.recovery.rolled_back == [txid]
    with pytest.raises(NotFound, match=f"unfinished transaction {txid}"):
        grove.transactions.discard(txid, by="alice")


def test_one_that_is_whole_is_left_to_recovery(opened: Opener, left: Left) -> None:
    grove = opened.open()
    for txid in (left.first.txid, "tx-019a8c33d2f0-1-6c1f09", "no id"):
        with pytest.raises(NotFound):
            grove.transactions.discard(txid, by="alice")
    claimed = grove.claim("file:a", agent=CODER, intent_summary="mine")
    with pytest.raises(StateConflict, match="its record is whole"):
        grove.transactions.discard(claimed.txid, by="alice")
    assert grove.transactions.get(claimed.txid).interventions == ()


def test_one_whose_coordinator_lives_is_left_to_it(opened: Opener) -> None:
    busy = opened.open()
    busy.coordinator.applier.lag = 100
    done = busy.contribute(kind="work", summary="two", agent=CODER)
    opened.damage(done.txid, DAMAGE["a bit of its redo"])
    grove = opened.open()
    with pytest.raises(StateConflict, match=r"its coordinator 1, process \d+ on .*, lives"):
        grove.transactions.discard(done.txid, by="alice")
    with pytest.raises(StateConflict, match="lives"):
        busy.transactions.discard(done.txid, by="alice")
    # It knows what it has decided, and sees it through.
    busy.close()
    assert grove.recover().in_doubt == []
    assert grove.audit().ok


def test_with_a_store_away_it_is_not_let_go_of(
    opened: Opener, left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    txid = left.damaged.txid
    opened.damage(txid, DAMAGE["a bit of its redo"])
    grove = opened.open()

    def be_away(store: SQLiteStore, _: object) -> None:
        raise StoreUnavailable(store=store.name, reason="it is away")

    with monkeypatch.context() as away:
        away.setattr(SQLiteStore, "read", be_away)
        with pytest.raises(StoreUnavailable, match="it is away"):
            grove.transactions.discard(txid, by="alice")
    assert grove.transactions.get(txid).interventions == ()
    assert grove.recover().in_doubt == [txid]
    grove.transactions.discard(txid, by="alice")


@pytest.mark.parametrize("by", ["", None, 3])
def test_somebody_has_to_have_done_it(opened: Opener, left: Left, by: str) -> None:
    opened.damage(left.damaged.txid, DAMAGE["a bit of its redo"])
    grove = opened.open()
    with pytest.raises(ValidationError) as caught:
        grove.transactions.discard(left.damaged.txid, by=by)
    assert caught.value.field == "by"
    assert grove.recover().in_doubt == [left.damaged.txid]
