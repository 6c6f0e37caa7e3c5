"""Reads of a PostgreSQL store, as it is now or, on a connection that keeps a view, as it was."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from grove_sm.commit.record import record_checksum
from grove_sm.domain.errors import Corrupt
from grove_sm.operations.plan import Deleted, Get, Read, Scanned, Stored
from grove_sm.operations.query import Place, Query
from grove_sm.operations.words import Term
from grove_sm.postgres.database import PostgresDatabase
from grove_sm.postgres.session import Session
from grove_sm.stores.indexing import LISTS, json_text
from grove_sm.stores.postgres_schema import COLUMNS, THERE, beside, column

FIELDS: Final = "record_id, revision, txid, members, document, checksum"
BY_ID: Final = "sha256(record_id) = sha256(%s)"
_WIDTH: Final = 6
_BATCH: Final = 1000
_CREATED: Final = column("createdAt")


class Condition(NamedTuple):
    """SQL for a condition, and the values for its parameters."""

    sql: str
    values: tuple[object, ...] = ()


class PostgresReads:
    """What a store reads of the records that are there, and part of the `Snapshot` contract.

    Args:
        name: the store's, as errors call it.
        select: executes a query, and answers its rows.
    """

    def __init__(
        self, name: str, select: Callable[[str, Sequence[object]], list[tuple[Any, ...]]]
    ) -> None:
        self._name = name
        self._select = select

    def read(self, read: Read) -> tuple[Stored, ...]:
        """See `Participant.read`."""
        if isinstance(read, Get):
            condition = Condition(f"{BY_ID} AND {THERE}", (key_of(read.record_id),))
            return self._records(read.collection, condition)
        query = Query(read.collection, read.where, newest_first=read.newest)
        return self.page(query, 1 if read.newest else None)

    def page(
        self, query: Query, limit: int | None, after: Place | None = None
    ) -> tuple[Stored, ...]:
        """See `Participant.page`."""
        condition = condition_of(query, after)
        sql = f"{condition.sql} {order_of(newest_first=query.newest_first)} LIMIT %s"
        return self._records(query.collection, Condition(sql, (*condition.values, limit)))

    def counts(self, query: Query, by: str) -> Mapping[str, int]:
        """See `Participant.counts`."""
        condition = condition_of(query)
        rows = self._select(
            f"SELECT {column(by)}, count(*) FROM {query.collection} WHERE {condition.sql} "
            "GROUP BY 1",
            condition.values,
        )
        return {json.loads(text) if text else "": count for text, count in rows}

    def scanned(self, collection: str, row: tuple[Any, ...]) -> Scanned:
        """What a row of `FIELDS` and `COLUMNS` holds, or how it is damaged."""
        try:
            found = self._checked(collection, row[:_WIDTH])
        except Corrupt as error:
            return error
        document = json.loads(found.document) if isinstance(found, Stored) else None
        if row[_WIDTH:] != beside(collection, found.record_id, document):
            return self._corrupt(collection, found.record_id, "it is listed under other fields")
        return found

    def _records(self, collection: str, condition: Condition) -> tuple[Stored, ...]:
        rows = self._select(
            f"SELECT {FIELDS} FROM {collection} WHERE {condition.sql}", condition.values
        )
        found = (self._checked(collection, row) for row in rows)
        return tuple(record for record in found if isinstance(record, Stored))

    def _checked(self, collection: str, row: tuple[Any, ...]) -> Stored | Deleted:
        found = record_of(row)
        if row[5] != record_checksum(found):
            raise self._corrupt(collection, found.record_id, "its checksum does not match")
        return found

    def _corrupt(self, collection: str, record_id: str, reason: str) -> Corrupt:
        where = f"{self._name}, table {collection}"
        return Corrupt(what=f"{collection} record {record_id}", where=where, reason=reason)


class PostgresSnapshot(PostgresReads):
    """The `Snapshot` contract: a store as one read transaction sees it."""

    def __init__(self, database: PostgresDatabase, session: Session) -> None:
        def select(query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
            with database.errors:
                return session.execute(query, values).fetchall()

        super().__init__(database.name, select)
        self._database = database
        self._session = session

    def scan(self, collection: str) -> Sequence[Scanned]:
        """See `Snapshot.scan`."""
        columns = ", ".join((FIELDS, *COLUMNS[collection]))
        found: list[Scanned] = []
        try:
            with self._database.errors, self._session.cursor(name="scan") as cursor:
                cursor.itersize = _BATCH
                # By the rows themselves: a damaged index would hide some.
                self._session.execute(
                    "SELECT set_config('enable_indexscan', 'off', true), "
                    "set_config('enable_bitmapscan', 'off', true)"
                )
                order = f"{THERE} DESC, record_id"
                cursor.execute(f"SELECT {columns} FROM {collection} ORDER BY {order}")
                for row in cursor:
                    found.append(self.scanned(collection, row))
        except Corrupt as error:
            found.append(error)
        return found


def condition_of(query: Query, after: Place | None = None) -> Condition:
    """The condition for what a query asks for, behind a place."""
    conditions = [THERE]
    values: list[object] = []
    lists = LISTS[query.collection]
    for field, value in query.where:
        if field in lists:
            conditions.append(f"{column(field)} @> %s")
            values.append([json_text(value)])
        else:
            conditions.append(f"{column(field)} = %s")
            values.append(_text_of(value))
    for field, choices in query.among:
        overlaps = f"{column(field)} && %s" if field in lists else f"{column(field)} = ANY(%s)"
        conditions.append(overlaps)
        values.append([json_text(choice) for choice in choices])
    for field, since, before in query.between:
        # Nothing is before what is missing, and everything that is there is behind it.
        conditions.append(f"{column(field)} >= %s")
        values.append('"' if since is None else json_text(since))
        if before is not None:
            conditions.append(f"{column(field)} < %s")
            values.append(json_text(before))
    if query.terms:
        conditions.append("words @@ %s::tsquery")
        values.append(_tsquery(query.terms))
        for term in query.terms:
            if len(term.words) > 1:
                conditions.append("strpos(searched, %s) > 0")
                values.append(f" {' '.join(term.words)}{'' if term.is_prefix else ' '}")
    if after is not None:
        sign = "<" if query.newest_first else ">"
        conditions.append(f"({_CREATED}, record_id) {sign} (%s, %s)")
        values += (_text_of(after.created_at), key_of(after.record_id))
    return Condition(" AND ".join(conditions), tuple(values))


def order_of(*, newest_first: bool) -> str:
    """The order of lists."""
    direction = "DESC" if newest_first else "ASC"
    return f"ORDER BY {_CREATED} {direction}, record_id {direction}"


def key_of(record_id: str) -> bytes:
    """A record's id as it is kept."""
    return record_id.encode()


def record_of(row: tuple[Any, ...]) -> Stored | Deleted:
    """What the first fields of a row hold."""
    key, revision, txid, members, document = row[:5]
    record_id = key.decode(errors="replace")
    if document is None:
        return Deleted(record_id, revision, txid, members)
    return Stored(record_id, revision, txid, members, document)


def _text_of(value: str) -> str:
    """A value as JSON text, in which there is no NUL; empty for none."""
    return json_text(value) if value else ""


def _tsquery(terms: Sequence[Term]) -> str:
    """What has all the words; whether they stand in a row is another question."""
    every = (
        f"'{word}'{':*' if term.is_prefix and place == len(term.words) else ''}"
        for term in terms
        for place, word in enumerate(term.words, start=1)
    )
    return " & ".join(every)
