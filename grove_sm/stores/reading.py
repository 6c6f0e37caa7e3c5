"""Reads of a SQLite store's file, as it is now or, on a connection that keeps a view, as it was."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from grove_sm.commit.record import record_checksum
from grove_sm.domain.errors import Corrupt
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.operations.plan import Deleted, Expectation, Find, Get, Read, Scanned, Stored
from grove_sm.operations.query import Place, Query
from grove_sm.sqlite_file import Errors
from grove_sm.stores.checking import find_damage
from grove_sm.stores.schema import DELETED, FIELDS
from grove_sm.stores.selecting import (
    Statement,
    select_counts,
    select_page,
    select_revisions,
)

_FIELDS: Final = ", ".join(FIELDS)
GET: Final = {c: f"SELECT {_FIELDS} FROM {c} WHERE record_id = ?" for c in COLLECTIONS}
_REVISION: Final = {c: f"SELECT revision FROM {c} WHERE record_id = ?" for c in COLLECTIONS}
_DELETED_FIELDS: Final = f"SELECT record_id, revision, txid, members, checksum FROM {DELETED}"
GET_DELETED: Final = f"{_DELETED_FIELDS} WHERE collection = ? AND record_id = ?"
_DELETED_REVISION: Final = f"SELECT revision FROM {DELETED} WHERE collection = ? AND record_id = ?"
_SCAN_DELETED: Final = f"{_DELETED_FIELDS} WHERE collection = ? ORDER BY record_id"
_SCAN: Final = {c: f"SELECT {_FIELDS} FROM {c} ORDER BY record_id" for c in COLLECTIONS}

Row = tuple[str, int, str, str, str, str]


class ReadFile(Protocol):
    """A file to read from; `errors` turns SQLite's errors into this library's."""

    name: str
    errors: Errors

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's."""


class SQLiteReads:
    """The `Snapshot` contract, and what a store reads for its own.

    Args:
        file: the store's file.
        connection: one that keeps the view of a moment; by default, each thread's own, which sees
            what is there now.
    """

    def __init__(self, file: ReadFile, connection: sqlite3.Connection | None = None) -> None:
        self._file = file
        self._fixed = connection

    @property
    def _connection(self) -> sqlite3.Connection:
        return self._file.connection if self._fixed is None else self._fixed

    def read(self, read: Read) -> tuple[Stored, ...]:
        """See `Participant.read`."""
        if isinstance(read, Get):
            with self._file.errors:
                row = self._connection.execute(GET[read.collection], (read.record_id,)).fetchone()
            return () if row is None else (self._stored(read.collection, row),)
        limit = 1 if read.newest else None
        return self.page(Query(read.collection, read.where, newest_first=read.newest), limit)

    def page(
        self, query: Query, limit: int | None, after: Place | None = None
    ) -> tuple[Stored, ...]:
        """See `Participant.page`."""
        rows = self._rows(select_page(query, limit, after), query.collection)
        return tuple(self._stored(query.collection, row) for row in rows)

    def counts(self, query: Query, by: str) -> Mapping[str, int]:
        """See `Participant.counts`."""
        rows = self._rows(select_counts(query, by), query.collection)
        return {"" if text is None else json.loads(text): count for text, count in rows}

    def do_hold(self, expectations: Sequence[Expectation]) -> bool:
        """Whether every expectation still holds."""
        return all(self._revisions(read) == found for read, found in expectations)

    def scan(self, collection: str) -> Sequence[Scanned]:
        """See `Snapshot.scan`."""
        found = self._scan(collection)
        if any(isinstance(record, Exception) for record in found):
            return found
        sound = [record for record in found if isinstance(record, Stored)]
        with self._file.errors:
            finding = find_damage(self._connection, collection, sound)
        if finding is None:
            return found
        where = f"{self._file.name}, table {collection}"
        return [Corrupt(what="the file", where=where, reason=finding), *found]

    def _revisions(self, read: Read) -> tuple[tuple[str, int], ...]:
        if isinstance(read, Find):
            return tuple(self._rows(select_revisions(read), read.collection))
        with self._file.errors:
            connection = self._connection
            row = connection.execute(_REVISION[read.collection], (read.record_id,)).fetchone()
            if row is None:
                row = connection.execute(_DELETED_REVISION, tuple(read)).fetchone()
        return ((read.record_id, row[0]),) if row else ()

    def _rows(self, statement: Statement, collection: str) -> list[Any]:
        with self._file.errors:
            try:
                return self._connection.execute(statement.sql, statement.values).fetchall()
            except sqlite3.OperationalError as error:
                raise self._naming_damage(error, collection) from error

    def _scan(self, collection: str) -> list[Scanned]:
        """Every record of a collection, and then what is left of deleted ones; damaged ones as
        their Corrupt."""
        found: list[Scanned] = []
        try:
            with self._file.errors:
                for row in self._connection.execute(_SCAN[collection]):
                    try:
                        found.append(self._stored(collection, row))
                    except Corrupt as error:
                        found.append(error)
                for row in self._connection.execute(_SCAN_DELETED, (collection,)):
                    try:
                        found.append(self._deleted(row, collection))
                    except Corrupt as error:
                        found.append(error)
        except Corrupt as error:
            found.append(error)
        return found

    def _naming_damage(self, error: sqlite3.OperationalError, collection: str) -> Exception:
        """SQLite does not say in which record it met a document that is no JSON any more."""
        if "malformed JSON" in str(error):
            for record in self._scan(collection):
                if isinstance(record, Exception):
                    return record
        return error

    def _stored(self, collection: str, row: Row) -> Stored:
        stored = Stored(*row[:-1])
        self._check(stored, row[-1], f"{collection} record", collection)
        return stored

    def _deleted(self, row: tuple[str, int, str, str, str], collection: str) -> Deleted:
        deleted = Deleted(*row[:-1])
        self._check(deleted, row[-1], f"deleted {collection} record", DELETED)
        return deleted

    def _check(self, found: Stored | Deleted, sealed: str, what: str, table: str) -> None:
        if sealed != record_checksum(found):
            raise Corrupt(
                what=f"{what} {found.record_id}",
                where=f"{self._file.name}, table {table}",
                reason="its checksum does not match",
            )
