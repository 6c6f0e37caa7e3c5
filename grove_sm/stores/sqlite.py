"""A store in a SQLite file, for any of the five collections, or several of them."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from grove_sm.commit.redo import Verdict, heuristic, judge
from grove_sm.operations.plan import Deleted, Expectation, Heuristic, Read, Stored, Write
from grove_sm.operations.query import Place, Query
from grove_sm.sqlite_file import SQLiteFile
from grove_sm.stores.reading import GET, GET_DELETED, SQLiteReads
from grove_sm.stores.schema import FORMAT, MIGRATIONS
from grove_sm.stores.writing import is_one_statement, put


class SQLiteStore:
    """The `Participant` contract on a SQLite file (see `grove_sm.commit.contract`).

    Collections that share a file share one of these, and then commit together.

    Args:
        path: the file, made if there is none; its folder must exist.
        busy_timeout: seconds to wait for another process before giving up.

    Raises StoreUnavailable, Corrupt, or ValidationError for a newer format.
    """

    local: bool = True

    def __init__(self, path: Path, *, busy_timeout: float = 5.0) -> None:
        self._name = f"sqlite:///{path}"
        self._file = SQLiteFile(
            path,
            name=self._name,
            component="stores",
            version=FORMAT,
            migrations=MIGRATIONS,
            busy_timeout=busy_timeout,
        )
        self._reads = SQLiteReads(self._file)

    @property
    def name(self) -> str:
        return self._name

    def read(self, read: Read) -> tuple[Stored, ...]:
        return self._reads.read(read)

    def page(
        self, query: Query, limit: int | None, after: Place | None = None
    ) -> tuple[Stored, ...]:
        return self._reads.page(query, limit, after)

    def counts(self, query: Query, by: str) -> Mapping[str, int]:
        return self._reads.counts(query, by)

    def validate(self, expectations: Sequence[Expectation]) -> bool:
        return self._reads.do_hold(expectations)

    def apply(self, txid: str, members: str, writes: Sequence[Write]) -> tuple[Heuristic, ...]:
        with self._file.errors:
            if self._file.connection.in_transaction:
                return self._put_all(self._file.connection, txid, members, writes)
            if len(writes) == 1 and is_one_statement(writes[0]):
                # It is its own transaction.
                with self._file.turn:
                    return self._put_all(self._file.connection, txid, members, writes)
            with self._file.transaction() as connection:
                return self._put_all(connection, txid, members, writes)

    def _put_all(
        self, connection: sqlite3.Connection, txid: str, members: str, writes: Sequence[Write]
    ) -> tuple[Heuristic, ...]:
        outcomes: tuple[Heuristic, ...] = ()
        for write in writes:
            if not put(connection, txid, members, write):
                found = self._found(connection, write)
                if judge(write, txid, found) is Verdict.FOREIGN:
                    outcomes += (heuristic(write, txid, found, self._name),)
        return outcomes

    @contextmanager
    def together(self) -> Iterator[None]:
        with self._file.errors, self._file.transaction():
            yield

    def redo(self) -> AbstractContextManager[None]:
        return self.together()

    def force(self) -> None:
        self._file.force()

    def trim(self) -> None:
        self._file.checkpoint()

    @contextmanager
    def snapshot(self) -> Iterator[SQLiteReads]:
        with self._file.errors:
            connection = self._file.connect(forced=False)
            try:
                connection.execute("BEGIN")
                # The view is fixed by the first read, not by BEGIN.
                connection.execute("SELECT 1 FROM sqlite_master").fetchone()
                yield SQLiteReads(self._file, connection)
            finally:
                self._file.disconnect(connection)

    def close(self) -> None:
        self._file.close()

    @staticmethod
    def _found(connection: sqlite3.Connection, write: Write) -> Stored | Deleted | None:
        row = connection.execute(GET[write.collection], (write.record_id,)).fetchone()
        if row is not None:
            return Stored(*row[:-1])
        row = connection.execute(GET_DELETED, (write.collection, write.record_id)).fetchone()
        return None if row is None else Deleted(*row[:-1])
