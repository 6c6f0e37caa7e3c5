"""What the suites give to stores and journals, and the wrappers of the fault kit as a kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from pydantic_core import to_json

from faults.schedule import Schedule
from faults.wrappers import FaultyJournal, FaultyStore
from grove_sm.commit.contract import Holder, Journal, Participant
from grove_sm.commit.machine import Decision
from grove_sm.commit.record import Entry, make_entry
from grove_sm.commit.txid import make_txid
from grove_sm.operations.plan import IdempotencyKey, Plan, Write
from tests.groves import NOW, START
from tests.kinds.kind import Around, JournalKind, JournalPlace, Kind, StorePlace
from tests.kinds.sqlite import SQLITE

OpenStore = Callable[[], Participant]
OpenJournal = Callable[[], Journal]


def _wrapped_store(folder: Path, name: str) -> StorePlace:
    return Around(SQLITE.place(folder, name), lambda store: FaultyStore(store, name, Schedule()))


def _wrapped_journal(folder: Path, name: str) -> JournalPlace:
    assert SQLITE.journal is not None
    place = SQLITE.journal.place(folder, name)
    return Around(place, lambda journal: FaultyJournal(journal, Schedule()))


assert SQLITE.journal is not None
WRAPPED: Final = Kind(
    "wrapped", _wrapped_store, JournalKind(_wrapped_journal, SQLITE.journal.footprints)
)
"""The fault kit's wrappers, which must keep the contract while nothing goes wrong."""


def write(record_id: str, base: int = 0, *, collection: str = "claims", **fields: object) -> Write:
    """The write of a small document; `createdAt` is the same for all that do not say."""
    document = {"createdAt": NOW, "version": base + 1, **fields}
    return Write(collection, record_id, base, to_json(document).decode())


def entry(
    journal: Journal,
    name: str,
    *,
    keys: tuple[str, ...] = (),
    writes: tuple[Write, ...] = (),
    idempotency: IdempotencyKey | None = None,
    created_at: str = NOW,
) -> Entry:
    """A transaction of a journal's coordinator; by default it writes one claim and holds it."""
    writes = writes or (write(name),)
    keys = keys or tuple(f"key:{w.record_id}" for w in writes)
    return make_entry(
        Plan("test", writes, (), tuple(sorted(keys)), {"made": name}),
        txid=make_txid(START, journal.coordinator, name),
        coordinator=journal.coordinator,
        created_at=created_at,
        idempotency=idempotency,
    )


def idempotency_key(key: str, *, expires_at: str) -> IdempotencyKey:
    """A caller's key with one field."""
    return IdempotencyKey("role:coder", key, {"summary": "d1"}, expires_at)


def commit(journal: Journal, made: Entry) -> Entry:
    """Commit a transaction whose keys are free."""
    with journal.hold(made, one_append=True) as hold:
        assert hold.refused_by == ()
        hold.decide(Decision.COMMIT)
    assert hold.decision is Decision.COMMIT
    return made


def finish(journal: Journal, made: Entry) -> None:
    """Release a committed transaction, and have its redo dropped."""
    journal.release(made.txid)
    journal.flush()
    journal.finish([made.txid])


def txids(holders: tuple[Holder, ...]) -> list[str]:
    """Their ids."""
    return [holder.txid for holder in holders]
