"""Contracts on the commit machine."""

from collections.abc import Callable
from typing import Final

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
    Round,
    Step,
    Transaction,
    Unreachable,
    Voted,
    begin,
    resume,
    step,
)
from grove_sm.domain.errors import StateConflict
from models.contracts.choices import chosen, settled
from models.contracts.registry import contract, getter

STORES: Final = ("a", "b", "c")
PLACES: Final[tuple[tuple[str, Round], ...]] = (
    ("planned", "hold"),
    ("planned", "vote"),
    ("planned", "decide"),
    ("prepared", "decide"),
    ("committed", "apply"),
    ("committed", "release"),
    ("committed", "rest"),
    ("committed", "force"),
    ("committed", "drop"),
    ("aborted", "rest"),
    ("finished", "rest"),
)
"""Each phase with what can be outstanding in it."""

OF_A_STORE: Final[tuple[Callable[[str], Event], ...]] = (
    lambda store: Voted(store, yes=True),
    lambda store: Voted(store, yes=False),
    Applied,
    Unreachable,
    Forced,
)
OF_NONE: Final[tuple[Event, ...]] = (
    KeysHeld(),
    KeysRefused(),
    DecisionRecorded(Decision.COMMIT),
    DecisionRecorded(Decision.ABORT),
    KeysReleased(),
    ForceRequested(),
    RedoDropped(),
)
EVENTS: Final = len(OF_NONE) + len(OF_A_STORE)


def _event(number: int, store: int) -> Event:
    made = chosen((*OF_NONE, *OF_A_STORE), number)
    return made(chosen(STORES, store)) if callable(made) else made


def _some(a: bool, b: bool, c: bool = False) -> tuple[str, ...]:
    return tuple(store for store, is_in in zip(STORES, (a, b, c), strict=True) if is_in)


def _in(place: int, waiting: tuple[str, ...] = ()) -> Transaction:
    """A transaction of two stores that waits for these of them."""
    return Transaction(*chosen(PLACES, place), STORES[:2], STORES[:2], frozenset(waiting))


def _stepped(before: Transaction, told: Event) -> Step | None:
    """The machine's next step; None if it refuses the event."""
    with settled():
        try:
            return step(before, told)
        except StateConflict:
            return None


def _named(effects: tuple[Effect, ...]) -> list[tuple[str, Effect]]:
    """Effects with their kinds, without which those that say no more are equal."""
    return [(type(effect).__name__, effect) for effect in effects]


@contract(step)
def the_journal_alone_decides(place: int, event: int, store: int) -> bool:
    """A transaction is committed only by the journal's answer to one that was prepared, and aborted
    only by the journal's answer or for keys that it never held; once it is either, it stays so.

    pre: 0 <= place < len(PLACES) and 0 <= event < EVENTS and 0 <= store < 2
    post: _
    """
    before, told = _in(place, STORES[:2]), _event(event, store)
    stepped = _stepped(before, told)
    if stepped is None or stepped[0].phase == before.phase:
        return True
    answer = told.decision if isinstance(told, DecisionRecorded) else None
    is_abort = answer is Decision.ABORT
    may = {
        ("planned", "prepared"): isinstance(told, KeysHeld | Voted),
        ("prepared", "committed"): answer is Decision.COMMIT,
        ("planned", "aborted"): is_abort or isinstance(told, KeysRefused),
        ("prepared", "aborted"): is_abort,
        ("committed", "finished"): isinstance(told, RedoDropped) and before.round == "drop",
    }
    return may.get((before.phase, stepped[0].phase), False)


@contract(step)
def nothing_happens_after_the_end(end: int, event: int, store: int) -> bool:
    """Every event is refused once a transaction is aborted or finished.

    pre: 9 <= end < 11 and 0 <= event < EVENTS and 0 <= store < 2
    post: _
    """
    return _stepped(_in(end), _event(event, store)) is None


@contract(step)
def a_commit_is_asked_for_with_every_vote(
    place: int, event: int, has_voters: bool, a_waits: bool, b_waits: bool
) -> bool:
    """The journal is asked to commit only when the last vote that was missing is yes, or when the
    keys are held and nobody has to vote; an abort is asked for at the first no.

    pre: 0 <= place < len(PLACES) and 0 <= event < EVENTS
    post: _
    """
    told = _event(event, 0)
    if _stepped(_in(place, STORES[:2]), told) is None:
        return True
    before = _in(place, _some(a_waits, b_waits))
    if not has_voters:
        before = before._replace(voters=())
    stepped = _stepped(before, told)
    assert stepped is not None, "whether an event can happen depends on who is waited for"
    after, effects = stepped
    asked = [effect.decision for effect in effects if isinstance(effect, RecordDecision)]
    expected: list[Decision] = []
    if isinstance(told, KeysHeld) and not before.voters:
        expected = [Decision.COMMIT]
    elif isinstance(told, Voted) and before.round == "vote":
        if not told.yes:
            expected = [Decision.ABORT]
        elif before.waiting == {told.participant}:
            expected = [Decision.COMMIT]
    return asked == expected and (not asked or after.round == "decide")


@contract(step)
def effects_wait_for_what_they_rest_on(
    place: int, event: int, writers: int, a_waits: bool, b_waits: bool
) -> bool:
    """Nothing is applied before the decision to commit; keys are let go of when the last store has
    applied, stores are forced after that, and the redo is dropped when the last is forced.

    pre: 0 <= place < len(PLACES) and 0 <= event < EVENTS and 0 <= writers < 3
    post: _
    """
    told = _event(event, 0)
    if _stepped(_in(place, STORES[:2]), told) is None:
        return True
    all_writers = STORES[: chosen(range(3), writers)]
    waiting = tuple(name for name in _some(a_waits, b_waits) if name in all_writers)
    before = _in(place, waiting)._replace(writers=all_writers)
    stepped = _stepped(before, told)
    assert stepped is not None, "whether an event can happen depends on who is waited for"
    after, effects = stepped
    return all(_may(effect, before, told, after) for effect in effects)


def _may(effect: Effect, before: Transaction, told: Event, after: Transaction) -> bool:
    is_commit = isinstance(told, DecisionRecorded) and told.decision is Decision.COMMIT
    is_time = isinstance(told, ForceRequested) and before.released
    is_last = isinstance(told, Applied | Forced) and before.waiting == {told.participant}
    may = False
    match effect:
        case Prepare(participant):
            may = isinstance(told, KeysHeld) and participant in before.voters
        case RecordDecision():
            may = before.phase == "planned"
        case Apply(participant):
            may = is_commit and after.phase == "committed" and participant in before.writers
        case ReleaseKeys():
            may = (is_commit and not before.writers) or (before.round == "apply" and is_last)
        case Force(participant):
            may = is_time and participant in before.writers
        case DropRedo():
            may = (is_time and not before.writers) or (before.round == "force" and is_last)
    return may


@contract(step)
def an_answer_counts_once(place: int, event: int, store: int) -> bool:
    """An answer that was taken changes nothing, and that a store cannot be reached neither.

    pre: 0 <= place < len(PLACES) and len(OF_NONE) <= event < EVENTS and 0 <= store < 2
    post: _
    """
    told = _event(event, store)
    before = _in(place, STORES[:2] if isinstance(told, Unreachable) else ())
    is_first_no = isinstance(told, Voted) and not told.yes and before.round == "vote"
    return _stepped(before, told) in (None, (before, ())) or is_first_no


@contract(step)
def every_answer_is_waited_for(place: int, store: int, a_waits: bool, b_waits: bool) -> bool:
    """An answer crosses off who gave it and nobody else, until nobody is left and it goes on.

    pre: place in (1, 4, 7) and 0 <= store < 2
    post: _
    """
    before = _in(place, _some(a_waits, b_waits))
    name = chosen(STORES, store)
    answers: dict[str, Event] = {
        "vote": Voted(name, yes=True),
        "apply": Applied(name),
        "force": Forced(name),
    }
    stepped = _stepped(before, answers[before.round])
    assert stepped is not None, "it refuses an answer that it waits for"
    after, effects = stepped
    left = before.waiting - {name}
    if left or before.waiting == left:
        return after == before._replace(waiting=left) and effects == ()
    return after.round != before.round and after.waiting == frozenset() and len(effects) == 1


@contract(begin)
def a_new_transaction_only_holds_its_keys(
    a_votes: bool, b_votes: bool, a_writes: bool, b_writes: bool
) -> bool:
    """A new transaction is undecided, waits for its keys, and has asked for nothing else.

    post: _
    """
    voters, writers = _some(a_votes, b_votes), _some(a_writes, b_writes)
    transaction, effects = begin(voters, writers)
    return _named(effects) == _named((HoldKeys(),)) and transaction == Transaction(
        "planned", "hold", voters, writers
    )


@contract(resume)
def recovery_chooses_by_the_journal_alone(state: int, a: bool, b: bool, c: bool) -> bool:
    """What is undecided is asked to be aborted, and nothing else; what is committed is applied in
    each store that it writes to; and what is applied has only to be forced.

    pre: 0 <= state < 3
    post: _
    """
    found, writers = chosen(("planned", "committed", "applied"), state), _some(a, b, c)
    transaction, effects = resume(found, writers)
    assert (transaction, effects) == resume(found, writers), "it depends on something else"
    assert transaction.writers == writers
    if found == "planned":
        is_undecided = transaction.phase == "prepared" and transaction.round == "decide"
        return is_undecided and effects == (RecordDecision(Decision.ABORT),)
    assert transaction.phase == "committed"
    if found == "applied":
        return effects == () and transaction.released
    applies = tuple(Apply(store) for store in writers) or (ReleaseKeys(),)
    return _named(effects) == _named(applies) and transaction.waiting == frozenset(writers)


@contract(resume, step)
def what_recovery_aborts_the_journal_may_have_committed(decision: bool, a: bool, b: bool) -> bool:
    """Recovery that asks for an abort takes the journal's answer for what it is, either way.

    post: _
    """
    writers = _some(a, b)
    undecided, _ = resume("planned", writers)
    stands = chosen((Decision.COMMIT, Decision.ABORT), decision)
    stepped = _stepped(undecided, DecisionRecorded(stands))
    if stands is Decision.COMMIT:
        return stepped == resume("committed", writers)
    return stepped is not None and stepped[0].phase == "aborted" and stepped[1] == ()


@contract(getter(Transaction.released))
def released_is_past_every_apply(place: int) -> bool:
    """A transaction counts as released once its keys were let go of, and not before.

    pre: 0 <= place < len(PLACES)
    post: _
    """
    transaction = _in(place)
    return transaction.released == (
        transaction.phase == "committed" and transaction.round not in ("apply", "release")
    )
