"""The kinds of store and journal that the suites run over, and what they are given.

A kind makes a place in a folder; calling the place opens it once more, as another process would.
A new kind is one more line here.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from threading import RLock
from typing import Final

from pydantic_core import to_json

from faults.schedule import Schedule
from faults.wrappers import FaultyJournal, FaultyStore
from grove_sm.commit.contract import Holder, Journal, Participant
from grove_sm.commit.machine import Decision
from grove_sm.commit.record import Entry, make_entry
from grove_sm.commit.txid import make_txid
from grove_sm.journal.memory import MemoryJournal, MemoryJournalData
from grove_sm.journal.sqlite import SQLiteJournal
from grove_sm.operations.plan import IdempotencyKey, Plan, Write
from grove_sm.postgres.url import PostgresUrl
from grove_sm.stores.memory import MemoryStore, Tables
from grove_sm.stores.postgres import PostgresStore
from grove_sm.stores.sqlite import SQLiteStore
from tests.groves import NOW, START
from tests.servers.postgres import new_schema

StorePlace = Callable[[], Participant]
JournalPlace = Callable[[], Journal]

BUSY_TIMEOUT: Final = 5.0


def _memory_store(folder: Path) -> StorePlace:
    tables: Tables = {}
    lock = RLock()
    return lambda: MemoryStore(f"memory://{folder.name}", tables, lock)


def _sqlite_store(folder: Path) -> StorePlace:
    return lambda: SQLiteStore(folder / "store.db", busy_timeout=BUSY_TIMEOUT)


def _memory_journal(folder: Path) -> JournalPlace:
    data = MemoryJournalData()
    return lambda: MemoryJournal(f"memory://{folder.name}", data, patience=BUSY_TIMEOUT)


def _sqlite_journal(folder: Path) -> JournalPlace:
    return lambda: SQLiteJournal(folder / "journal.db", opened_at=NOW, busy_timeout=BUSY_TIMEOUT)


def _postgres_store(folder: Path) -> StorePlace:
    url = PostgresUrl.parse(new_schema(), setting="store")
    return lambda: PostgresStore(url, timeout=BUSY_TIMEOUT)


def _wrapped_store(folder: Path) -> StorePlace:
    """The fault kit's wrapper, which must keep the contract while nothing goes wrong."""
    place = _sqlite_store(folder)
    return lambda: FaultyStore(place(), "store", Schedule())


def _wrapped_journal(folder: Path) -> JournalPlace:
    place = _sqlite_journal(folder)
    return lambda: FaultyJournal(place(), Schedule())


STORE_KINDS: Final[Mapping[str, Callable[[Path], StorePlace]]] = {
    "memory": _memory_store,
    "sqlite": _sqlite_store,
    "postgres": _postgres_store,
    "wrapped": _wrapped_store,
}

JOURNAL_KINDS: Final[Mapping[str, Callable[[Path], JournalPlace]]] = {
    "memory": _memory_journal,
    "sqlite": _sqlite_journal,
    "wrapped": _wrapped_journal,
}


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
