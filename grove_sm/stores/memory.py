"""A store in this process's memory: for tests, and for work that need not outlive the process.

`memory://NAME` is shared by everything in the process that opens the same name, and is kept until
the process ends; `memory://` is private to whoever opened it.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from grove_sm.commit.redo import Verdict, heuristic, judge
from grove_sm.domain.errors import StoreUnavailable
from grove_sm.operations.layout import COLLECTIONS, field_of
from grove_sm.operations.plan import (
    Deleted,
    Expectation,
    Get,
    Heuristic,
    Read,
    Scanned,
    Stored,
    Write,
)

Tables = dict[str, dict[str, Stored | Deleted]]


class MemoryStore:
    """The `Participant` contract on dictionaries (see `grove_sm.commit.contract`).

    Args:
        name: the store's URL.
        tables: what it holds, and where it keeps it; shared by those who pass the same object.
        lock: guards `tables`.
    """

    local: Final = True

    def __init__(self, name: str, tables: Tables, lock: threading.RLock) -> None:
        self._name = name
        self._tables = tables
        self._lock = lock
        self._closed = False
        for collection in COLLECTIONS:
            tables.setdefault(collection, {})

    @property
    def name(self) -> str:
        return self._name

    def read(self, read: Read) -> tuple[Stored, ...]:
        if isinstance(read, Get):
            with self._opened() as tables:
                stored = tables[read.collection].get(read.record_id)
            return (stored,) if isinstance(stored, Stored) else ()
        found = self.page(read.collection, read.where, None)
        return found[-1:] if read.newest else found

    def page(
        self,
        collection: str,
        where: Sequence[tuple[str, str]],
        limit: int | None,
        after: Stored | None = None,
    ) -> tuple[Stored, ...]:
        def place(record: Stored) -> tuple[str, str]:
            return field_of(collection, record.document, "createdAt"), record.record_id

        with self._opened() as tables:
            kept = tuple(tables[collection].values())
        records = [record for record in kept if isinstance(record, Stored)]
        found = [record for record in records if _matches(collection, record, where)]
        if after is not None:
            found = [record for record in found if place(record) > place(after)]
        found.sort(key=place)
        return tuple(found[:limit])

    def validate(self, expectations: Sequence[Expectation]) -> bool:
        with self._opened() as tables:
            return all(
                tuple((record.record_id, record.revision) for record in self.read(read)) == found
                and not (isinstance(read, Get) and _is_deleted(tables, read))
                for read, found in expectations
            )

    def apply(self, txid: str, members: str, writes: Sequence[Write]) -> tuple[Heuristic, ...]:
        outcomes: list[Heuristic] = []
        with self._opened() as tables:
            for write in writes:
                table = tables[write.collection]
                found = table.get(write.record_id)
                match judge(write, txid, found):
                    case Verdict.APPLY:
                        table[write.record_id] = _written(write, txid, members)
                    case Verdict.FOREIGN:
                        outcomes.append(heuristic(write, txid, found, self._name))
                    case Verdict.ALREADY:
                        pass
        return tuple(outcomes)

    @contextmanager
    def together(self) -> Iterator[None]:
        with self._opened() as tables:
            before = {name: dict(table) for name, table in tables.items()}
            try:
                yield
            except BaseException:
                for name, table in before.items():
                    tables[name] = table
                raise

    def redo(self) -> AbstractContextManager[None]:
        return self.together()

    def force(self) -> None:
        with self._opened():
            pass

    def trim(self) -> None:
        pass

    @contextmanager
    def snapshot(self) -> Iterator["MemorySnapshot"]:
        with self._opened() as tables:
            view = MemorySnapshot({name: dict(table) for name, table in tables.items()})
        yield view

    def close(self) -> None:
        self._closed = True

    @contextmanager
    def _opened(self) -> Iterator[Tables]:
        if self._closed:
            raise StoreUnavailable(store=self._name, reason="it has been closed")
        with self._lock:
            yield self._tables


class MemorySnapshot:
    """The `Snapshot` contract: a copy."""

    def __init__(self, tables: Mapping[str, Mapping[str, Stored | Deleted]]) -> None:
        self._tables = tables

    def scan(self, collection: str) -> Sequence[Scanned]:
        return sorted(
            self._tables[collection].values(),
            key=lambda record: (isinstance(record, Deleted), record.record_id),
        )


def _written(write: Write, txid: str, members: str) -> Stored | Deleted:
    """What stands in the place of a record once a write is applied."""
    if write.document is None:
        return Deleted(write.record_id, write.revision, txid, members)
    return Stored(write.record_id, write.revision, txid, members, write.document)


def _is_deleted(tables: Tables, read: Get) -> bool:
    return isinstance(tables[read.collection].get(read.record_id), Deleted)


def _matches(collection: str, record: Stored, where: Sequence[tuple[str, str]]) -> bool:
    return all(field_of(collection, record.document, field) == value for field, value in where)
