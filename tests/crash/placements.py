"""Where a grove's records are in these tests, and how that is saved and put back as it was."""

import copy
import sqlite3
import threading
from collections.abc import Hashable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final, Protocol

from faults.footprints import Footprints
from grove_sm.commit.contract import Journal, Participant
from grove_sm.connect import open_journal, open_stores
from grove_sm.journal.liveness import Liveness
from grove_sm.journal.memory import MemoryJournal, MemoryJournalData
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.stores.memory import MemoryStore, Tables

OPENED_AT: Final = "2026-01-01T00:00:00.000Z"
_JOURNAL: Final = "journal.db"
_UNLIKE: Final = frozenset({"coordinators", "sqlite_sequence"})
_INDEX: Final = "contributions_words"
"""What tables of the index of words begin with; what they hold is in the vocabulary."""

_PATIENCE: Final = 5.0


class Placement(Protocol):
    """A journal and a store for each collection, opened anew by every simulated process.

    Nobody may have it open when it is restored.

    Attributes:
        footprints: what steps on it touch.
    """

    footprints: Footprints

    def open_journal(self) -> Journal:
        """The journal, as one more coordinator."""

    def open_stores(self) -> Mapping[str, Participant]:
        """The store of each collection; one object for those that share a place."""

    def label(self, collection: str) -> str:
        """What effects call the store of a collection."""

    def save(self) -> Any:
        """Everything that it holds now."""

    def restore(self, saved: Any) -> None:
        """Have it hold what was saved."""

    def fingerprint(self) -> Hashable:
        """What it holds, but for who has opened it: equal if recovery could see no difference."""


class SQLitePlacement:
    """SQLite files in a folder.

    Args:
        folder: an empty folder.
        files: each collection's file.
    """

    # Readers see the file as it was before an append; keys are noted as free in the process.
    footprints = Footprints(readers_wait=False, release_is_private=True)

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        self._folder = folder
        self._files = files

    def open_journal(self) -> Journal:
        url = f"sqlite:///{_JOURNAL}"
        return open_journal(url, self._folder, opened_at=OPENED_AT, busy_timeout=_PATIENCE)

    def open_stores(self) -> Mapping[str, Participant]:
        urls = {collection: f"sqlite:///{file}" for collection, file in self._files.items()}
        return open_stores(urls, self._folder, busy_timeout=_PATIENCE)

    def label(self, collection: str) -> str:
        return Path(self._files[collection]).stem

    def save(self) -> Mapping[str, bytes]:
        return {path.name: path.read_bytes() for path in self._data() if path.suffix != ".db-shm"}

    def restore(self, saved: Mapping[str, bytes]) -> None:
        for path in self._data():
            path.unlink()
        for name, content in saved.items():
            (self._folder / name).write_bytes(content)

    def fingerprint(self) -> Hashable:
        return tuple(_rows(self._folder / file) for file in (_JOURNAL, *set(self._files.values())))

    def _data(self) -> list[Path]:
        # A process keeps the lock file open for as long as it lives.
        return [path for path in self._folder.iterdir() if not path.name.endswith(Liveness.SUFFIX)]


def _rows(path: Path) -> Hashable:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = sorted({name for (name,) in found if not name.startswith(_INDEX)} - _UNLIKE)
        return tuple((name, *connection.execute(f"SELECT * FROM {name}")) for name in tables)


class MemoryPlacement:
    """This process's memory, a store for each collection."""

    footprints = Footprints(readers_wait=True, release_is_private=False)

    def __init__(self) -> None:
        self._journal = MemoryJournalData()
        self._tables: dict[str, Tables] = {collection: {} for collection in COLLECTIONS}
        self._locks = {collection: threading.RLock() for collection in COLLECTIONS}

    def open_journal(self) -> Journal:
        return MemoryJournal("memory://journal", self._journal, patience=_PATIENCE)

    def open_stores(self) -> Mapping[str, Participant]:
        return {
            collection: MemoryStore(f"memory://{collection}", tables, self._locks[collection])
            for collection, tables in self._tables.items()
        }

    def label(self, collection: str) -> str:
        return collection

    def save(self) -> tuple[MemoryJournalData, dict[str, Tables]]:
        return _copy(self._journal), _copy_of_tables(self._tables)

    def restore(self, saved: tuple[MemoryJournalData, dict[str, Tables]]) -> None:
        journal, tables = saved
        self._journal, self._tables = _copy(journal), _copy_of_tables(tables)

    def fingerprint(self) -> Hashable:
        data = self._journal
        held = (data.rows, list(data.unfinished), list(data.unapplied), data.keys, data.heuristics)
        return repr((held, self._tables))


def _copy(data: MemoryJournalData) -> MemoryJournalData:
    # Entries and what is recorded under keys are never changed, and make up most of it.
    kept = [row.entry for row in data.rows.values()] + [known for _, known in data.keys.values()]
    return copy.deepcopy(data, {id(data.turn): threading.RLock(), **{id(o): o for o in kept}})


def _copy_of_tables(tables: Mapping[str, Tables]) -> dict[str, Tables]:
    return {
        collection: {name: dict(table) for name, table in kept.items()}
        for collection, kept in tables.items()
    }


def separate_files(folder: Path) -> Placement:
    """A SQLite file for each collection."""
    return SQLitePlacement(folder, {collection: f"{collection}.db" for collection in COLLECTIONS})


def shared_file(folder: Path) -> Placement:
    """One SQLite file for all collections."""
    return SQLitePlacement(folder, dict.fromkeys(COLLECTIONS, "stores.db"))


def memory(folder: Path) -> Placement:
    """Nothing on disk."""
    return MemoryPlacement()


PLACEMENTS: Final = (separate_files, shared_file, memory)
"""Every kind of placement; one that is named here gets the whole treatment."""
