"""Whatever a driver tells the machine, in whatever order: what it must never ask for."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    KeysHeld,
    KeysRefused,
    KeysReleased,
    RecordDecision,
    RedoDropped,
    ReleaseKeys,
    Step,
    Transaction,
    Unreachable,
    Voted,
    begin,
    resume,
    step,
)
from grove_sm.domain.errors import StateConflict

NAMES = ("a", "b", "c")
parties = st.lists(st.sampled_from(NAMES), unique=True).map(tuple)
names = st.sampled_from(NAMES)
events: st.SearchStrategy[Event] = st.one_of(
    st.just(KeysHeld()),
    st.just(KeysRefused()),
    st.builds(Voted, names, st.booleans()),
    st.builds(DecisionRecorded, st.sampled_from(Decision)),
    st.builds(Applied, names),
    st.builds(Unreachable, names),
    st.just(KeysReleased()),
    st.just(ForceRequested()),
    st.builds(Forced, names),
    st.just(RedoDropped()),
)


class Beginning(NamedTuple):
    """A transaction as it is new, or as it is taken up in a state that the journal tells."""

    step: Step
    state: str = "new"

    @classmethod
    def new(cls, voters: tuple[str, ...], writers: tuple[str, ...]) -> "Beginning":
        return cls(begin(voters, writers))

    @classmethod
    def taken_up(cls, state: str, writers: tuple[str, ...]) -> "Beginning":
        return cls(resume(state, writers), state)


beginnings: st.SearchStrategy[Beginning] = st.one_of(
    st.builds(Beginning.new, parties, parties),
    st.builds(Beginning.taken_up, st.sampled_from(["planned", "committed", "applied"]), parties),
)


class Witness(NamedTuple):
    """Believes only what it has seen, and holds every effect against it."""

    transaction: Transaction
    is_new: bool
    decision: Decision | None = None
    is_held: bool = False
    yes: frozenset[str] = frozenset()
    was_refused: bool = False
    applied: frozenset[str] = frozenset()
    is_released: bool = False
    forced: frozenset[str] | None = None
    may_drop: bool = False

    @classmethod
    def of(cls, beginning: Beginning) -> "Witness":
        transaction, effects = beginning.step
        is_applied = beginning.state == "applied"
        witness = cls(
            transaction,
            is_new=beginning.state == "new",
            decision=Decision.COMMIT if is_applied or beginning.state == "committed" else None,
            applied=frozenset(transaction.writers if is_applied else ()),
            is_released=is_applied,
        )
        return witness.judge(effects)

    def tell(self, event: Event) -> "Witness":
        """Itself after an event. Raises AssertionError for a broken promise."""
        try:
            transaction, effects = step(self.transaction, event)
        except StateConflict:
            return self
        phase = transaction.phase
        assert self.transaction.phase not in ("aborted", "finished"), "an event after the end"
        after = self._replace(transaction=transaction).note(event).judge(effects)
        assert phase != "finished" or after.may_drop, "finished with its redo"
        assert phase != "aborted" or after.decision is not Decision.COMMIT
        assert phase not in ("committed", "finished") or after.decision is Decision.COMMIT
        return after

    def note(self, event: Event) -> "Witness":
        seen: dict[str, object] = {}
        match event:
            case KeysHeld():
                seen = {"is_held": True}
            case Voted(participant, True):
                seen = {"yes": self.yes | {participant}}
            case Voted(_, False):
                seen = {"was_refused": self.was_refused or not self.all_voted}
            case DecisionRecorded(decision):
                assert self.decision in (None, decision), "the decision changed"
                seen = {"decision": decision}
            case Applied(participant):
                seen = {"applied": self.applied | {participant}}
            case KeysReleased():
                seen = {"is_released": True}
            case ForceRequested():
                seen = {"forced": frozenset(), "may_drop": False}
            case Forced(participant):
                assert self.forced is not None
                seen = {"forced": self.forced | {participant}}
            case _:
                pass
        return self._replace(**seen)  # type: ignore[arg-type]

    @property
    def all_voted(self) -> bool:
        return self.yes >= set(self.transaction.voters)

    def judge(self, effects: tuple[Effect, ...]) -> "Witness":
        writers = set(self.transaction.writers)
        may_drop = self.may_drop
        for effect in effects:
            match effect:
                case RecordDecision(Decision.COMMIT):
                    assert self.is_new
                    assert self.is_held, "asked for a commit without its keys"
                    assert self.all_voted, "asked for a commit without its votes"
                    assert not self.was_refused, "asked for a commit in spite of a vote"
                case Apply(participant):
                    assert self.decision is Decision.COMMIT, "applied without a commit"
                    assert participant in writers
                case ReleaseKeys():
                    assert self.applied >= writers, "released before it was applied"
                case Force(participant):
                    assert self.is_released, "forced before it was released"
                    assert participant in writers
                case DropRedo():
                    assert self.forced is not None
                    assert self.forced >= writers, "redo dropped before it was durable"
                    may_drop = True
                case _:
                    pass
        return self._replace(may_drop=may_drop)


@given(beginnings, st.lists(events, max_size=40))
def test_no_order_of_events_breaks_a_promise(beginning: Beginning, told: list[Event]) -> None:
    witness = Witness.of(beginning)
    for event in told:
        witness = witness.tell(event)


EVERY_EVENT: tuple[Event, ...] = (
    KeysHeld(),
    KeysRefused(),
    *(Voted(name, yes) for name in NAMES for yes in (True, False)),
    *(DecisionRecorded(decision) for decision in Decision),
    *(Applied(name) for name in NAMES),
    *(Unreachable(name) for name in NAMES),
    KeysReleased(),
    ForceRequested(),
    *(Forced(name) for name in NAMES),
    RedoDropped(),
)
BEGINNINGS = {
    "one store": Beginning.new(("a",), ("a",)),
    "two stores": Beginning.new(("a", "b"), ("a", "b")),
    "other writers than voters": Beginning.new(("a", "b"), ("b", "c")),
    "no voters": Beginning.new((), ("a", "b")),
    "no writers": Beginning.new(("a",), ()),
    "undecided": Beginning.taken_up("planned", ("a", "b")),
    "committed": Beginning.taken_up("committed", ("a", "b", "c")),
    "applied": Beginning.taken_up("applied", ("a", "b")),
}


@pytest.mark.parametrize("beginning", BEGINNINGS.values(), ids=BEGINNINGS)
def test_no_order_of_any_length_does(beginning: Beginning) -> None:
    """Every state that any events can lead to, and every event in it."""
    start = Witness.of(beginning)
    seen, unexplored = {start}, [start]
    while unexplored:
        witness = unexplored.pop()
        for event in EVERY_EVENT:
            after = witness.tell(event)
            if after not in seen:
                seen.add(after)
                unexplored.append(after)
    ends = {witness.transaction.phase for witness in seen} & {"aborted", "finished"}
    assert ends == ({"finished"} if start.decision else {"aborted", "finished"})
