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
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal, NamedTuple

from grove_sm.domain.errors import StateConflict
from grove_sm.lifecycles import TRANSACTION, advance


class Decision(Enum):
    """The outcome of a transaction; the journal holds at most one for each."""

    COMMIT = "commit"
    ABORT = "abort"


# Effects: what the driver is to do. Those of different kinds are never equal, as tuples would be.


@dataclass(frozen=True, slots=True)
class HoldKeys:
    """Hold the transaction's keys in the journal, all or none."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Ask a participant whether the preconditions on its records hold."""

    participant: str


@dataclass(frozen=True, slots=True)
class RecordDecision:
    """Ask the journal, durably, for this outcome; it answers with the one that stands."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class Apply:
    """Have a participant make its part of the redo visible; need not be durable yet."""

    participant: str


@dataclass(frozen=True, slots=True)
class ReleaseKeys:
    """Every participant shows the writes: mark so in the journal, let go of the keys."""


@dataclass(frozen=True, slots=True)
class Force:
    """Make everything that a participant has applied durable."""

    participant: str


@dataclass(frozen=True, slots=True)
class DropRedo:
    """Every participant holds the writes durably: the journal no longer needs them."""


Effect = HoldKeys | Prepare | RecordDecision | Apply | ReleaseKeys | Force | DropRedo


# Events: what came of it.


@dataclass(frozen=True, slots=True)
class KeysHeld:
    """The keys are held by this transaction."""


@dataclass(frozen=True, slots=True)
class KeysRefused:
    """Another transaction holds one of the keys; this one holds none."""


@dataclass(frozen=True, slots=True)
class Voted:
    """A participant's vote: whether its preconditions hold."""

    participant: str
    yes: bool


@dataclass(frozen=True, slots=True)
class DecisionRecorded:
    """The journal's answer: the one outcome of this transaction."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class Applied:
    """A participant shows its part of the writes."""

    participant: str


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A participant could not apply its part now; whoever comes next will."""

    participant: str


@dataclass(frozen=True, slots=True)
class KeysReleased:
    """The journal no longer holds keys for this transaction."""


@dataclass(frozen=True, slots=True)
class ForceRequested:
    """It is time to make applied writes durable."""


@dataclass(frozen=True, slots=True)
class Forced:
    """A participant's applied writes are durable."""

    participant: str


@dataclass(frozen=True, slots=True)
class RedoDropped:
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


Round = Literal["hold", "vote", "decide", "apply", "release", "force", "drop", "rest"]
"""What a transaction awaits an answer to; `rest` if nothing is outstanding."""


class Transaction(NamedTuple):
    """A transaction as its driver knows it.

    `voters` are the participants whose records it relied on, `writers` those it writes to;
    `waiting` are those whose answer to the current `round` is outstanding.
    """

    phase: str
    round: Round
    voters: tuple[str, ...]
    writers: tuple[str, ...]
    waiting: frozenset[str] = frozenset()

    @property
    def released(self) -> bool:
        """Whether every participant shows the writes and the keys are free again."""
        return self.phase == "committed" and self.round in ("rest", "force", "drop")


Step = tuple[Transaction, tuple[Effect, ...]]


def begin(voters: tuple[str, ...], writers: tuple[str, ...]) -> Step:
    """A new transaction over these participants, and the first thing to do."""
    return Transaction("planned", "hold", voters, writers), (HoldKeys(),)


def resume(state: str, writers: tuple[str, ...]) -> Step:
    """A transaction as the journal tells it when somebody else takes it up, and what to do.

    The choice depends on the journal alone: undecided means aborted, committed means applied, and
    what is marked applied has only to be forced. (A journal takes back marks that may have outlived
    the writes in a power cut; see `grove_sm.commit.contract.Journal`.)

    Args:
        state: `planned`, `committed` or `applied`, as `grove_sm.commit.contract.Holder` has it.
        writers: the participants it writes to.
    """
    if state == "planned":
        # Its coordinator may have got as far as prepared: in doubt until the journal answers.
        in_doubt = Transaction("prepared", "decide", (), writers)
        return in_doubt, (RecordDecision(Decision.ABORT),)
    if state == "applied":
        return Transaction("committed", "rest", (), writers), ()
    return _apply_all(Transaction("committed", "apply", (), writers))


def step(transaction: Transaction, event: Event) -> Step:
    """What a transaction becomes by an event, and what is to be done now.

    An answer that was already taken changes nothing. Raises StateConflict for an event that
    cannot happen in the transaction's phase and round; the driver that sent it is then broken,
    and nothing may be done on its word.
    """
    handle = _HANDLERS.get((transaction.phase, transaction.round, type(event)))
    if handle is None:
        raise StateConflict(
            record="transaction",
            reason=f"{type(event).__name__} cannot happen while it is {transaction.phase} "
            f"(round: {transaction.round})",
        )
    return handle(transaction, event)


def _move(transaction: Transaction, trigger: str, round_: Round) -> Transaction:
    phase = advance(TRANSACTION, transaction.phase, trigger)
    return Transaction(phase, round_, transaction.voters, transaction.writers)


def _turn(
    transaction: Transaction, round_: Round, waiting: frozenset[str] = frozenset()
) -> Transaction:
    return transaction._replace(round=round_, waiting=waiting)


def _keys_held(transaction: Transaction, _: KeysHeld) -> Step:
    voters = transaction.voters
    if not voters:
        return _prepared(transaction)
    effects = tuple(Prepare(participant) for participant in voters)
    return _turn(transaction, "vote", frozenset(voters)), effects


def _keys_refused(transaction: Transaction, _: KeysRefused) -> Step:
    return _move(transaction, "abort", "rest"), ()


def _prepared(transaction: Transaction) -> Step:
    return _move(transaction, "prepare", "decide"), (RecordDecision(Decision.COMMIT),)


def _voted(transaction: Transaction, event: Voted) -> Step:
    if not event.yes:
        return _turn(transaction, "decide"), (RecordDecision(Decision.ABORT),)
    transaction, was_last = _answered(transaction, event.participant)
    return _prepared(transaction) if was_last else (transaction, ())


def _decided_unprepared(transaction: Transaction, event: DecisionRecorded) -> Step:
    if event.decision is Decision.COMMIT:
        raise StateConflict(record="transaction", reason="it was committed without its votes")
    return _move(transaction, "abort", "rest"), ()


def _decided(transaction: Transaction, event: DecisionRecorded) -> Step:
    if event.decision is Decision.ABORT:
        return _move(transaction, "abort", "rest"), ()
    return _apply_all(_move(transaction, "commit", "apply"))


def _apply_all(transaction: Transaction) -> Step:
    writers = transaction.writers
    if not writers:
        return _turn(transaction, "release"), (ReleaseKeys(),)
    effects = tuple(Apply(participant) for participant in writers)
    return _turn(transaction, "apply", frozenset(writers)), effects


def _applied(transaction: Transaction, event: Applied) -> Step:
    transaction, was_last = _answered(transaction, event.participant)
    return (_turn(transaction, "release"), (ReleaseKeys(),)) if was_last else (transaction, ())


def _keys_released(transaction: Transaction, _: KeysReleased) -> Step:
    return _turn(transaction, "rest"), ()


def _force_requested(transaction: Transaction, _: ForceRequested) -> Step:
    writers = transaction.writers
    if not writers:
        return _turn(transaction, "drop"), (DropRedo(),)
    effects = tuple(Force(participant) for participant in writers)
    return _turn(transaction, "force", frozenset(writers)), effects


def _forced(transaction: Transaction, event: Forced) -> Step:
    transaction, was_last = _answered(transaction, event.participant)
    return (_turn(transaction, "drop"), (DropRedo(),)) if was_last else (transaction, ())


def _redo_dropped(transaction: Transaction, _: RedoDropped) -> Step:
    return _move(transaction, "finish", "rest"), ()


def _unchanged(transaction: Transaction, _: Event) -> Step:
    return transaction, ()


def _answered(transaction: Transaction, participant: str) -> tuple[Transaction, bool]:
    """Note an answer; a repeated one changes nothing and is never the last."""
    if participant not in transaction.waiting:
        return transaction, False
    waiting = transaction.waiting - {participant}
    return transaction._replace(waiting=waiting), not waiting


_Handler = Callable[[Transaction, Any], Step]

_HANDLERS: Final[Mapping[tuple[str, Round, type[Event]], _Handler]] = {
    ("planned", "hold", KeysHeld): _keys_held,
    ("planned", "hold", KeysRefused): _keys_refused,
    ("planned", "vote", Voted): _voted,
    ("planned", "decide", Voted): _unchanged,
    ("planned", "decide", DecisionRecorded): _decided_unprepared,
    ("prepared", "decide", Voted): _unchanged,
    ("prepared", "decide", DecisionRecorded): _decided,
    ("committed", "apply", Applied): _applied,
    ("committed", "apply", Unreachable): _unchanged,
    ("committed", "release", Applied): _unchanged,
    ("committed", "release", KeysReleased): _keys_released,
    ("committed", "rest", Applied): _unchanged,
    ("committed", "rest", ForceRequested): _force_requested,
    ("committed", "force", Forced): _forced,
    # Not every participant could be forced the last time.
    ("committed", "force", ForceRequested): _force_requested,
    # The journal could not be written the last time.
    ("committed", "drop", ForceRequested): _force_requested,
    ("committed", "drop", Forced): _unchanged,
    ("committed", "drop", RedoDropped): _redo_dropped,
}
