"""A store and a journal whose effects a schedule sees; the ones inside do not know.

Reads are no effects: a fault just before or after one is a fault between two effects. Only a
blackout meets them.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Final

from faults.schedule import NoAnswer, Schedule
from grove_sm.commit.contract import Hold, Holder, Journal, Participant, Snapshot
from grove_sm.commit.intervention import Intervention
from grove_sm.commit.machine import Decision
from grove_sm.commit.passing import PassesOn
from grove_sm.commit.record import Entry, Recorded
from grove_sm.domain.errors import OutcomeUnknown
from grove_sm.operations.plan import Expectation, Heuristic, Read, Stored, Write
from grove_sm.operations.query import Place, Query

JOURNAL: Final = "journal"
"""How faults call the journal, as a place beside the labels of the stores."""

COORDINATORS: Final = "coordinators"
"""How faults call the locks by which coordinators are known to live."""


class FaultyStore:
    """The `Participant` contract around another participant.

    Effects: `validate LABEL`, `apply LABEL`, `together LABEL` and `redo LABEL` (the
    end of such a block), `force LABEL`, `trim LABEL`.

    Args:
        inner: what it is around.
        label: how effects call it.
        schedule: what sees its effects.
        local: what `local` answers instead of the inner one; False makes a transaction hold its
            keys by a record of its own before the decision.
    """

    def __init__(
        self, inner: Participant, label: str, schedule: Schedule, *, local: bool | None = None
    ) -> None:
        self._inner = inner
        self.label = label
        self._schedule = schedule
        self._local = inner.local if local is None else local

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def local(self) -> bool:
        return self._local

    def read(self, read: Read) -> tuple[Stored, ...]:
        self._schedule.look(self.label)
        return self._inner.read(read)

    def page(
        self, query: Query, limit: int | None, after: Place | None = None
    ) -> tuple[Stored, ...]:
        self._schedule.look(self.label)
        return self._inner.page(query, limit, after)

    def counts(self, query: Query, by: str) -> Mapping[str, int]:
        self._schedule.look(self.label)
        return self._inner.counts(query, by)

    def validate(self, expectations: Sequence[Expectation]) -> bool:
        return self._schedule.run(
            f"validate {self.label}", partial(self._inner.validate, expectations)
        )

    def apply(self, txid: str, members: str, writes: Sequence[Write]) -> tuple[Heuristic, ...]:
        return self._schedule.run(
            f"apply {self.label}", partial(self._inner.apply, txid, members, writes)
        )

    @contextmanager
    def together(self) -> Iterator[None]:
        with self._inner.together():
            yield
            ending = self._schedule.begin(f"together {self.label}")
        self._schedule.end(ending)

    @contextmanager
    def redo(self) -> Iterator[None]:
        with self._inner.redo():
            yield
            ending = self._schedule.begin(f"redo {self.label}")
        self._schedule.end(ending)

    def force(self) -> None:
        self._schedule.run(f"force {self.label}", self._inner.force)

    def trim(self) -> None:
        self._schedule.run(f"trim {self.label}", self._inner.trim)

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        self._schedule.look(self.label)
        return self._inner.snapshot()

    def close(self) -> None:
        self._inner.close()


class FaultyHold:
    """The `Hold` contract around another hold. Effect: `decide`.

    Attributes:
        is_commit_asked: whether it was asked to commit.
    """

    def __init__(self, inner: Hold, schedule: Schedule) -> None:
        self._inner = inner
        self._schedule = schedule
        self.is_commit_asked = False

    @property
    def refused_by(self) -> tuple[Holder, ...]:
        return self._inner.refused_by

    @property
    def recorded(self) -> Recorded | None:
        return self._inner.recorded

    def decide(self, decision: Decision) -> None:
        with self._schedule.around(f"decide {decision.value}"):
            self._inner.decide(decision)
        self.is_commit_asked = decision is Decision.COMMIT

    @property
    def decision(self) -> Decision:
        return self._inner.decision


@contextmanager
def _unknown_if(is_at_stake: bool, txid: str) -> Iterator[None]:
    """Where a decision to commit is at stake, no answer means that its outcome is unknown."""
    try:
        yield
    except NoAnswer as error:
        if not is_at_stake:
            raise
        raise OutcomeUnknown(txid=txid, reason=error.reason) from error


class FaultyJournal(PassesOn):
    """The `Journal` contract around another journal.

    Effects: `hold`, `leave` (which records the decision), `abort`, `release`, `finish`, `note`,
    `intervene`, `discard`, `flush`, `trim`, `forget`.

    Args:
        inner: what it is around.
        schedule: what sees its effects.
        believed_dead: coordinators that it takes for dead, whether they are or not.
    """

    def __init__(
        self, inner: Journal, schedule: Schedule, *, believed_dead: Collection[int] = ()
    ) -> None:
        self._inner = inner
        self._schedule = schedule
        self._believed_dead = believed_dead

    @property
    def _reached(self) -> Journal:
        self._schedule.look(JOURNAL)
        return self._inner

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def coordinator(self) -> int:
        return self._inner.coordinator

    def is_alive(self, coordinator: int) -> bool:
        self._schedule.look(COORDINATORS)
        return coordinator not in self._believed_dead and self._inner.is_alive(coordinator)

    def has_company(self) -> bool:
        self._schedule.look(JOURNAL)
        self._schedule.look(COORDINATORS)
        return self._inner.has_company()

    @contextmanager
    def hold(self, entry: Entry, *, one_append: bool) -> Iterator[FaultyHold]:
        holding = self._schedule.begin("hold", enters=one_append)
        # A crash leaves the inner block as an exception would: nothing is decided.
        with self._inner.hold(entry, one_append=one_append) as hold:
            self._schedule.end(holding)
            wrapped = FaultyHold(hold, self._schedule)
            yield wrapped
            with _unknown_if(wrapped.is_commit_asked, entry.txid):
                leaving = self._schedule.begin("leave")
        with _unknown_if(wrapped.is_commit_asked, entry.txid):
            self._schedule.end(leaving)

    def unapplied(self) -> tuple[Holder, ...]:
        self._schedule.look(JOURNAL)
        return self._inner.unapplied()

    def load(self, txid: str) -> Entry | None:
        self._schedule.look(JOURNAL)
        return self._inner.load(txid)

    def abort(self, txid: str) -> Decision:
        return self._schedule.run("abort", partial(self._inner.abort, txid))

    def release(self, txid: str) -> None:
        self._schedule.run("release", partial(self._inner.release, txid))

    def unfinished(self) -> tuple[Holder, ...]:
        self._schedule.look(JOURNAL)
        return self._inner.unfinished()

    def finish(self, txids: Sequence[str]) -> None:
        self._schedule.run("finish", partial(self._inner.finish, txids))

    def note(self, heuristics: Sequence[Heuristic]) -> None:
        self._schedule.run("note", partial(self._inner.note, heuristics))

    def intervene(self, intervention: Intervention) -> None:
        self._schedule.run("intervene", partial(self._inner.intervene, intervention))

    def discard(
        self, intervention: Intervention, heuristics: Sequence[Heuristic], *, has_effect: bool
    ) -> None:
        discard = partial(self._inner.discard, intervention, heuristics, has_effect=has_effect)
        self._schedule.run("discard", discard)

    def recall(self, record_id: str, now: str) -> Recorded | None:
        self._schedule.look(JOURNAL)
        return self._inner.recall(record_id, now)

    def outcome(self, txid: str) -> Decision | None:
        self._schedule.look(JOURNAL)
        return self._inner.outcome(txid)

    def history(self, limit: int) -> tuple[tuple[str, str, Entry | None], ...]:
        self._schedule.look(JOURNAL)
        return self._inner.history(limit)

    def flush(self) -> None:
        self._schedule.run("flush", self._inner.flush)

    def trim(self) -> None:
        self._schedule.run("trim", self._inner.trim)

    def forget(self, before: str) -> None:
        self._schedule.run("forget", partial(self._inner.forget, before))

    def close(self) -> None:
        self._inner.close()


def wrap_stores(
    stores: Mapping[str, Participant],
    label: Callable[[str], str],
    schedule: Schedule,
    *,
    local: bool | None = None,
) -> dict[str, FaultyStore]:
    """A wrapper around the store of each collection; one and the same where they share one.

    `label` tells what effects call the store of a collection.
    """
    wrapped: dict[int, FaultyStore] = {}
    for collection, store in stores.items():
        if id(store) not in wrapped:
            wrapped[id(store)] = FaultyStore(store, label(collection), schedule, local=local)
    return {collection: wrapped[id(store)] for collection, store in stores.items()}
