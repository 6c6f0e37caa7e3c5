"""The machine as a table of inputs and outputs."""

from collections.abc import Hashable
from typing import Any, Final

import pytest

from grove_sm.commit.machine import (
    Applied,
    Apply,
    Decision,
    DecisionRecorded,
    DropRedo,
    Effect,
    Event,
    Force,
    Forced,
    ForceRequested,
    HoldKeys,
    KeysHeld,
    KeysRefused,
    KeysReleased,
    Prepare,
    RecordDecision,
    RedoDropped,
    ReleaseKeys,
    Transaction,
    Unreachable,
    Voted,
    begin,
    resume,
    step,
)
from grove_sm.domain.errors import StateConflict

COMMIT, ABORT = Decision.COMMIT, Decision.ABORT
A, B, C = "a", "b", "c"

EVENTS: Final[tuple[Event, ...]] = (
    KeysHeld(),
    KeysRefused(),
    Voted(A, True),
    Voted(A, False),
    DecisionRecorded(COMMIT),
    DecisionRecorded(ABORT),
    Applied(A),
    Unreachable(A),
    KeysReleased(),
    ForceRequested(),
    Forced(A),
    RedoDropped(),
)

Line = tuple[Event, str, tuple[Effect, ...]]
"""An event, the phase after it, and what is to be done."""

HISTORIES: Final[dict[str, tuple[Line, ...]]] = {
    "committed": (
        (KeysHeld(), "planned", (Prepare(A), Prepare(B))),
        (Voted(B, True), "planned", ()),
        (Voted(A, True), "prepared", (RecordDecision(COMMIT),)),
        (DecisionRecorded(COMMIT), "committed", (Apply(B), Apply(C))),
        (Applied(C), "committed", ()),
        (Applied(B), "committed", (ReleaseKeys(),)),
        (KeysReleased(), "committed", ()),
        (ForceRequested(), "committed", (Force(B), Force(C))),
        (Forced(C), "committed", ()),
        (Forced(B), "committed", (DropRedo(),)),
        (RedoDropped(), "finished", ()),
    ),
    "keys refused": ((KeysRefused(), "aborted", ()),),
    "a vote against": (
        (KeysHeld(), "planned", (Prepare(A), Prepare(B))),
        (Voted(A, True), "planned", ()),
        (Voted(B, False), "planned", (RecordDecision(ABORT),)),
        (DecisionRecorded(ABORT), "aborted", ()),
    ),
    "a vote against, the others come late": (
        (KeysHeld(), "planned", (Prepare(A), Prepare(B))),
        (Voted(B, False), "planned", (RecordDecision(ABORT),)),
        (Voted(A, True), "planned", ()),
        (Voted(A, False), "planned", ()),
        (DecisionRecorded(ABORT), "aborted", ()),
    ),
    "aborted by somebody who was first": (
        (KeysHeld(), "planned", (Prepare(A), Prepare(B))),
        (Voted(A, True), "planned", ()),
        (Voted(B, True), "prepared", (RecordDecision(COMMIT),)),
        (DecisionRecorded(ABORT), "aborted", ()),
    ),
    "answers that come twice": (
        (KeysHeld(), "planned", (Prepare(A), Prepare(B))),
        (Voted(A, True), "planned", ()),
        (Voted(A, True), "planned", ()),
        (Voted(B, True), "prepared", (RecordDecision(COMMIT),)),
        (Voted(B, True), "prepared", ()),
        (DecisionRecorded(COMMIT), "committed", (Apply(B), Apply(C))),
        (Applied(B), "committed", ()),
        (Applied(B), "committed", ()),
        (Applied(C), "committed", (ReleaseKeys(),)),
        (Applied(C), "committed", ()),
        (KeysReleased(), "committed", ()),
        (Applied(B), "committed", ()),
        (ForceRequested(), "committed", (Force(B), Force(C))),
        (Forced(B), "committed", ()),
        (Forced(B), "committed", ()),
        (Forced(C), "committed", (DropRedo(),)),
        (Forced(C), "committed", ()),
        (RedoDropped(), "finished", ()),
    ),
    "a store is down, then back": (
        (KeysHeld(), "planned", (Prepare(A), Prepare(B))),
        (Voted(A, True), "planned", ()),
        (Voted(B, True), "prepared", (RecordDecision(COMMIT),)),
        (DecisionRecorded(COMMIT), "committed", (Apply(B), Apply(C))),
        (Unreachable(C), "committed", ()),
        (Applied(B), "committed", ()),
        (Applied(C), "committed", (ReleaseKeys(),)),
    ),
    "forced again after a failure": (
        (KeysHeld(), "planned", (Prepare(A), Prepare(B))),
        (Voted(A, True), "planned", ()),
        (Voted(B, True), "prepared", (RecordDecision(COMMIT),)),
        (DecisionRecorded(COMMIT), "committed", (Apply(B), Apply(C))),
        (Applied(B), "committed", ()),
        (Applied(C), "committed", (ReleaseKeys(),)),
        (KeysReleased(), "committed", ()),
        (ForceRequested(), "committed", (Force(B), Force(C))),
        (Forced(B), "committed", ()),
        (ForceRequested(), "committed", (Force(B), Force(C))),
        (Forced(C), "committed", ()),
        (Forced(B), "committed", (DropRedo(),)),
        (ForceRequested(), "committed", (Force(B), Force(C))),
    ),
}


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_a_history(history: tuple[Line, ...]) -> None:
    transaction, effects = begin((A, B), (B, C))
    assert transaction.phase == "planned"
    assert effects == (HoldKeys(),)
    for event, phase, expected in history:
        transaction, effects = step(transaction, event)
        assert (transaction.phase, effects) == (phase, expected), event


def after(*events: Event, voters: tuple[str, ...] = (A,), writers: tuple[str, ...] = (A,)
          ) -> Transaction:  # fmt: skip
    transaction, _ = begin(voters, writers)
    for event in events:
        transaction, _ = step(transaction, event)
    return transaction


HELD = (KeysHeld(),)
REFUSING = (*HELD, Voted(A, False))
PREPARED = (*HELD, Voted(A, True))
COMMITTED = (*PREPARED, DecisionRecorded(COMMIT))
APPLIED = (*COMMITTED, Applied(A))
RELEASED = (*APPLIED, KeysReleased())
FORCING = (*RELEASED, ForceRequested())
FORCED = (*FORCING, Forced(A))
FINISHED = (*FORCED, RedoDropped())
ABORTED = (*REFUSING, DecisionRecorded(ABORT))

_Kinds = frozenset[type[Any]]
LEGAL: Final[dict[tuple[Event, ...], _Kinds]] = {
    (): frozenset({KeysHeld, KeysRefused}),
    HELD: frozenset({Voted}),
    REFUSING: frozenset({Voted, DecisionRecorded}),
    PREPARED: frozenset({Voted, DecisionRecorded}),
    COMMITTED: frozenset({Applied, Unreachable}),
    APPLIED: frozenset({Applied, KeysReleased}),
    RELEASED: frozenset({Applied, ForceRequested}),
    FORCING: frozenset({Forced, ForceRequested}),
    FORCED: frozenset({Forced, ForceRequested, RedoDropped}),
    FINISHED: frozenset(),
    ABORTED: frozenset(),
}


@pytest.mark.parametrize("before", LEGAL, ids=lambda events: type(events[-1]).__name__
                         if events else "nothing")  # fmt: skip
@pytest.mark.parametrize("event", EVENTS, ids=str)
def test_what_can_happen_when(before: tuple[Event, ...], event: Event) -> None:
    transaction = after(*before)
    is_legal = type(event) in LEGAL[before] and (
        # It asked for an abort, and nobody can have committed it.
        (before, event) != (REFUSING, DecisionRecorded(COMMIT))
    )
    if is_legal:
        step(transaction, event)
        return
    with pytest.raises(StateConflict) as caught:
        step(transaction, event)
    assert caught.value.record == "transaction"


def test_every_kind_of_event_is_tried_and_can_happen() -> None:
    kinds = {type(event) for event in EVENTS}
    assert kinds == set(Event.__args__)
    assert kinds == frozenset().union(*LEGAL.values())


def test_nothing_equals_what_is_of_another_kind() -> None:
    alike: list[list[Hashable]] = [
        [kind() for kind in (HoldKeys, ReleaseKeys, DropRedo, KeysHeld, KeysRefused, KeysReleased)],
        [kind("a") for kind in (Prepare, Apply, Force, Applied, Unreachable, Forced)],
        [kind(Decision.COMMIT) for kind in (RecordDecision, DecisionRecorded)],
    ]
    for each in alike:
        assert len(set(each)) == len(each)


def test_without_voters_it_is_prepared_at_once() -> None:
    transaction, _ = begin((), (A,))
    assert step(transaction, KeysHeld())[1] == (RecordDecision(COMMIT),)


def test_without_writers_there_is_nothing_to_apply_or_force() -> None:
    """Such as the record of an idempotency key alone."""
    transaction = after(*HELD, Voted(A, True), writers=())
    transaction, effects = step(transaction, DecisionRecorded(COMMIT))
    assert effects == (ReleaseKeys(),)
    transaction, _ = step(transaction, KeysReleased())
    transaction, effects = step(transaction, ForceRequested())
    assert effects == (DropRedo(),)
    assert step(transaction, RedoDropped())[0].phase == "finished"


def test_what_was_committed_is_applied_again() -> None:
    transaction, effects = resume("committed", (A, B))
    assert (transaction.phase, effects) == ("committed", (Apply(A), Apply(B)))
    transaction, effects = step(transaction, Applied(A))
    assert effects == ()
    transaction, effects = step(transaction, Applied(B))
    assert effects == (ReleaseKeys(),)
    transaction, _ = step(transaction, KeysReleased())
    assert transaction.released
    assert step(transaction, ForceRequested())[1] == (Force(A), Force(B))


def test_what_was_applied_is_only_forced() -> None:
    transaction, effects = resume("applied", (A, B))
    assert (transaction.released, effects) == (True, ())
    assert step(transaction, ForceRequested())[1] == (Force(A), Force(B))


def test_what_was_committed_without_writes_is_only_released() -> None:
    assert resume("committed", ())[1] == (ReleaseKeys(),)


@pytest.mark.parametrize(("decision", "phase"), [(ABORT, "aborted"), (COMMIT, "committed")])
def test_what_was_undecided_is_aborted_unless_somebody_was_first(
    decision: Decision, phase: str
) -> None:
    transaction, effects = resume("planned", (A,))
    assert effects == (RecordDecision(ABORT),)
    transaction, _ = step(transaction, DecisionRecorded(decision))
    assert transaction.phase == phase
