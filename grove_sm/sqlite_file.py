"""One SQLite file as the journal and the stores use it: connections, forcing, formats, errors.

Every thread has its own connections. A file is in WAL mode: a commit on a *forced* connection
(synchronous=FULL) is one sync of the log and makes everything committed before it durable too; a
commit on an *unforced* one (synchronous=NORMAL) is only as durable as the next forced one. The
log is copied back into the file by `checkpoint` alone, never inside a commit.
"""

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final

import sqlite_utils

from grove_sm.domain.errors import Corrupt, GroveError, StoreUnavailable, ValidationError

_SHORTEST_PAUSE: Final = 0.0002
_LONGEST_PAUSE: Final = 0.002
_NO_BUSY_TIMEOUT: Final = "PRAGMA busy_timeout=0"
_LOG_LIMIT: Final = 16 * 1024 * 1024
_FORMATS: Final = "grove_formats"

_REASONS: Final = (
    ("SQLITE_BUSY", "it is locked by another process; try again, or find who holds it"),
    ("SQLITE_LOCKED", "it is locked by another connection; try again"),
    ("SQLITE_FULL", "its disk is full; free some space and try again"),
    ("SQLITE_READONLY", "it is read-only; give this user write access to the file and its folder"),
    ("SQLITE_CANTOPEN", "it cannot be opened; does its folder exist, and may it be written to?"),
    ("SQLITE_IOERR", "reading or writing it failed; is its disk full or damaged?"),
    ("SQLITE_PERM", "access was refused"),
)
_DAMAGE: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT")
_SIGNS_OF_DAMAGE: Final = ("no such table", "no such column", "has no column", "malformed JSON")


def translate(name: str, error: sqlite3.Error | UnicodeDecodeError) -> GroveError:
    """The library's error for one of SQLite's, naming the store."""
    code = getattr(error, "sqlite_errorname", "") or ""
    has_sign = any(text in str(error) for text in _SIGNS_OF_DAMAGE)
    # SQLite quotes what it has found; where that is no text, neither is its message.
    if code.startswith(_DAMAGE) or has_sign or isinstance(error, UnicodeDecodeError):
        return Corrupt(what="the file", where=name, reason=str(error))
    for prefix, reason in _REASONS:
        if code.startswith(prefix):
            return StoreUnavailable(store=name, reason=f"{reason} ({error})")
    return StoreUnavailable(store=name, reason=str(error))


_open_files: "weakref.WeakSet[SQLiteFile]" = weakref.WeakSet()
_inherited: list[object] = []


class Errors:
    """Turns SQLite's errors inside a `with` block into this library's, naming the file."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, sqlite3.Error | UnicodeDecodeError):
            raise translate(self._name, error) from error


class _Lease:
    """A thread's connection, which is closed when the thread has ended."""

    def __init__(self, file: "SQLiteFile", connection: sqlite3.Connection) -> None:
        self._file = file
        self._connection = connection
        self._process = os.getpid()

    def __del__(self) -> None:
        # A forked child ends its parent's threads, but must not touch their connections.
        if os.getpid() == self._process:
            self._file.disconnect(self._connection)


class SQLiteFile:
    """A SQLite database file, opened in WAL mode, with its format checked and brought up to date.

    Args:
        path: the file; its folder must exist.
        name: how errors call it.
        component: what of the file this is about (`journal` or `stores`); a file may hold both.
        version: the newest format of that component that this library can read.
        migrations: what brings an older format up to it, or a new file.
        busy_timeout: seconds to wait for a lock that another process holds.

    Raises ValidationError for a newer format, StoreUnavailable or Corrupt if it cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        component: str,
        version: int,
        migrations: sqlite_utils.Migrations,
        busy_timeout: float,
    ) -> None:
        self.path = path
        self.name = name
        self.errors = Errors(name)
        self._busy_timeout = busy_timeout
        self._busy_timeout_of_readers = f"PRAGMA busy_timeout={int(busy_timeout * 1000)}"
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        # SQLite lets one connection write at a time and makes others sleep and try again;
        # those of this process had better queue.
        self.turn = threading.Lock()
        self._closed = ""
        _open_files.add(self)
        with self.errors, ExitStack() as undo:
            undo.callback(self.close)
            is_new = not path.exists()
            self._open_format(component, version, migrations)
            if is_new:
                sync_folder(path.parent)
            undo.pop_all()

    def connect(self, *, forced: bool) -> sqlite3.Connection:
        """A new connection, in autocommit mode, usable by one thread at a time."""
        self.check_open()
        connection = sqlite3.connect(
            self.path,
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        with self._lock:
            self._connections.append(connection)
        # SQLite does not wait by itself while several processes switch a new file.
        mode = self._patiently(connection, "PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":
            raise StoreUnavailable(
                store=self.name, reason=f"its file system allows no write-ahead log (mode {mode})"
            )
        connection.execute(f"PRAGMA synchronous={'FULL' if forced else 'NORMAL'}")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        # Temporary results would go to files in a folder that is not ours.
        connection.execute("PRAGMA temp_store=MEMORY")
        if not forced:
            connection.execute(self._busy_timeout_of_readers)
        # Damaged text must come back, for its checksum to tell.
        connection.text_factory = partial(str, encoding="utf-8", errors="replace")
        return connection

    def begin(self, connection: sqlite3.Connection) -> None:
        """Take the file's write lock, waiting while another process has it.

        The connection must be a forced one; see `transaction` for this thread's unforced one.
        """
        self._patiently(connection, "BEGIN IMMEDIATE")

    def _patiently(self, connection: sqlite3.Connection, statement: str) -> sqlite3.Cursor:
        """Execute a statement as soon as the file is free, on a connection that does not wait.

        SQLite's own waiting sleeps up to a hundred times as long as a lock is held here, and so
        lets whoever comes last go first.
        """
        deadline = time.monotonic() + self._busy_timeout
        pause = _SHORTEST_PAUSE
        while True:
            try:
                return connection.execute(statement)
            except sqlite3.OperationalError as error:
                is_busy = error.sqlite_errorname.startswith("SQLITE_BUSY")
                if not is_busy or time.monotonic() > deadline:
                    raise
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def check_open(self) -> None:
        """Raise StoreUnavailable if this was closed, or opened before the process was forked."""
        if self._closed:
            raise StoreUnavailable(store=self.name, reason=self._closed)

    def disconnect(self, connection: sqlite3.Connection) -> None:
        """Close one connection before the file is closed."""
        with self._lock:
            if connection in self._connections:
                self._connections.remove(connection)
        connection.close()

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's unforced connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "unforced", None)
        if connection is None or self._closed:
            connection = self._local.unforced = self.connect(forced=False)
            self._local.lease = _Lease(self, connection)
        return connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """An unforced write transaction of this thread; rolled back if the block raises."""
        connection = self.connection
        with self.turn:
            connection.execute(_NO_BUSY_TIMEOUT)
            try:
                self.begin(connection)
            finally:
                connection.execute(self._busy_timeout_of_readers)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def force(self) -> None:
        """Make every commit before this call durable, without keeping anybody from writing.

        What is not in the log any more has been synced into the file by the checkpoint that
        took it out.
        """
        log = self.path_of_log
        try:
            descriptor = os.open(log, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreUnavailable(store=self.name, reason=str(error)) from error
        try:
            os.fdatasync(descriptor)
        except OSError as error:
            raise StoreUnavailable(store=self.name, reason=str(error)) from error
        finally:
            os.close(descriptor)

    def checkpoint(self) -> None:
        """Copy the log into the file, so that it can be written anew from its beginning.

        Most is copied while others write; only the rest keeps this process from writing.
        """
        with self.errors:
            self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            with self.turn:
                self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
                log = self.path_of_log
                if log.exists() and log.stat().st_size > _LOG_LIMIT:
                    self.connection.execute("PRAGMA wal_checkpoint(RESTART)")

    @property
    def path_of_log(self) -> Path:
        """The file that commits are written to before they are copied into the file itself."""
        return self.path.with_name(self.path.name + "-wal")

    def close(self) -> None:
        """Close every connection; what was not committed is rolled back."""
        with self._lock:
            self._closed = "it has been closed"
            connections, self._connections = self._connections, []
        for connection in connections:
            connection.close()

    def _open_format(
        self, component: str, version: int, migrations: sqlite_utils.Migrations
    ) -> None:
        connection = self.connection
        found = format_of(connection, component)
        if found == version:
            return
        if found > version:
            raise ValidationError(
                field=self.name,
                rule=f"its {component} format must be at most {version}, the newest that this "
                "version of grove-sm can read; install a newer grove-sm",
                value=found,
            )
        with self.transaction():
            if format_of(connection, component) == version:
                return
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {_FORMATS} "
                "(component TEXT PRIMARY KEY, version INTEGER NOT NULL)"
            )
            migrations.apply(sqlite_utils.Database(connection, execute_plugins=False))
            connection.execute(
                f"INSERT INTO {_FORMATS} (component, version) VALUES (?, ?) "
                "ON CONFLICT (component) DO UPDATE SET version = excluded.version",
                (component, version),
            )
        self.force()


def format_of(connection: sqlite3.Connection, component: str) -> int:
    """The format of a component of a file; 0 if there is nothing of it."""
    exists = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE name = ?", (_FORMATS,)
    ).fetchone()
    if not exists:
        return 0
    row = connection.execute(
        f"SELECT version FROM {_FORMATS} WHERE component = ?", (component,)
    ).fetchone()
    return int(row[0]) if row else 0


def _disown_in_child() -> None:
    """SQLite's connections must not be used, nor closed, in a forked child."""
    for file in list(_open_files):
        _inherited.append(file.__dict__.copy())
        file.__dict__.update(
            _closed="it was opened before this process was forked; open a grove in the child",
            _connections=[],
            _local=threading.local(),
            turn=threading.Lock(),
        )


os.register_at_fork(after_in_child=_disown_in_child)


def sync_folder(folder: Path) -> None:
    """Make a new file's name durable, without which its content is lost with it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
