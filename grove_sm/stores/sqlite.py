"""A store in a SQLite file, for any of the five collections, or several of them."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from pydantic_core import to_json

from grove_sm.commit.record import record_checksum
from grove_sm.commit.redo import Verdict, heuristic, judge
from grove_sm.domain.errors import Corrupt
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
from grove_sm.sqlite_file import SQLiteFile
from grove_sm.stores.schema import DELETED, FORMAT, MIGRATIONS, column

_FIELDS: Final = "record_id, revision, txid, members, document, checksum"
_ORDER: Final = f"ORDER BY {column('createdAt')}, record_id"
_NEWEST: Final = f"ORDER BY {column('createdAt')} DESC, record_id DESC"
_GET: Final = {c: f"SELECT {_FIELDS} FROM {c} WHERE record_id = ?" for c in COLLECTIONS}
_REVISION: Final = {c: f"SELECT revision FROM {c} WHERE record_id = ?" for c in COLLECTIONS}
_SCAN: Final = {c: f"SELECT {_FIELDS} FROM {c} ORDER BY record_id" for c in COLLECTIONS}
_INSERT: Final = {
    c: f"INSERT INTO {c} ({_FIELDS}) SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS "
    f"(SELECT 1 FROM {DELETED} WHERE collection = '{c}' AND record_id = ?1) ON CONFLICT DO NOTHING"
    for c in COLLECTIONS
}
_UPDATE: Final = {
    c: f"UPDATE {c} SET revision = ?, txid = ?, members = ?, document = ?, checksum = ? "
    "WHERE record_id = ? AND revision = ?"
    for c in COLLECTIONS
}
_DELETE: Final = {c: f"DELETE FROM {c} WHERE record_id = ? AND revision = ?" for c in COLLECTIONS}
_KEEP_DELETED: Final = (
    f"INSERT INTO {DELETED} (collection, record_id, revision, txid, members, checksum) "
    "VALUES (?, ?, ?, ?, ?, ?)"
)
_DELETED_FIELDS: Final = f"SELECT record_id, revision, txid, members, checksum FROM {DELETED}"
_GET_DELETED: Final = f"{_DELETED_FIELDS} WHERE collection = ? AND record_id = ?"
_DELETED_REVISION: Final = f"SELECT revision FROM {DELETED} WHERE collection = ? AND record_id = ?"
_SCAN_DELETED: Final = f"{_DELETED_FIELDS} WHERE collection = ? ORDER BY record_id"


class SQLiteStore:
    """The `Participant` contract on a SQLite file (see `grove_sm.commit.contract`).

    Collections that share a file share one of these, and then commit together.

    Args:
        path: the file, made if there is none; its folder must exist.
        busy_timeout: seconds to wait for another process before giving up.

    Raises StoreUnavailable, Corrupt, or ValidationError for a newer format.
    """

    local: Final = True

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

    @property
    def name(self) -> str:
        return self._name

    def read(self, read: Read) -> tuple[Stored, ...]:
        with self._file.errors:
            if isinstance(read, Get):
                row = self._file.connection.execute(
                    _GET[read.collection], (read.record_id,)
                ).fetchone()
                return () if row is None else (self._stored(read.collection, row),)
        if read.newest:
            return self._page(read.collection, _condition(read.where), _NEWEST, 1)
        return self.page(read.collection, read.where, None)

    def page(
        self,
        collection: str,
        where: Sequence[tuple[str, str]],
        limit: int | None,
        after: Stored | None = None,
    ) -> tuple[Stored, ...]:
        return self._page(collection, _condition(where, after), _ORDER, limit)

    def _page(
        self, collection: str, condition: "_Condition", order: str, limit: int | None
    ) -> tuple[Stored, ...]:
        with self._file.errors:
            try:
                rows = self._file.connection.execute(
                    f"SELECT {_FIELDS} FROM {collection} {condition.text} {order} LIMIT ?",
                    (*condition.values, -1 if limit is None else limit),
                ).fetchall()
            except sqlite3.OperationalError as error:
                raise self._naming_damage(error, collection) from error
        return tuple(self._stored(collection, row) for row in rows)

    def validate(self, expectations: Sequence[Expectation]) -> bool:
        with self._file.errors:
            connection = self._file.connection
            try:
                return all(_revisions(connection, read) == found for read, found in expectations)
            except sqlite3.OperationalError as error:
                raise self._naming_damage(
                    error, *(expectation.read.collection for expectation in expectations)
                ) from error

    def apply(self, txid: str, members: str, writes: Sequence[Write]) -> tuple[Heuristic, ...]:
        with self._file.errors:
            if self._file.connection.in_transaction:
                return self._put_all(self._file.connection, txid, members, writes)
            if len(writes) == 1 and writes[0].document is not None:
                # One statement is its own transaction.
                with self._file.turn:
                    return self._put_all(self._file.connection, txid, members, writes)
            with self._file.transaction() as connection:
                return self._put_all(connection, txid, members, writes)

    def _put_all(
        self, connection: sqlite3.Connection, txid: str, members: str, writes: Sequence[Write]
    ) -> tuple[Heuristic, ...]:
        outcomes: tuple[Heuristic, ...] = ()
        for write in writes:
            if not _put(connection, txid, members, write):
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
    def snapshot(self) -> Iterator["SQLiteSnapshot"]:
        with self._file.errors:
            connection = self._file.connect(forced=False)
            try:
                connection.execute("BEGIN")
                # The view is fixed by the first read, not by BEGIN.
                connection.execute("SELECT 1 FROM sqlite_master").fetchone()
                yield SQLiteSnapshot(self, connection)
            finally:
                self._file.disconnect(connection)

    def close(self) -> None:
        self._file.close()

    def scan(self, connection: sqlite3.Connection, collection: str) -> list[Scanned]:
        """Every record of a collection as a connection sees it, and then what is left of deleted
        ones; damaged ones as their Corrupt."""
        found: list[Scanned] = []
        try:
            with self._file.errors:
                for row in connection.execute(_SCAN[collection]):
                    try:
                        found.append(self._stored(collection, row))
                    except Corrupt as error:
                        found.append(error)
                for row in connection.execute(_SCAN_DELETED, (collection,)):
                    try:
                        found.append(self._deleted(collection, row))
                    except Corrupt as error:
                        found.append(error)
        except Corrupt as error:
            found.append(error)
        return found

    def _naming_damage(self, error: sqlite3.OperationalError, *collections: str) -> Exception:
        """SQLite does not say in which record it met a document that is no JSON any more."""
        if "malformed JSON" in str(error):
            for collection in collections:
                for record in self.scan(self._file.connection, collection):
                    if isinstance(record, Exception):
                        return record
        return error

    def damage(self, connection: sqlite3.Connection, collection: str) -> list[Corrupt]:
        """What SQLite finds wrong beneath a collection's records, which reads may not notice."""
        try:
            with self._file.errors:
                rows = [
                    row
                    for table in (collection, DELETED)
                    for row in connection.execute(f"PRAGMA integrity_check({table})")
                ]
        except Corrupt as error:
            return [error]
        where = f"{self._name}, table {collection}"
        findings = [finding for (finding,) in rows if finding != "ok"]
        return [Corrupt(what="the file", where=where, reason=finding) for finding in findings[:1]]

    def _found(self, connection: sqlite3.Connection, write: Write) -> Stored | Deleted | None:
        row = connection.execute(_GET[write.collection], (write.record_id,)).fetchone()
        if row is not None:
            return Stored(*row[:-1])
        row = connection.execute(_GET_DELETED, (write.collection, write.record_id)).fetchone()
        return None if row is None else Deleted(*row[:-1])

    def _stored(self, collection: str, row: tuple[str, int, str, str, str, str]) -> Stored:
        stored = Stored(*row[:-1])
        self._check(stored, row[-1], f"{collection} record", collection)
        return stored

    def _deleted(self, collection: str, row: tuple[str, int, str, str, str]) -> Deleted:
        deleted = Deleted(*row[:-1])
        self._check(deleted, row[-1], f"deleted {collection} record", DELETED)
        return deleted

    def _check(self, found: Stored | Deleted, sealed: str, what: str, table: str) -> None:
        if sealed != record_checksum(found):
            raise Corrupt(
                what=f"{what} {found.record_id}",
                where=f"{self._name}, table {table}",
                reason="its checksum does not match",
            )


class SQLiteSnapshot:
    """The `Snapshot` contract: a store as one read transaction sees it."""

    def __init__(self, store: SQLiteStore, connection: sqlite3.Connection) -> None:
        self._store = store
        self._connection = connection

    def scan(self, collection: str) -> Sequence[Scanned]:
        found = self._store.scan(self._connection, collection)
        if any(isinstance(record, Exception) for record in found):
            return found
        return [*self._store.damage(self._connection, collection), *found]


def _put(connection: sqlite3.Connection, txid: str, members: str, write: Write) -> bool:
    """Write a record if exactly what the write replaces is there; whether it was."""
    if write.document is None:
        return _put_deletion(connection, txid, members, write)
    stored = Stored(write.record_id, write.revision, txid, members, write.document)
    if write.base == 0:
        row = (*stored, record_checksum(stored))
        return connection.execute(_INSERT[write.collection], row).rowcount == 1
    values = (*stored[1:], record_checksum(stored), write.record_id, write.base)
    return connection.execute(_UPDATE[write.collection], values).rowcount == 1


def _put_deletion(connection: sqlite3.Connection, txid: str, members: str, write: Write) -> bool:
    place = (write.record_id, write.base)
    if connection.execute(_DELETE[write.collection], place).rowcount != 1:
        return False
    deleted = Deleted(write.record_id, write.revision, txid, members)
    connection.execute(_KEEP_DELETED, (write.collection, *deleted, record_checksum(deleted)))
    return True


def _revisions(connection: sqlite3.Connection, read: Read) -> tuple[tuple[str, int], ...]:
    if isinstance(read, Get):
        row = connection.execute(_REVISION[read.collection], (read.record_id,)).fetchone()
        if row is None:
            place = (read.collection, read.record_id)
            row = connection.execute(_DELETED_REVISION, place).fetchone()
        return ((read.record_id, row[0]),) if row else ()
    condition = _condition(read.where)
    order = f"{_NEWEST} LIMIT 1" if read.newest else _ORDER
    rows = connection.execute(
        f"SELECT record_id, revision FROM {read.collection} {condition.text} {order}",
        condition.values,
    )
    return tuple(rows.fetchall())


class _Condition(NamedTuple):
    """The condition of a query, and the values of its parameters."""

    text: str = ""
    values: tuple[str, ...] = ()


def _condition(where: Sequence[tuple[str, str]], after: Stored | None = None) -> _Condition:
    conditions = [f"{column(field)} = ?" for field, _ in where]
    values = [to_json(value).decode() for _, value in where]
    if after is not None:
        created_at = json.loads(after.document).get("createdAt")
        if created_at is None:
            # Those without a creation time come first.
            conditions.append(f"({column('createdAt')} IS NOT NULL OR record_id > ?)")
        else:
            conditions.append(f"({column('createdAt')}, record_id) > (?, ?)")
            values.append(to_json(created_at).decode())
        values.append(after.record_id)
    if not conditions:
        return _Condition()
    return _Condition(f"WHERE {' AND '.join(conditions)}", tuple(values))
