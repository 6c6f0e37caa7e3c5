"""A SQLite file as it is, for whoever only looks: nothing is written to it, nor made beside it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from grove_sm.domain.errors import Corrupt, StoreUnavailable
from grove_sm.sqlite_file import Errors, format_of


class SQLiteView:
    """A file's contents at one moment.

    Attributes:
        path: the file.
        name: how errors call it.
        errors: turns SQLite's errors inside a `with` block into this library's.
        connection: for one thread.
    """

    def __init__(self, path: Path, name: str, connection: sqlite3.Connection) -> None:
        self.path = path
        self.name = name
        self.errors = Errors(name)
        self.connection: sqlite3.Connection = connection
        self._state = _state_of(path)

    def format(self, component: str) -> int:
        """The format of a component; 0 if there is nothing of it."""
        with self.errors:
            return format_of(self.connection, component)

    def check(self) -> None:
        """Raises Corrupt if the file's own structure is damaged."""
        with self.errors:
            (finding,) = self.connection.execute("PRAGMA quick_check(1)").fetchone()
        if finding != "ok":
            raise Corrupt(what="the file", where=self.name, reason=str(finding))

    @property
    def is_stale(self) -> bool:
        """Whether somebody may have written to the file where this has no view of a moment."""
        return _state_of(self.path) != self._state


@contextmanager
def view_file(path: Path, busy_timeout: float) -> Iterator[SQLiteView]:
    """A view of a file. Raises StoreUnavailable if it cannot be opened, Corrupt if it is none.

    Where there is a write-ahead log, SQLite makes the index that goes with it (`-shm`), if it is
    not there, as it does for every reader. Where there is none, nobody has the file open, and it
    is read without any; see `SQLiteView.is_stale`.
    """
    name = f"sqlite:///{path}"
    try:
        is_there = path.exists()
        has_log = path.with_name(f"{path.name}-wal").exists()
    except OSError as error:
        raise StoreUnavailable(store=name, reason=str(error)) from error
    if not is_there:
        raise StoreUnavailable(store=name, reason="there is no such file")
    url = f"{path.absolute().as_uri()}?mode=ro{'' if has_log else '&immutable=1'}"
    with Errors(name):
        connection = sqlite3.connect(url, uri=True, timeout=busy_timeout, isolation_level=None)
    with closing(connection):
        connection.text_factory = partial(str, encoding="utf-8", errors="replace")
        with Errors(name):
            view = SQLiteView(path, name, connection)
            connection.execute("PRAGMA temp_store=MEMORY")
            connection.execute("BEGIN")
            # The view is fixed by the first read, not by BEGIN.
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        yield view


def _state_of(path: Path) -> object:
    """What differs once somebody has written to a file without a log; None where it has one."""
    if path.with_name(f"{path.name}-wal").exists():
        return None
    found = path.stat()
    return found.st_mtime_ns, found.st_size
