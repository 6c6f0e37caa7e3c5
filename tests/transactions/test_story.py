"""A transaction's story: its states, keys and parts, and whether each store shows its own."""

import os
from socket import gethostname

import pytest

from grove_sm import Grove, NotFound, StoreUnavailable, ValidationError
from grove_sm.stores.sqlite import SQLiteStore
from grove_sm.transactions import Part
from tests.groves import CODER, NOW, Clock

from .outside import Outside, held, was_taken_away


def shown(grove: Grove, txid: str) -> dict[str, bool | None]:
    """For each record of a transaction, whether its store shows it."""
    return {part.record_id: part.shows for part in grove.transactions.get(txid).writes}


def test_a_story_goes_from_plan_to_end(outside: Outside, clock: Clock) -> None:
    grove, other = outside.open(), outside.open()
    done = grove.contribute(kind="work", summary="one", agent=CODER)
    clock.advance(5)
    other.recover()
    grove.flush()
    story = other.transactions.get(done.txid)
    assert (story.txid, story.operation, story.created_at) == (done.txid, "contribute", NOW)
    assert (story.state, story.outcome) == ("finished", "committed")
    later = other.coordinator.now()
    assert [(reached.state, reached.at) for reached in story.times] == [
        ("planned", NOW),
        ("committed", NOW),
        ("applied", later),
        ("finished", later),
    ]
    assert story.coordinator == grove.coordinator.journal.coordinator
    assert story.coordinator_lives
    assert (story.host, story.process, story.coordinator_since) == (gethostname(), os.getpid(), NOW)
    assert (story.holds_keys, story.keys) == (False, (f"contribution:{done.cid}",))
    first, *handoffs = story.writes
    assert first == Part(
        collection="contributions",
        record_id=done.cid,
        revision=1,
        store=f"sqlite:///{outside.folder}/contributions.db",
        shows=True,
        found=f"revision 1 by {done.txid}",
        document=None,
    )
    assert {part.record_id for part in handoffs} == set(done.handoff_ids)
    assert (story.damage, story.heuristics, story.interventions) == (None, (), ())
    grove.close()
    assert not other.transactions.get(done.txid).coordinator_lives


def test_what_is_decided_and_not_applied_yet_is_told(outside: Outside) -> None:
    grove = outside.open()
    grove.coordinator.applier.lag = 100
    done = grove.contribute(kind="work", summary="one", agent=CODER)
    story = grove.transactions.get(done.txid)
    assert (story.state, story.outcome, story.holds_keys) == ("committed", "committed", True)
    assert {(part.shows, part.found) for part in story.writes} == {(False, "no record")}
    assert story.writes[0].document == done.contribution.to_document()
    grove.contributions.list()
    assert set(shown(grove, done.txid).values()) == {True}


def test_what_was_built_on_or_deleted_since_has_been_shown(outside: Outside, clock: Clock) -> None:
    grove = outside.open()
    claimed = held(grove)
    claim_id = claimed.claim.claim_id
    grove.release(claim_id)
    release, *_ = grove.transactions.list()
    assert shown(grove, claimed.txid) == {claim_id: True}
    (part,) = grove.transactions.get(claimed.txid).writes
    assert (part.revision, part.found) == (1, f"revision 2 by {release.txid}")
    clock.advance(40 * 86400)
    grove.sweep(forget_after=86400)
    assert shown(grove, claimed.txid) == {claim_id: True}
    (part,) = grove.transactions.get(claimed.txid).writes
    assert part.found == "it has been deleted"


def test_a_store_that_is_away_hides_only_its_own_part(
    outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    grove = outside.open()
    done = grove.contribute(kind="work", summary="one", agent=CODER)
    handoffs = grove.coordinator.participants["handoffs"]

    def be_away(_: object) -> None:
        raise StoreUnavailable(store=handoffs.name, reason="it is away")

    monkeypatch.setattr(handoffs, "read", be_away)
    assert shown(grove, done.txid) == {done.cid: True, **dict.fromkeys(done.handoff_ids)}
    assert "it is away" in grove.transactions.get(done.txid).writes[-1].found


def test_a_part_that_was_left_undone_is_not_there(outside: Outside) -> None:
    claim = was_taken_away(outside)
    grove = outside.open()
    (outcome,) = grove.transactions.heuristics()
    assert shown(grove, outcome.txid) == {claim.claim_id: False}
    grove.transactions.resolve(outcome, "write", by="alice")
    assert shown(grove, outcome.txid) == {claim.claim_id: True}


def test_telling_changes_nothing(outside: Outside) -> None:
    grove = outside.open()
    grove.coordinator.applier.lag = 100
    done = grove.contribute(kind="work", summary="one", agent=CODER)
    first = grove.transactions.get(done.txid)
    assert grove.transactions.get(done.txid) == first
    assert [each.state for each in grove.transactions.list()] == ["committed"]
    with SQLiteStore(outside.folder / "contributions.db").snapshot() as view:
        assert view.scan("contributions") == []


def test_transactions_are_listed_newest_first(outside: Outside) -> None:
    grove = outside.open()
    txids = [
        grove.contribute(kind="work", summary=str(number), agent=CODER).txid for number in range(4)
    ]
    assert [each.txid for each in grove.transactions.list(limit=3)] == txids[:0:-1]
    assert {each.operation for each in grove.transactions.list()} == {"contribute"}
    with pytest.raises(ValidationError):
        grove.transactions.list(limit=-1)


def test_what_is_no_transaction_has_no_story(outside: Outside) -> None:
    grove = outside.open()
    with pytest.raises(NotFound, match="the journal has no record of it"):
        grove.transactions.get("tx-019a8c33d2f0-1-6c1f09")
    for wrong in ("x", 3):
        with pytest.raises(ValidationError) as caught:
            grove.transactions.get(wrong)  # type: ignore[arg-type]
        assert caught.value.field == "txid"
