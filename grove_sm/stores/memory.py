"""A store in this process's memory: for tests, and for work that need not outlive the process.

`memory://NAME` is shared by everything in the process that opens the same name, and is kept until
the process ends; `memory://` is private to whoever opened it.
"""

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import Any, Final

from grove_sm.blocking import in_pieces
from grove_sm.commit.redo import Verdict, heuristic, judge, written
from grove_sm.domain.errors import StoreUnavailable
from grove_sm.operations.layout import COLLECTIONS
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
from grove_sm.operations.query import Place, Query, admits, place_of, values_of

Tables = dict[str, dict[str, Stored | Deleted]]

# Every query goes through all there is; reading it takes longer than comparing.
_parsed: Final = lru_cache(maxsize=10_000)(json.loads)


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
        with self._opened() as tables:
            return MemorySnapshot(tables).read(read)

    def page(
        self, query: Query, limit: int | None, after: Place | None = None
    ) -> tuple[Stored, ...]:
        with self._opened() as tables:
            return MemorySnapshot(tables).page(query, limit, after)

    def counts(self, query: Query, by: str) -> Mapping[str, int]:
        with self._opened() as tables:
            return MemorySnapshot(tables).counts(query, by)

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
                        table[write.record_id] = written(write, txid, members)
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
    """The `Snapshot` contract on tables that nobody changes; goes through all that they hold."""

    def __init__(self, tables: Mapping[str, Mapping[str, Stored | Deleted]]) -> None:
        self._tables = tables

    def read(self, read: Read) -> tuple[Stored, ...]:
        if isinstance(read, Get):
            stored = self._tables[read.collection].get(read.record_id)
            return (stored,) if isinstance(stored, Stored) else ()
        limit = 1 if read.newest else None
        return self.page(Query(read.collection, read.where, newest_first=read.newest), limit)

    def page(
        self, query: Query, limit: int | None, after: Place | None = None
    ) -> tuple[Stored, ...]:
        found = [
            (place_of(query.collection, stored.record_id, document), stored)
            for stored, document in self._admitted(query)
        ]
        found.sort(reverse=query.newest_first)
        if after is not None and query.newest_first:
            found = [(place, stored) for place, stored in found if place < after]
        elif after is not None:
            found = [(place, stored) for place, stored in found if place > after]
        return tuple(stored for _, stored in found[:limit])

    def counts(self, query: Query, by: str) -> Mapping[str, int]:
        found = Counter[str]()
        for stored, document in self._admitted(query):
            values = values_of(query.collection, by, stored.record_id, document)
            found[values[0] if values else ""] += 1
        return found

    def scan(self, collection: str) -> Sequence[Scanned]:
        return sorted(
            self._tables[collection].values(),
            key=lambda record: (isinstance(record, Deleted), record.record_id),
        )

    def _admitted(self, query: Query) -> Iterator[tuple[Stored, Mapping[str, Any]]]:
        for stored in in_pieces(self._tables[query.collection].values()):
            if isinstance(stored, Stored):
                document = _parsed(stored.document)
                if admits(query, stored.record_id, document):
                    yield stored, document


def _is_deleted(tables: Tables, read: Get) -> bool:
    return isinstance(tables[read.collection].get(read.record_id), Deleted)
