"""Stores and journals in SQLite files."""

import os
import sqlite3
from collections.abc import Callable, Hashable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, Generic, TypeVar

from faults.footprints import Footprints
from grove_sm.commit.contract import Journal, Participant
from grove_sm.journal.sqlite import SQLiteJournal
from grove_sm.stores.sqlite import SQLiteStore
from tests.groves import NOW
from tests.kinds.kind import JournalKind, Kind

T_co = TypeVar("T_co", bound=Journal | Participant, covariant=True)

_PATIENCE: Final = 5.0
_FILES: Final = ("", "-wal")
_UNLIKE: Final = frozenset({"coordinators", "sqlite_sequence"})
_INDEX: Final = "contributions_words"
"""What tables of the index of words begin with; what they hold is in the vocabulary."""

_LONG_AGO: Final = (1, 1)


class Saved:
    """A file's content and its log's, by suffix; what it comes to is found out once."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self.fingerprint: Hashable = None


class SQLitePlace(Generic[T_co]):
    """One SQLite file.

    Most of what is saved, put back and compared has not changed since, and is recognised by it: a
    file that is put back gets a time of long ago, which the first write to it ends.

    Args:
        path: where it is.
        opener: opens it.
    """

    def __init__(self, path: Path, opener: Callable[[Path], T_co]) -> None:
        self._paths = {suffix: Path(f"{path}{suffix}") for suffix in (*_FILES, "-shm")}
        self._opener = opener
        self._saved = self._last_saved = Saved({})

    def open(self) -> T_co:
        return self._opener(self._paths[""])

    def save(self) -> Saved:
        if self._is_as_saved():
            return self._saved
        files = {}
        for suffix in _FILES:
            with suppress(FileNotFoundError):
                files[suffix] = self._paths[suffix].read_bytes()
        if files != self._last_saved.files:
            self._last_saved = Saved(files)
        return self._last_saved

    def restore(self, saved: Saved) -> None:
        if saved is self._saved and self._is_as_saved():
            return
        for path in self._paths.values():
            path.unlink(missing_ok=True)
        for suffix, content in saved.files.items():
            self._paths[suffix].write_bytes(content)
            os.utime(self._paths[suffix], ns=_LONG_AGO)
        self._saved = saved

    def fingerprint(self) -> Hashable:
        if not self._is_as_saved():
            return self._rows()
        if self._saved.fingerprint is None:
            self._saved.fingerprint = self._rows()
        return self._saved.fingerprint

    def _is_as_saved(self) -> bool:
        """Whether the files are what was put back last."""
        for suffix in _FILES:
            try:
                found = os.stat(self._paths[suffix])
            except FileNotFoundError:
                if suffix in self._saved.files:
                    return False
                continue
            # A log that holds nothing is made by whoever opens the file, even if only to read.
            if (found.st_size or suffix in self._saved.files) and (
                found.st_mtime_ns != _LONG_AGO[1]
            ):
                return False
        return bool(self._saved.files)

    def _rows(self) -> Hashable:
        with closing(sqlite3.connect(self._paths[""])) as connection:
            found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = sorted({name for (name,) in found if not name.startswith(_INDEX)} - _UNLIKE)
            return tuple((name, *connection.execute(f"SELECT * FROM {name}")) for name in tables)


def _store(path: Path) -> Participant:
    return SQLiteStore(path, busy_timeout=_PATIENCE)


def _journal(path: Path) -> Journal:
    return SQLiteJournal(path, opened_at=NOW, busy_timeout=_PATIENCE)


SQLITE: Final = Kind(
    "sqlite",
    lambda folder, name: SQLitePlace(folder / f"{name}.db", _store),
    JournalKind(
        lambda folder, name: SQLitePlace(folder / f"{name}.db", _journal),
        # Readers see the file as it was before an append; keys are noted as free in the process.
        Footprints(readers_wait=False, release_is_private=True),
    ),
    is_on_disk=True,
)
