"""Heuristic outcomes are resolved by an operator: once, as chosen, and never forgotten."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from grove_sm import Claim, Grove, NotFound, StateConflict, StoreUnavailable, ValidationError
from grove_sm.stores.sqlite import SQLiteStore
from grove_sm.transactions import HeuristicOutcome
from tests.groves import CODER, Clock

from .outside import MEDDLING, Outside, held, took_its_place, was_taken_away

Meddling = Callable[[Outside], Claim]


def waiting(grove: Grove) -> HeuristicOutcome:
    """The one outcome that waits."""
    (outcome,) = grove.transactions.heuristics()
    return outcome


@pytest.mark.parametrize("meddle", MEDDLING.values(), ids=MEDDLING)
def test_what_waits_is_told_with_what_was_meant_and_what_stands(
    outside: Outside, meddle: Meddling
) -> None:
    meant = meddle(outside)
    stored = outside.look(meant.claim_id)
    grove = outside.open()
    outcome = waiting(grove)
    assert outcome.record == f"claims {meant.claim_id}"
    assert outcome.store == f"sqlite:///{outside.folder}/claims.db"
    assert outcome.meant == meant.to_document()
    assert outcome.revision == (1 if stored else 0)
    assert outcome.stands == outcome.found == ("revision 1 by somebody" if stored else "no record")
    assert (outcome.standing is None) == (stored is None)
    assert outcome.resolved is None
    (violation,) = grove.audit().violations
    assert violation.rule == "no other software writes here"
    assert f"grove-sm journal resolve {outcome.txid}" in violation.found


@pytest.mark.parametrize("choice", ["keep", "write"])
@pytest.mark.parametrize("meddle", MEDDLING.values(), ids=MEDDLING)
def test_once_resolved_it_is_as_chosen_and_stays_on_record(
    outside: Outside, meddle: Meddling, choice: str, clock: Clock
) -> None:
    meant = meddle(outside)
    before = outside.look(meant.claim_id)
    grove = outside.open()
    clock.advance(60)
    done = grove.transactions.resolve(waiting(grove), choice, by="alice")
    assert done.resolved is not None
    assert (done.resolved.action, done.resolved.by) == (choice, "alice")
    assert done.resolved.at == grove.coordinator.now()
    # All that was decided before is still known, and not missed.
    assert grove.audit().ok

    clock.advance(8 * 86400)
    for reader in (grove, outside.open()):
        assert reader.audit().ok
        assert reader.transactions.heuristics() == ()
        assert reader.transactions.heuristics(resolved=True) == (done,)
        story = reader.transactions.get(done.txid)
        assert story.heuristics == (done,)
        assert story.interventions == (done.resolved,)
    after = outside.look(meant.claim_id)
    if choice == "keep":
        assert after == before
    else:
        assert after is not None
        assert grove.claims.get(meant.claim_id) == meant
        assert after.txid == done.resolved.written_by
        writer = grove.transactions.get(after.txid)
        assert writer.operation == "resolve_heuristic_outcome"
        assert writer.keys == ("target:file:a",)


@pytest.mark.parametrize("meddle", MEDDLING.values(), ids=MEDDLING)
def test_what_was_written_after_all_is_like_any_other_record(
    outside: Outside, meddle: Meddling, clock: Clock
) -> None:
    meant = meddle(outside)
    grove = outside.open()
    grove.transactions.resolve(waiting(grove), "write", by="alice")
    clock.advance(1)
    grove.heartbeat(meant.claim_id, agent=CODER)
    grove.complete(meant.claim_id, agent=CODER)
    grove.flush()
    assert grove.audit().ok
    outside.remove(meant.claim_id)
    assert not grove.audit().ok


@pytest.mark.parametrize("choice", ["keep", "write"])
def test_it_is_resolved_once(outside: Outside, choice: str) -> None:
    took_its_place(outside)
    grove, other = outside.open(), outside.open()
    outcome = waiting(grove)
    other.transactions.resolve(outcome, "keep", by="bob")
    stored = outside.look(outcome.record_id)
    with pytest.raises(StateConflict, match="it was resolved by bob"):
        grove.transactions.resolve(outcome, choice, by="alice")
    (kept,) = grove.transactions.heuristics(resolved=True)
    assert kept.resolved is not None
    assert kept.resolved.by == "bob"
    assert outside.look(outcome.record_id) == stored


def test_what_has_changed_since_it_was_seen_is_not_written_over(outside: Outside) -> None:
    claim = took_its_place(outside)
    grove = outside.open()
    outcome = waiting(grove)
    beaten = grove.heartbeat(claim.claim_id, agent=CODER)
    with pytest.raises(StateConflict, match="it has changed since it was looked at"):
        grove.transactions.resolve(outcome, "write", by="alice")
    assert grove.claims.get(claim.claim_id) == beaten
    grove.transactions.resolve(waiting(grove), "write", by="alice")
    assert grove.claims.get(claim.claim_id) == claim


def test_writing_may_be_repeated_after_it_was_cut_off(
    outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = took_its_place(outside)
    grove = outside.open()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as cut_off:
        cut_off.setattr(grove.coordinator.journal, "intervene", die)
        with pytest.raises(KeyboardInterrupt):
            grove.transactions.resolve(waiting(grove), "write", by="alice")
    grove.abandon()
    grove = outside.open()
    assert grove.claims.get(claim.claim_id) == claim
    written = outside.look(claim.claim_id)
    done = grove.transactions.resolve(waiting(grove), "write", by="alice")
    assert outside.look(claim.claim_id) == written
    assert done.resolved is not None
    assert (done.resolved.action, done.resolved.written_by) == ("write", None)


@pytest.mark.parametrize("choice", ["keep", "write"])
def test_what_may_be_applied_again_is_waited_for(outside: Outside, choice: str) -> None:
    busy = outside.open()
    claim = held(busy).claim
    busy.heartbeat(claim.claim_id, agent=CODER)
    busy.coordinator.applier.lag = 100
    busy.heartbeat(claim.claim_id, agent=CODER, lease_seconds=900)
    last, earlier, *_ = busy.transactions.list()
    outside.remove(claim.claim_id)
    grove = outside.open()
    with pytest.raises(NotFound):
        grove.claims.get(claim.claim_id)
    outcome = waiting(grove)
    assert outcome.txid == last.txid
    with pytest.raises(StateConflict, match=f"{earlier.txid} may still write there"):
        grove.transactions.resolve(outcome, choice, by="alice")
    assert waiting(grove) == outcome
    busy.flush()
    grove.transactions.resolve(outcome, choice, by="alice")


def test_what_was_deleted_meanwhile_is_not_brought_back(outside: Outside, clock: Clock) -> None:
    claim = took_its_place(outside)
    grove = outside.open()
    grove.release(claim.claim_id)
    clock.advance(40 * 86400)
    assert grove.sweep(forget_after=30 * 86400).claims_forgotten == [claim.claim_id]
    outcome = waiting(grove)
    assert (outcome.stands, outcome.revision) == ("it has been deleted", None)
    with pytest.raises(StateConflict, match="what is deleted is never written again"):
        grove.transactions.resolve(outcome, "write", by="alice")
    grove.transactions.resolve(outcome, "keep", by="alice")
    assert grove.audit().ok


@pytest.mark.parametrize("choice", ["keep", "write"])
def test_a_deletion_that_met_nothing(
    outside: Outside, clock: Clock, choice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    grove = outside.open()
    claim = held(grove).claim
    grove.release(claim.claim_id)
    grove.flush()
    clock.advance(40 * 86400)

    def be_away(store: SQLiteStore, *_: object) -> None:
        raise StoreUnavailable(store=store.name, reason="it is away")

    with monkeypatch.context() as away:
        away.setattr(SQLiteStore, "apply", be_away)
        grove.sweep(forget_after=30 * 86400)
    grove.abandon()
    outside.remove(claim.claim_id)
    grove = outside.open()
    outcome = waiting(grove)
    assert (outcome.meant, outcome.is_deletion) == (None, True)
    done = grove.transactions.resolve(outcome, choice, by="alice").resolved
    assert done is not None
    assert done.written_by is None
    assert grove.audit().ok


def test_what_is_no_outcome_is_refused(outside: Outside) -> None:
    was_taken_away(outside)
    grove = outside.open()
    outcome = waiting(grove)
    for other in (replace(outcome, txid="tx-1"), replace(outcome, record_id="claim-x")):
        with pytest.raises(NotFound, match=f"{other.txid} on {other.record}"):
            grove.transactions.resolve(other, "keep", by="alice")
    for choice, by, field in (("guess", "alice", "choice"), ("keep", " ", "by")):
        with pytest.raises(ValidationError) as caught:
            grove.transactions.resolve(outcome, choice, by=by)
        assert caught.value.field == field
    assert waiting(grove) == outcome
