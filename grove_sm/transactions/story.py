"""What an operator is told of a transaction: from the journal, and from each store it writes to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from grove_sm.commit.contract import Journal, Recounted
from grove_sm.commit.intervention import Intervention
from grove_sm.commit.txid import coordinator_of, is_before
from grove_sm.domain.errors import Corrupt, NotFound, ValidationError
from grove_sm.domain.values import parse_time
from grove_sm.operations.audit import Accounted
from grove_sm.operations.plan import Heuristic, Write
from grove_sm.transactions.standing import Places, look, parsed

_OUTCOMES: Final = {"planned": "undecided", "aborted": "aborted"}
_MOMENT: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction in a list.

    `state` is `planned`, `committed`, `applied`, `finished` or `aborted`; `operation` and
    `created_at` are None where its record is damaged. `coordinator` is the number of the process's
    coordinator that made it, and `coordinator_lives` whether that still lives.
    """

    txid: str
    state: str
    operation: str | None
    created_at: str | None
    coordinator: int
    coordinator_lives: bool


@dataclass(frozen=True, slots=True)
class StateReached:
    """When a transaction came to a state."""

    state: str
    at: str


@dataclass(frozen=True, slots=True)
class Part:
    """A record that a transaction writes, and whether its store shows that.

    Attributes:
        revision: the record's revision by this transaction.
        store: the store's URL; None if the settings name none.
        shows: whether this, or what a later transaction made of it, is there; None if the store
            cannot tell now.
        found: in words, what is there.
        document: what the transaction writes, as long as the journal keeps it.
    """

    collection: str
    record_id: str
    revision: int
    store: str | None
    shows: bool | None
    found: str
    document: Any


@dataclass(frozen=True, slots=True)
class Intervened:
    """What an operator did about a transaction, by whom and when.

    `action` is `keep` or `write`, about a heuristic outcome on `record`, or `discard`, about the
    transaction's damaged record in the journal, for the `reason` told. `written_by` is the
    transaction that wrote what this one had meant, if anything had to be written.
    """

    action: str
    by: str
    at: str
    record: str | None
    written_by: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class HeuristicOutcome:
    """A committed write that did not take effect, since other software had been at its record.

    Attributes:
        store: the URL of the store.
        expected: what it was to replace, in words.
        found: what it met instead, in words.
        meant: the document that it was to write; None if it was to delete the record, or that is
            not known any more.
        is_deletion: whether it was to delete the record.
        stands: what is in its place now, in words; `standing` is the document, if there is one,
            and `revision` its revision: 0 if there is no record, None if that cannot be told.
        resolved: what an operator has done about it.
    """

    txid: str
    store: str
    collection: str
    record_id: str
    expected: str
    found: str
    meant: Any
    is_deletion: bool
    stands: str
    standing: Any
    revision: int | None
    resolved: Intervened | None

    @property
    def record(self) -> str:
        """The record, as a person names it."""
        return f"{self.collection} {self.record_id}"


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of a transaction.

    Attributes:
        state, operation, created_at, coordinator, coordinator_lives: as in `Transaction`.
        outcome: `committed`, `aborted`, or `undecided`.
        times: when it came to each state, in order, as far as that is known.
        host, process, coordinator_since: where its coordinator runs or ran, and since when; None
            once that is forgotten.
        holds_keys: whether it still holds its `keys`.
        keys: the families that it holds or held.
        writes: each record that it writes, and whether its store shows it.
        damage: what of its record in the journal could not be read.
        heuristics: its heuristic outcomes, resolved ones too.
        interventions: what operators did about it.
    """

    txid: str
    state: str
    outcome: str
    operation: str | None
    created_at: str | None
    times: tuple[StateReached, ...]
    coordinator: int
    coordinator_lives: bool
    host: str | None
    process: int | None
    coordinator_since: str | None
    holds_keys: bool
    keys: tuple[str, ...]
    writes: tuple[Part, ...]
    damage: str | None
    heuristics: tuple[HeuristicOutcome, ...]
    interventions: tuple[Intervened, ...]


def list_transactions(journal: Journal, limit: int) -> list[Transaction]:
    """The newest transactions, newest first."""
    return [
        Transaction(
            txid=txid,
            state=state,
            operation=entry.operation if entry else None,
            created_at=entry.created_at if entry else None,
            coordinator=entry.coordinator if entry else _coordinator(txid),
            coordinator_lives=journal.is_alive(entry.coordinator if entry else _coordinator(txid)),
        )
        for txid, state, entry in journal.history(limit)
    ]


def tell(journal: Journal, places: Places, txid: str) -> Story:
    """A transaction's story, as it is now; nothing is changed by telling it.

    Raises NotFound if the journal has no record of it; ValidationError if it is no id, either.
    """
    known = journal.recount(txid)
    if known is None:
        coordinator_of(txid)
        reason = "the journal has no record of it: it has not committed, or that was long ago"
        raise NotFound(record=f"transaction {txid}", reason=reason)
    opener = journal.opener(known.coordinator)
    outcomes = tuple(
        outcome for outcome in list_heuristics(journal, places) if outcome.txid == txid
    )
    return Story(
        txid=txid,
        state=known.state,
        outcome=_OUTCOMES.get(known.state, "committed"),
        operation=known.entry.operation if known.entry else None,
        created_at=known.entry.created_at if known.entry else None,
        times=tuple(StateReached(state, at) for state, at in known.times),
        coordinator=known.coordinator,
        coordinator_lives=journal.is_alive(known.coordinator),
        host=opener.host if opener else None,
        process=opener.process if opener else None,
        coordinator_since=opener.opened_at if opener else None,
        holds_keys=known.state not in ("applied", "finished", "aborted"),
        keys=known.keys or (),
        writes=tuple(_parts(known, places, outcomes)),
        damage=known.damage.message if known.damage else None,
        heuristics=outcomes,
        interventions=tuple(
            _intervened(each) for each in journal.interventions(ignore) if each.txid == txid
        ),
    )


def list_heuristics(journal: Journal, places: Places) -> Iterator[HeuristicOutcome]:
    """Every heuristic outcome, and what stands in its place now: unresolved ones first."""
    for outcome in journal.heuristics(ignore):
        yield _told(outcome, places, None)
    for each in journal.interventions(ignore):
        if each.outcome is not None:
            yield _told(each.outcome, places, _intervened(each))


def accounted_for(
    heuristics: Iterable[Heuristic], interventions: Iterable[Intervention]
) -> Accounted:
    """Whether it is known why a transaction's part may not be there: for an audit.

    By the outcomes that nobody has resolved, and what operators did, in order. That is so while an
    outcome on the record waits for an operator, and for what was decided before one was resolved:
    what stood or was written there then was chosen over all of that.
    """
    waiting = {(each.collection, each.record_id) for each in heuristics}
    resolved: dict[tuple[str, str], datetime] = {}
    own: set[tuple[str, str, str]] = set()
    for each in interventions:
        if each.outcome is not None:
            place = each.outcome.collection, each.outcome.record_id
            # The last one on a record is the latest.
            resolved[place] = parse_time(each.at) + _MOMENT
            own.add((each.txid, *place))

    def is_accounted_for(txid: str, collection: str, record_id: str) -> bool:
        place = collection, record_id
        return (
            place in waiting
            or (txid, *place) in own
            or (place in resolved and is_before(txid, resolved[place]))
        )

    return is_accounted_for


def _told(outcome: Heuristic, places: Places, resolved: Intervened | None) -> HeuristicOutcome:
    standing = look(places, outcome.collection, outcome.record_id)
    meant = outcome.write
    return HeuristicOutcome(
        txid=outcome.txid,
        store=outcome.store,
        collection=outcome.collection,
        record_id=outcome.record_id,
        expected=outcome.expected,
        found=outcome.found,
        meant=parsed(meant.document) if meant else None,
        is_deletion=meant is not None and meant.document is None,
        stands=standing.words,
        standing=parsed(standing.document),
        revision=standing.revision,
        resolved=resolved,
    )


def _intervened(each: Intervention) -> Intervened:
    return Intervened(
        action=each.action,
        by=each.by,
        at=each.at,
        record=each.outcome.record if each.outcome else None,
        written_by=each.written_by,
        reason=each.reason or None,
    )


def _parts(
    known: Recounted, places: Places, outcomes: Sequence[HeuristicOutcome]
) -> Iterator[Part]:
    writes: Mapping[tuple[str, str], Write] = {
        (write.collection, write.record_id): write
        for write in (known.redo.writes if known.redo else ())
    }
    # None of these is there, unless an operator has written it.
    missed = {
        (outcome.collection, outcome.record_id)
        for outcome in outcomes
        if outcome.resolved is None or outcome.resolved.action == "keep"
    }
    written = {(outcome.collection, outcome.record_id) for outcome in outcomes} - missed
    for collection, record_id, revision in known.members or ():
        place = collection, record_id
        standing = look(places, collection, record_id)
        shows: bool | None = standing.is_deleted or None
        if standing.revision is not None:
            is_theirs = standing.txid != known.txid and place in missed
            shows = place in written or (
                standing.revision > revision or (standing.revision == revision and not is_theirs)
            )
        write = writes.get(place)
        yield Part(
            collection=collection,
            record_id=record_id,
            revision=revision,
            store=places[collection].name if collection in places else None,
            shows=shows,
            found=standing.words,
            document=parsed(write.document) if write else None,
        )


def _coordinator(txid: str) -> int:
    """Whoever made an id; nobody, if it is damaged."""
    try:
        return coordinator_of(txid)
    except ValidationError:
        return 0


def ignore(_: Corrupt) -> None:
    """Whoever audits is told."""
