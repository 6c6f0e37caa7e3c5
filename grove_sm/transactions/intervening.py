"""What an operator may do about what transactions left, each recorded for good in the journal."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from grove_sm.commit.contract import Recounted
from grove_sm.commit.coordinator import Coordinator
from grove_sm.commit.housekeeping import finish
from grove_sm.commit.intervention import Intervention, is_whole, require_unresolved
from grove_sm.commit.record import members_of
from grove_sm.domain.arguments import limit_argument, name_argument, text_argument
from grove_sm.domain.errors import NotFound, StateConflict, StoreUnavailable, ValidationError
from grove_sm.operations.plan import Deleted, Heuristic, Stored
from grove_sm.operations.resolving import ResolveRequest, plan_resolve
from grove_sm.transactions.standing import Standing, places_of, read_standing
from grove_sm.transactions.story import (
    HeuristicOutcome,
    Story,
    Transaction,
    ignore,
    list_heuristics,
    list_transactions,
    tell,
)

CHOICES: Final = ("keep", "write")


class Transactions:
    """The transactions that the journal knows of, and what an operator may do about them."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._journal = coordinator.journal
        self._places = places_of(coordinator.participants)

    def list(self, *, limit: int = 20) -> list[Transaction]:
        """The newest transactions, newest first. Raises ValidationError; StoreUnavailable."""
        limit_argument(limit)
        return list_transactions(self._journal, limit)

    def get(self, txid: str, /) -> Story:
        """A transaction's story: its states, its keys, and its part in each store.

        Raises ValidationError if it is no transaction id; NotFound if the journal has no record
        of it, or no longer; StoreUnavailable if the journal cannot be read.
        """
        return tell(self._journal, self._places, text_argument("txid", txid))

    def heuristics(self, *, resolved: bool = False) -> tuple[HeuristicOutcome, ...]:
        """The heuristic outcomes that wait for an operator; with `resolved`, all there ever were.

        Raises StoreUnavailable if the journal cannot be read.
        """
        found = list_heuristics(self._journal, self._places)
        return tuple(each for each in found if resolved or each.resolved is None)

    def resolve(self, outcome: HeuristicOutcome, choice: str, *, by: str) -> HeuristicOutcome:
        """Resolve a heuristic outcome, as `heuristics` has told it.

        After that audit no longer reports it, and who did what, and when, is in the journal for
        good. Where this was cut off, it may be repeated.

        Args:
            outcome: which; also what was seen to stand in the record's place.
            choice: `keep` takes what stands there, whatever it is; `write` writes what the
                transaction had meant to, in a transaction of its own.
            by: whoever decides so.

        Raises ValidationError; NotFound if there is no such outcome; StateConflict if it has been
        resolved, if something else stands there than was seen, if an unfinished transaction may
        still write there, or if what was meant cannot be written; StoreUnavailable; Corrupt if
        what stands there cannot be read, and OutcomeUnknown, with `write`.
        """
        name_argument("by", by)
        if choice not in CHOICES:
            raise ValidationError(
                field="choice", rule=f"must be one of {', '.join(CHOICES)}", value=choice
            )
        recorded = self._recorded(outcome)
        self._require_settled(outcome)
        written_by = self._write(recorded, outcome) if choice == "write" else None
        self._journal.intervene(
            Intervention(
                recorded.txid,
                "write" if choice == "write" else "keep",
                by,
                self._coordinator.now(),
                recorded,
                written_by,
            )
        )
        return next(
            each
            for each in list_heuristics(self._journal, self._places)
            if each.resolved is not None and _is_on_same(each, recorded)
        )

    def discard(self, txid: str, /, *, by: str) -> Story:
        """Let go of an unfinished transaction whose record in the journal is damaged.

        What it holds is free after that, and what it has not written yet, it never will. It counts
        as committed if its record had got so far or a store shows any of it, and then each part
        that no store shows is left as a heuristic outcome, to be resolved like others; otherwise
        it counts as aborted. Who did it, and when, is in the journal for good.

        Returns its story after that. Raises ValidationError; NotFound if there is no such
        unfinished transaction; StateConflict if its record is whole, so that recovery brings it to
        its end, or if its coordinator lives and may do so; StoreUnavailable or Corrupt if a store
        cannot tell which of it is there.
        """
        name_argument("by", by)
        known = self._discardable(text_argument("txid", txid))
        parts = known.members or self._parts_in_stores(txid)
        missing = [outcome for outcome in map(partial(self._missed, known), parts) if outcome]
        self._journal.discard(
            Intervention(txid, "discard", by, self._coordinator.now(), reason=str(known.damage)),
            missing,
            has_effect=len(missing) < len(parts),
        )
        return self.get(txid)

    def _recorded(self, outcome: HeuristicOutcome) -> Heuristic:
        """The outcome as the journal has it. Raises NotFound; StateConflict if it is resolved."""
        for recorded in self._journal.heuristics(ignore):
            if _is_on_same(outcome, recorded):
                return recorded
        sought = Heuristic(
            outcome.txid, outcome.store, outcome.collection, outcome.record_id, "", ""
        )
        require_unresolved(sought, self._journal.interventions(ignore))
        raise NotFound(record=f"heuristic outcome of {outcome.txid} on {outcome.record}")

    def _require_settled(self, outcome: HeuristicOutcome) -> None:
        """Raises StateConflict if what was decided may yet be written over what stands there.

        That is so where the record was put back behind what is not durable in its store yet: to
        apply that again would then look like the first time.
        """
        finish(self._coordinator)
        for holder in self._journal.unfinished():
            known = self._journal.recount(holder.txid)
            members = known.members if known else ()
            if members is None:
                reason = (
                    f"transaction {holder.txid} may still write there, but its record is damaged; "
                    f"let go of it first"
                )
                raise StateConflict(record=outcome.record, reason=reason)
            for collection, record_id, revision in members:
                is_there = (collection, record_id) == (outcome.collection, outcome.record_id)
                if is_there and revision > (outcome.revision or 0):
                    reason = f"transaction {holder.txid} may still write there; try again later"
                    raise StateConflict(record=outcome.record, reason=reason)

    def _write(self, recorded: Heuristic, outcome: HeuristicOutcome) -> str | None:
        """Write what was meant; the transaction that did, if there was anything to write."""
        if recorded.write is None:
            reason = "what was to be written there is not known; set it right, then keep it"
            raise StateConflict(record=outcome.record, reason=reason)
        standing = self._read(outcome.collection, outcome.record_id)
        if standing.is_deleted:
            if recorded.write.document is None:
                return None
            reason = "it has been deleted, and what is deleted is never written again"
            raise StateConflict(record=outcome.record, reason=reason)
        request = ResolveRequest(recorded.write, outcome.revision)
        done = self._coordinator.execute(
            partial(plan_resolve, request), now=self._coordinator.now()
        )
        # So that what is told of it next is what stands there now.
        self._coordinator.applier.catch_up()
        return done.txid

    def _discardable(self, txid: str) -> Recounted:
        holder = next((h for h in self._journal.unfinished() if h.txid == txid), None)
        known = self._journal.recount(txid)
        if holder is None or known is None:
            raise NotFound(record=f"unfinished transaction {txid}")
        if known.damage is None:
            raise is_whole(txid)
        is_ours = holder.coordinator == self._journal.coordinator
        is_at_work = self._coordinator.applier.has(txid) if is_ours else None
        if is_at_work or (not is_ours and self._journal.is_alive(holder.coordinator)):
            opener = self._journal.opener(holder.coordinator)
            process = f", process {opener.process} on {opener.host}," if opener else ""
            reason = f"its coordinator {holder.coordinator}{process} lives; end that first"
            raise StateConflict(record=f"transaction {txid}", reason=reason)
        return known

    def _parts_in_stores(self, txid: str) -> Sequence[tuple[str, str, int]]:
        """What a transaction wrote, from whatever it left in any store; nothing, if it left none.

        Every part names all of them.
        """
        for collection, store in self._coordinator.participants.items():
            with store.snapshot() as view:
                for found in view.scan(collection):
                    if isinstance(found, Stored | Deleted) and found.txid == txid:
                        return members_of(found.members)
        return ()

    def _missed(self, known: Recounted, part: tuple[str, str, int]) -> Heuristic | None:
        """The outcome of a part that its store does not show; None if it does."""
        collection, record_id, revision = part
        standing = self._read(collection, record_id)
        writes = known.redo.writes if known.redo else ()
        write = next((w for w in writes if (w.collection, w.record_id) == part[:2]), None)
        if standing.revision is None or standing.revision > revision:
            return None
        if standing.revision == revision and (
            standing.txid == known.txid or (write and standing.document == write.document)
        ):
            return None
        return Heuristic(
            known.txid,
            self._coordinator.participants[collection].name,
            collection,
            record_id,
            f"revision {revision - 1}" if revision > 1 else "no record",
            standing.words,
            write,
        )

    def _read(self, collection: str, record_id: str) -> Standing:
        """What stands in a record's place. Raises StoreUnavailable or Corrupt."""
        store = self._coordinator.participants.get(collection)
        if store is None:
            reason = "the settings name no store for its collection"
            raise StoreUnavailable(store=f"{collection} {record_id}", reason=reason)
        return self._coordinator.applier.reach(
            store.name, lambda reached: read_standing(reached, collection, record_id)
        )


def _is_on_same(outcome: HeuristicOutcome, recorded: Heuristic) -> bool:
    """Whether both are of the same transaction on the same record."""
    return (outcome.txid, outcome.store, outcome.collection, outcome.record_id) == recorded[:4]
