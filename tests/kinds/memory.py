"""Stores and journals in this process's memory."""

import copy
import threading
from collections.abc import Hashable
from pathlib import Path
from typing import Final

from faults.footprints import Footprints
from grove_sm.journal.memory import MemoryJournal, MemoryJournalData
from grove_sm.stores.memory import MemoryStore, Tables
from tests.groves import NOW
from tests.kinds.kind import JournalKind, Kind

_PATIENCE: Final = 5.0


class MemoryStorePlace:
    """Tables that every opener shares."""

    def __init__(self, _: Path, name: str) -> None:
        self._name = name
        self._tables: Tables = {}
        self._lock = threading.RLock()

    def open(self) -> MemoryStore:
        return MemoryStore(f"memory://{self._name}", self._tables, self._lock)

    def save(self) -> Tables:
        return _copy(self._tables)

    def restore(self, saved: Tables) -> None:
        self._tables = _copy(saved)

    def fingerprint(self) -> Hashable:
        return tuple(
            (collection, tuple(table.values())) for collection, table in self._tables.items()
        )


class MemoryJournalPlace:
    """Rows that every opener shares."""

    def __init__(self, _: Path, name: str) -> None:
        self._name = name
        self._data = MemoryJournalData()

    def open(self) -> MemoryJournal:
        return MemoryJournal(
            f"memory://{self._name}",
            self._data,
            patience=_PATIENCE,
            opened_at=NOW,
            clock=lambda: NOW,
        )

    def save(self) -> MemoryJournalData:
        return _copy_of_journal(self._data)

    def restore(self, saved: MemoryJournalData) -> None:
        self._data = _copy_of_journal(saved)
        self._data.alive.clear()

    def fingerprint(self) -> Hashable:
        data = self._data
        held = (data.rows, [*data.unfinished], [*data.unapplied], data.keys)
        return repr((held, data.heuristics, data.interventions))


def _copy(tables: Tables) -> Tables:
    # Records themselves are never changed.
    return {collection: dict(table) for collection, table in tables.items()}


def _copy_of_journal(data: MemoryJournalData) -> MemoryJournalData:
    # Entries and what is recorded under keys are never changed, and make up most of it.
    kept = [row.entry for row in data.rows.values()] + [known for _, known in data.keys.values()]
    return copy.deepcopy(data, {id(data.turn): threading.RLock(), **{id(o): o for o in kept}})


MEMORY: Final = Kind(
    "memory",
    MemoryStorePlace,
    JournalKind(MemoryJournalPlace, Footprints(readers_wait=True, release_is_private=False)),
    histories=1.0,
)
