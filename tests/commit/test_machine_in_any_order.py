"""Whatever a driver tells the machine, in whatever order: what it must never ask for."""

from hypothesis import given
from hypothesis import strategies as st

from grove_sm.commit.machine import (
    Applied,
    Apply,
    Decision,
    DecisionRecorded,
    DropRedo,
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
beginnings: st.SearchStrategy[Step] = st.one_of(
    st.builds(begin, parties, parties),
    st.builds(resume, st.sampled_from(["planned", "committed", "applied"]), parties),
)


class Witness:
    """Believes only what it has seen, and holds every effect against it."""

    def __init__(self, beginning: Step) -> None:
        self.transaction, effects = beginning
        self.is_new = self.transaction.phase == "planned"
        self.decision = Decision.COMMIT if self.transaction.phase == "committed" else None
        self.is_held = False
        self.yes: set[str] = set()
        self.no = False
        self.applied: set[str] = set()
        self.forced: set[str] = set()
        self.force_asked = False
        self.drop_asked = False
        self.released = False
        self._judge(effects)

    def tell(self, event: Event) -> None:
        before = self.transaction
        try:
            self.transaction, effects = step(before, event)
        except StateConflict:
            return
        self._note(event)
        self._judge(effects)
        if before.phase in ("aborted", "finished"):
            raise AssertionError(f"{event} after the end")
        if self.transaction.phase == "finished":
            assert self.drop_asked, "finished without its redo having been dropped"
        if self.transaction.phase == "aborted":
            assert self.decision is not Decision.COMMIT
        if self.transaction.phase in ("committed", "finished"):
            assert self.decision is Decision.COMMIT

    def _note(self, event: Event) -> None:
        match event:
            case KeysHeld():
                self.is_held = True
            case Voted(participant, yes):
                self.no |= not yes and self.decision is None and not self._all_voted()
                if yes:
                    self.yes.add(participant)
            case DecisionRecorded(decision):
                assert self.decision in (None, decision), "the decision changed"
                self.decision = decision
            case Applied(participant):
                self.applied.add(participant)
            case KeysReleased():
                self.released = True
            case ForceRequested():
                self.forced = set()
                self.force_asked = True
            case Forced(participant):
                self.forced.add(participant)
            case _:
                pass

    def _all_voted(self) -> bool:
        return self.yes >= set(self.transaction.voters)

    def _judge(self, effects: tuple[object, ...]) -> None:
        writers = set(self.transaction.writers)
        for effect in effects:
            match effect:
                case RecordDecision(Decision.COMMIT):
                    assert self.is_new
                    assert self.is_held, "asked for a commit without its keys"
                    assert self._all_voted(), "asked for a commit without its votes"
                    assert not self.no, "asked for a commit in spite of a vote"
                case Apply(participant):
                    assert self.decision is Decision.COMMIT, "applied without a commit"
                    assert participant in writers
                case ReleaseKeys():
                    assert self.applied >= writers, "released before it was applied"
                case Force(participant):
                    assert self.released, "forced before it was released"
                    assert participant in writers
                case DropRedo():
                    assert self.force_asked
                    assert self.forced >= writers, "redo dropped before it was durable"
                    self.drop_asked = True
                case _:
                    pass


@given(beginnings, st.lists(events, max_size=40))
def test_no_order_of_events_breaks_a_promise(beginning: Step, told: list[Event]) -> None:
    witness = Witness(beginning)
    for event in told:
        witness.tell(event)


@given(st.data())
def test_nor_does_an_order_that_mostly_goes_on(data: st.DataObject) -> None:
    """Random events seldom get far: here most of them are answers to what was asked."""
    witness = Witness(data.draw(beginnings))
    for _ in range(data.draw(st.integers(0, 40))):
        can_happen = [event for event in EVERY_EVENT if _is_legal(witness, event)]
        likely = st.sampled_from(can_happen) if can_happen else events
        witness.tell(data.draw(st.one_of(likely, likely, likely, events)))


EVERY_EVENT: tuple[Event, ...] = (
    KeysHeld(),
    *(Voted(name, True) for name in NAMES),
    *(Voted(name, False) for name in NAMES[:1]),
    DecisionRecorded(Decision.COMMIT),
    DecisionRecorded(Decision.ABORT),
    *(Applied(name) for name in NAMES),
    KeysReleased(),
    ForceRequested(),
    *(Forced(name) for name in NAMES),
    RedoDropped(),
)


def _is_legal(witness: Witness, event: Event) -> bool:
    try:
        step(witness.transaction, event)
    except StateConflict:
        return False
    return True
