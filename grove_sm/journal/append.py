"""Appending decisions to a SQLite journal: one at a time, durable on return, sharing the force.

A section is the stretch from holding keys to the decision. Sections of one process follow each
other on one connection; SQLite's write lock keeps those of other processes apart. Whoever ends a
section while others wait for theirs leaves the commit to them, so that many decisions share one
forced write (group commit; Gray & Reuter 1993, section 9.4).
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final

from grove_sm.domain.errors import GroveError, StoreUnavailable
from grove_sm.sqlite_file import SQLiteFile, translate

_LARGEST_BATCH: Final = 64
_PATIENCE: Final = 0.05


OnBegin = Callable[[sqlite3.Connection], Callable[[], None]]
"""Writes what may go along with any batch; returns what to do once that is committed."""


def _nothing(*_: object) -> None:
    """There is nothing to do."""


class _Batch:
    """The sections that will be committed together."""

    def __init__(self) -> None:
        self.txids: list[str] = []
        self.on_committed: Callable[[], None] = _nothing
        self.done = threading.Event()
        self.failure: GroveError | None = None
        self.errors: dict[str, GroveError] = {}


class Section:
    """One transaction's turn at the journal; nobody else, in any process, decides meanwhile.

    On leaving the `with` block what it joined is durable. Raises StoreUnavailable when the turn
    does not come or the commit failed without effect, OutcomeUnknown when its effect could not be
    found out. If the block raises after writing, everything in the same append is undone.
    """

    def __init__(self, appender: "Appender") -> None:
        self._appender = appender
        self._has_written = False
        self._txid: str | None = None

    def __enter__(self) -> "Section":
        self._batch = self._appender.enter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        batch = self._batch
        if self._has_written and self._txid is None:
            batch.failure = self._appender.torn()
        self._appender.leave(batch, has_joined=self._txid is not None)
        if self._txid is not None:
            self._appender.wait_for(batch)
            if error is None and self._txid in batch.errors:
                raise batch.errors[self._txid]
        if isinstance(error, sqlite3.Error):
            raise self._appender.translated(error) from error

    @property
    def connection(self) -> sqlite3.Connection:
        """For reading the journal as it will be once this append is committed."""
        return self._appender.connection

    def writing(self) -> sqlite3.Connection:
        """For writing; what is written must be joined."""
        self._has_written = True
        return self._appender.connection

    def join(self, txid: str) -> None:
        """Have what this section wrote committed."""
        self._txid = txid
        self._batch.txids.append(txid)


class Appender:
    """The one place that makes forced commits to a journal's file.

    Args:
        file: the journal's file.
        on_begin: called with the connection at the beginning of each batch.
        settle: called with a transaction and the error that its commit met; it finds out what
            became of it and answers the error to raise.
    """

    def __init__(
        self,
        file: SQLiteFile,
        *,
        on_begin: OnBegin,
        settle: Callable[[str, sqlite3.Error], GroveError],
    ) -> None:
        self._file = file
        self._on_begin = on_begin
        self._settle = settle
        self.connection = file.connect(forced=True)
        self._turn = threading.Lock()
        self._count = threading.Lock()
        self._waiting = 0
        self._batch: _Batch | None = None

    def section(self) -> Section:
        """A turn at the journal."""
        return Section(self)

    def checkpoint(self) -> None:
        """Copy the log into the file, between this process's sections."""
        with self._turn:
            if self._batch is not None:
                self._commit(self._batch)
            self._file.checkpoint()

    @contextmanager
    def aside(self) -> Iterator[sqlite3.Connection]:
        """An unforced transaction on the journal's file, between this process's sections."""
        with self._turn:
            if self._batch is not None:
                self._commit(self._batch)
            with self._file.errors, self._file.transaction() as connection:
                yield connection

    def enter(self) -> _Batch:
        """Wait for a turn."""
        self._file.check_open()
        with self._count:
            self._waiting += 1
        try:
            self._turn.acquire()
        finally:
            with self._count:
                self._waiting -= 1
        if self._batch is None:
            try:
                self._batch = self._begin()
            except BaseException:
                self._turn.release()
                raise
        return self._batch

    def leave(self, batch: _Batch, *, has_joined: bool) -> None:
        """End a turn; commit, unless whoever follows will.

        Who has not joined may have been refused because of what is in this very batch, and would
        come back until it is committed.
        """
        others_follow = has_joined and self._waiting and len(batch.txids) < _LARGEST_BATCH
        try:
            if not others_follow or batch.failure:
                self._commit(batch)
        finally:
            self._turn.release()

    def wait_for(self, batch: _Batch) -> None:
        """Return once a batch has been committed, or has failed."""
        while not batch.done.wait(_PATIENCE):
            # Whoever was to follow has gone away, or is slow: nobody's commit depends on it.
            with self._turn:
                if self._batch is batch:
                    self._commit(batch)

    def torn(self) -> GroveError:
        """The error of those whose append another section has spoilt."""
        return StoreUnavailable(
            store=self._file.name, reason="a decision before it in the same append failed"
        )

    def translated(self, error: sqlite3.Error) -> GroveError:
        """The library's error for one of SQLite's."""
        return translate(self._file.name, error)

    def _begin(self) -> _Batch:
        batch = _Batch()
        with self._file.errors:
            self._file.begin(self.connection)
            try:
                batch.on_committed = self._on_begin(self.connection)
            except BaseException:
                self._roll_back()
                raise
        return batch

    def _commit(self, batch: _Batch) -> None:
        self._batch = None
        try:
            if batch.txids and not batch.failure:
                self.connection.execute("COMMIT")
                batch.on_committed()
        except sqlite3.Error as error:
            self._roll_back()
            for txid in batch.txids:
                batch.errors[txid] = self._settle(txid, error)
        finally:
            self._roll_back()
            if batch.failure:
                batch.errors.update(dict.fromkeys(batch.txids, batch.failure))
            batch.done.set()

    def _roll_back(self) -> None:
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
