"""The two-phase commit protocol as a pure machine: `step(transaction, event) -> next, effects`.

It does no I/O. Its driver executes each effect and feeds what came of it back as an event, so the
same machine serves a live coordinator, recovery after its death, and a test that tries every
crash. Terms are those of Gray & Reuter, "Transaction Processing" (1993), and X/Open XA.

    planned -> prepared -> committed -> finished
         \\-> aborted <-/

One rule carries the protocol's weight: **what the journal answered is the decision**. A
coordinator asks for an outcome with `RecordDecision`, and believes only `DecisionRecorded`, which
may name the other outcome when somebody else was first (presumed abort by a recovery, or a commit
that had already been recorded).
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

from grove_sm.domain.errors import StateConflict
from grove_sm.lifecycles import TRANSACTION, advance


class Decision(Enum):
    """The outcome of a transaction; the journal holds at most one for each."""

    COMMIT = "commit"
    ABORT = "abort"


# Effects: what the driver is to do.


class HoldKeys(NamedTuple):
    """Hold the transaction's keys in the journal, all or none."""


class Prepare(NamedTuple):
    """Ask a participant whether the preconditions on its records hold."""

    participant: str


class RecordDecision(NamedTuple):
    """Ask the journal, durably, for this outcome; it answers with the one that stands."""

    decision: Decision


class Apply(NamedTuple):
    """Have a participant make its part of the redo visible; need not be durable yet."""

    participant: str


class ReleaseKeys(NamedTuple):
    """Every participant shows the writes: mark so in the journal, let go of the keys."""


class Force(NamedTuple):
    """Make everything that a participant has applied durable."""

    participant: str


class DropRedo(NamedTuple):
    """Every participant holds the writes durably: the journal no longer needs them."""


Effect = HoldKeys | Prepare | RecordDecision | Apply | ReleaseKeys | Force | DropRedo


# Events: what came of it.


class KeysHeld(NamedTuple):
    """The keys are held by this transaction."""


class KeysRefused(NamedTuple):
    """Another transaction holds one of the keys; this one holds none."""


class Voted(NamedTuple):
    """A participant's vote: whether its preconditions hold."""

    participant: str
    yes: bool


class DecisionRecorded(NamedTuple):
    """The journal's answer: the one outcome of this transaction."""

    decision: Decision


class Applied(NamedTuple):
    """A participant shows its part of the writes."""

    participant: str


class Unreachable(NamedTuple):
    """A participant could not apply its part now; whoever comes next will."""

    participant: str


class KeysReleased(NamedTuple):
    """The journal no longer holds keys for this transaction."""


class ForceRequested(NamedTuple):
    """It is time to make applied writes durable."""


class Forced(NamedTuple):
    """A participant's applied writes are durable."""

    participant: str


class RedoDropped(NamedTuple):
    """The journal has finished with this transaction."""


Event = (
    KeysHeld
    | KeysRefused
    | Voted
    | DecisionRecorded
    | Applied
    | Unreachable
    | KeysReleased
    | ForceRequested
    | Forced
    | RedoDropped
)


class Transaction(NamedTuple):
    """A transaction as its driver knows it.

    `voters` are the participants whose records it relied on, `writers` those it writes to;
    `waiting` are those whose answer to the current round (votes, applies, forces) is outstanding.
    `released` tells that its keys are free again.
    """

    phase: str
    voters: tuple[str, ...]
    writers: tuple[str, ...]
    waiting: frozenset[str]
    released: bool


Step = tuple[Transaction, tuple[Effect, ...]]


def begin(voters: tuple[str, ...], writers: tuple[str, ...]) -> Step:
    """A new transaction over these participants, and the first thing to do."""
    return Transaction("planned", voters, writers, frozenset(voters), False), (HoldKeys(),)


def resume(state: str, writers: tuple[str, ...]) -> Step:
    """A transaction as the journal tells it when somebody else takes it up, and what to do.

    The choice depends on the journal alone: undecided means aborted, committed means applied.
    Writes marked applied are applied again, since the mark may have outlived them in a power cut.

    Args:
        state: `planned`, `committed` or `applied`, as `grove_sm.commit.contract.Holder` has it.
        writers: the participants it writes to.
    """
    if state == "planned":
        # Its coordinator may have got as far as prepared: in doubt until the journal answers.
        in_doubt = Transaction("prepared", (), writers, frozenset(), False)
        return in_doubt, (RecordDecision(Decision.ABORT),)
    committed = Transaction("committed", (), writers, frozenset(writers), state == "applied")
    return committed, _apply_all(writers)


def step(transaction: Transaction, event: Event) -> Step:
    """What a transaction becomes by an event, and what is to be done now.

    Raises StateConflict for an event that cannot happen in the transaction's phase; the driver
    that sent it is then broken, and nothing may be done on its word.
    """
    handle = _HANDLERS.get((transaction.phase, type(event)))
    if handle is None:
        raise StateConflict(
            record="transaction",
            reason=f"{type(event).__name__} cannot happen while it is {transaction.phase}",
        )
    return handle(transaction, event)


def _move(
    transaction: Transaction, trigger: str, waiting: frozenset[str] = frozenset()
) -> Transaction:
    phase, voters, writers, _, released = transaction
    return Transaction(advance(TRANSACTION, phase, trigger), voters, writers, waiting, released)


def _await(
    transaction: Transaction, waiting: frozenset[str], *, released: bool = False
) -> Transaction:
    phase, voters, writers, _, was_released = transaction
    return Transaction(phase, voters, writers, waiting, was_released or released)


def _keys_held(transaction: Transaction, _: KeysHeld) -> Step:
    if not transaction.voters:
        return _prepared(transaction)
    return transaction, tuple(Prepare(participant) for participant in transaction.voters)


def _keys_refused(transaction: Transaction, _: KeysRefused) -> Step:
    return _move(transaction, "abort"), ()


def _prepared(transaction: Transaction) -> Step:
    return _move(transaction, "prepare"), (RecordDecision(Decision.COMMIT),)


def _voted(transaction: Transaction, event: Voted) -> Step:
    if not event.yes:
        return _await(transaction, frozenset()), (RecordDecision(Decision.ABORT),)
    transaction, was_last = _answered(transaction, event.participant)
    return _prepared(transaction) if was_last else (transaction, ())


def _decided_unprepared(transaction: Transaction, event: DecisionRecorded) -> Step:
    if event.decision is Decision.COMMIT:
        raise StateConflict(record="transaction", reason="it was committed without its votes")
    return _move(transaction, "abort"), ()


def _decided(transaction: Transaction, event: DecisionRecorded) -> Step:
    if event.decision is Decision.ABORT:
        return _move(transaction, "abort"), ()
    writers = transaction.writers
    return _move(transaction, "commit", frozenset(writers)), _apply_all(writers)


def _apply_all(writers: tuple[str, ...]) -> tuple[Effect, ...]:
    return tuple(Apply(participant) for participant in writers) or (ReleaseKeys(),)


def _applied(transaction: Transaction, event: Applied) -> Step:
    transaction, was_last = _answered(transaction, event.participant)
    return transaction, (ReleaseKeys(),) if was_last else ()


def _unreachable(transaction: Transaction, _: Unreachable) -> Step:
    return transaction, ()


def _keys_released(transaction: Transaction, _: KeysReleased) -> Step:
    if transaction.waiting:
        raise StateConflict(record="transaction", reason="keys released before every apply")
    return _await(transaction, transaction.waiting, released=True), ()


def _force_requested(transaction: Transaction, _: ForceRequested) -> Step:
    if not transaction.released:
        raise StateConflict(record="transaction", reason="forced before it was applied")
    writers = transaction.writers
    effects = tuple(Force(participant) for participant in writers) or (DropRedo(),)
    return _await(transaction, frozenset(writers)), effects


def _forced(transaction: Transaction, event: Forced) -> Step:
    transaction, was_last = _answered(transaction, event.participant)
    return transaction, (DropRedo(),) if was_last else ()


def _redo_dropped(transaction: Transaction, _: RedoDropped) -> Step:
    if transaction.waiting or not transaction.released:
        raise StateConflict(record="transaction", reason="redo dropped before it was durable")
    return _move(transaction, "finish"), ()


def _answered(transaction: Transaction, participant: str) -> tuple[Transaction, bool]:
    """Note an answer; a repeated one changes nothing and is never the last."""
    if participant not in transaction.waiting:
        return transaction, False
    waiting = transaction.waiting - {participant}
    return _await(transaction, waiting), not waiting


_HANDLERS: Final[Mapping[tuple[str, type[Event]], Callable[[Transaction, Any], Step]]] = {
    ("planned", KeysHeld): _keys_held,
    ("planned", KeysRefused): _keys_refused,
    ("planned", Voted): _voted,
    ("planned", DecisionRecorded): _decided_unprepared,
    ("prepared", DecisionRecorded): _decided,
    ("committed", Applied): _applied,
    ("committed", Unreachable): _unreachable,
    ("committed", KeysReleased): _keys_released,
    ("committed", ForceRequested): _force_requested,
    ("committed", Forced): _forced,
    ("committed", RedoDropped): _redo_dropped,
}
