"""A store in a PostgreSQL database, for any of the five collections, or several of them."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, TypeVar

from pydantic_core import to_json

from grove_sm.commit.contract import AppliesLost
from grove_sm.commit.record import record_checksum
from grove_sm.commit.redo import Verdict, heuristic, judge
from grove_sm.domain.errors import Corrupt, StoreUnavailable
from grove_sm.operations.layout import INDEXED, field_of
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
from grove_sm.postgres.database import PostgresDatabase, Session, force
from grove_sm.postgres.url import PostgresUrl
from grove_sm.stores.postgres_schema import MIGRATIONS, THERE
from grove_sm.stores.schema import column

T = TypeVar("T")

_CONNECTIONS: Final = 4
_BATCH: Final = 1000
_MOST_TURNS: Final = 10
_FIELDS: Final = "record_id, revision, txid, members, document, checksum"
_ORDER: Final = f"ORDER BY {column('createdAt')}, record_id"
_NEWEST: Final = f"ORDER BY {column('createdAt')} DESC, record_id DESC LIMIT 1"
_BY_ID: Final = "sha256(record_id) = sha256(%s)"


class PostgresStore:
    """The `Participant` contract on a schema (see `grove_sm.commit.contract`).

    Collections that share a schema share one of these, and then commit together.

    Not `local`: a vote is a round trip, and as many seconds as `timeout` if the server is out of
    reach; nobody who does not need this store is to wait for that.

    Applies wait for no disk. Where the server crashes and loses some, the store is not itself
    until they are redone (see `redo`).

    Args:
        url: where it is; the schema and its tables are made if there are none.
        timeout: seconds to wait for a connection, a lock or an answer.

    Raises StoreUnavailable, Corrupt, or ValidationError for a newer format or a server that will
    not do.
    """

    local: Final = False

    def __init__(self, url: PostgresUrl, *, timeout: float = 5.0) -> None:
        self._database = PostgresDatabase(
            url,
            component="stores",
            migrations=MIGRATIONS,
            timeout=timeout,
            connections=_CONNECTIONS,
        )
        self._joined = threading.local()

    @property
    def name(self) -> str:
        return self._database.name

    def read(self, read: Read) -> tuple[Stored, ...]:
        if isinstance(read, Get):
            return self._select(read.collection, f"{_BY_ID} AND {THERE}", (_key(read.record_id),))
        if read.newest:
            condition, values = _condition(read.where)
            return self._select(read.collection, f"{condition} {_NEWEST}", values)
        return self.page(read.collection, read.where, None)

    def page(
        self,
        collection: str,
        where: Sequence[tuple[str, str]],
        limit: int | None,
        after: Stored | None = None,
    ) -> tuple[Stored, ...]:
        condition, values = _condition(where)
        if after is not None:
            condition += f" AND ({column('createdAt')}, record_id) > (%s, %s)"
            created_at = _text_of(field_of(collection, after.document, "createdAt"))
            values += (created_at, _key(after.record_id))
        return self._select(collection, f"{condition} {_ORDER} LIMIT %s", (*values, limit))

    def validate(self, expectations: Sequence[Expectation]) -> bool:
        if not expectations:
            return True
        found: list[list[tuple[str, int]]] = [[] for _ in expectations]
        parts: list[str] = []
        values: list[object] = []
        for number, (read, _) in enumerate(expectations):
            if isinstance(read, Get):
                # One that is deleted has a revision too.
                condition = _BY_ID
                values.append(_key(read.record_id))
            else:
                condition, more = _condition(read.where)
                condition += f" {_NEWEST}" if read.newest else ""
                values += more
            parts.append(
                f"(SELECT {number}, record_id, revision FROM {read.collection} WHERE {condition})"
            )
        for number, record_id, revision in self._query(" UNION ALL ".join(parts), values):
            found[number].append((record_id.decode(), revision))
        return all(
            sorted(seen) == sorted(expectation.found)
            for seen, expectation in zip(found, expectations, strict=True)
        )

    def apply(self, txid: str, members: str, writes: Sequence[Write]) -> tuple[Heuristic, ...]:
        def put_all(session: Session) -> tuple[Heuristic, ...]:
            return self._put_all(session, txid, members, writes)

        joined: Session | None = getattr(self._joined, "session", None)
        if joined is None:
            return self._run(put_all)
        with self._database.errors:
            return put_all(joined)

    @contextmanager
    def together(self) -> Iterator[None]:
        with self._database.connection() as session, self._database.errors:
            self._admit(session)
            with session.transaction(), self._joining(session):
                yield

    @contextmanager
    def redo(self) -> Iterator[None]:
        with self._database.connection() as session, self._database.errors:
            # One transaction, so that a crash in it takes back all of it.
            with session.transaction():
                session.execute(
                    "SELECT pg_advisory_xact_lock("
                    "hashtextextended('grove_sm.redo.' || current_schema(), 0))"
                )
                with self._joining(session):
                    yield
                session.execute("INSERT INTO intact VALUES (1) ON CONFLICT DO NOTHING")
            session.is_admitted = True

    def force(self) -> None:
        self._run(force)

    def trim(self) -> None:
        # The server trims its own log.
        pass

    @contextmanager
    def snapshot(self) -> Iterator["PostgresSnapshot"]:
        # On a connection of its own: it may be kept for long.
        session = self._database.connect()
        try:
            with self._database.errors:
                self._admit(session)
                session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                # The view is fixed by the first query, not by BEGIN.
                session.execute(
                    "SELECT set_config('idle_in_transaction_session_timeout', '0', true)"
                )
            yield PostgresSnapshot(self, session)
        finally:
            session.close()

    def close(self) -> None:
        self._database.close()

    def scan(self, session: Session, collection: str) -> list[Scanned]:
        """Every record of a collection as a connection sees it, and then what is left of deleted
        ones; damaged ones as their Corrupt."""
        columns = "".join(f", {column(field)}" for field in INDEXED[collection])
        found: list[Scanned] = []
        try:
            with self._database.errors, session.cursor(name="scan") as cursor:
                cursor.itersize = _BATCH
                # By the rows themselves: a damaged index would hide some.
                session.execute(
                    "SELECT set_config('enable_indexscan', 'off', true), "
                    "set_config('enable_bitmapscan', 'off', true)"
                )
                order = f"{THERE} DESC, record_id"
                cursor.execute(f"SELECT {_FIELDS}{columns} FROM {collection} ORDER BY {order}")
                for row in cursor:
                    found.append(self._scanned(collection, row))
        except Corrupt as error:
            found.append(error)
        return found

    def _scanned(self, collection: str, row: tuple[Any, ...]) -> Scanned:
        try:
            found = self._checked(collection, row[:6])
        except Corrupt as error:
            return error
        document = found.document if isinstance(found, Stored) else None
        if row[6:] != tuple(_fields(collection, document)):
            return self._corrupt(collection, found.record_id, "it is listed under other fields")
        return found

    @contextmanager
    def _joining(self, session: Session) -> Iterator[None]:
        """Have this thread's applies join a transaction."""
        self._joined.session = session
        try:
            yield
        finally:
            self._joined.session = None

    def _run(self, work: Callable[[Session], T]) -> T:
        """Do what may be repeated, on a connection that knows that nothing is lost."""

        def admitted(session: Session) -> T:
            self._admit(session)
            return work(session)

        return self._database.run(admitted)

    def _admit(self, session: Session) -> None:
        """Look, once for each connection, whether the store is intact: a crash ends them all."""
        if not session.is_admitted:
            if session.execute("SELECT FROM intact").fetchone() is None:
                raise AppliesLost(store=self.name)
            session.is_admitted = True

    def _query(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        return self._run(lambda session: session.execute(query, values).fetchall())

    def _select(
        self, collection: str, condition: str, values: Sequence[object]
    ) -> tuple[Stored, ...]:
        rows = self._query(f"SELECT {_FIELDS} FROM {collection} WHERE {condition}", values)
        found = (self._checked(collection, row) for row in rows)
        return tuple(record for record in found if isinstance(record, Stored))

    def _put_all(
        self, session: Session, txid: str, members: str, writes: Sequence[Write]
    ) -> tuple[Heuristic, ...]:
        left = list(writes)
        outcomes: dict[Write, Heuristic] = {}
        for _ in range(_MOST_TURNS):
            if not left:
                return tuple(outcomes[write] for write in writes if write in outcomes)
            refused, left = _put(session, txid, members, left), []
            for write in refused:
                found = self._found(session, write)
                match judge(write, txid, found):
                    case Verdict.APPLY:
                        # Other software has been here between the two looks.
                        left.append(write)
                    case Verdict.FOREIGN:
                        outcomes[write] = heuristic(write, txid, found, self.name)
                    case Verdict.ALREADY:
                        pass
        raise StoreUnavailable(store=self.name, reason="its records keep changing; try again")

    def _found(self, session: Session, write: Write) -> Stored | Deleted | None:
        row = session.execute(
            f"SELECT {_FIELDS} FROM {write.collection} WHERE {_BY_ID}", (_key(write.record_id),)
        ).fetchone()
        return None if row is None else _record(row)

    def _checked(self, collection: str, row: tuple[Any, ...]) -> Stored | Deleted:
        found = _record(row)
        if row[5] != record_checksum(found):
            raise self._corrupt(collection, found.record_id, "its checksum does not match")
        return found

    def _corrupt(self, collection: str, record_id: str, reason: str) -> Corrupt:
        where = f"{self.name}, table {collection}"
        return Corrupt(what=f"{collection} record {record_id}", where=where, reason=reason)


class PostgresSnapshot:
    """The `Snapshot` contract: a store as one read transaction sees it."""

    def __init__(self, store: PostgresStore, session: Session) -> None:
        self._store = store
        self._session = session

    def scan(self, collection: str) -> Sequence[Scanned]:
        return self._store.scan(self._session, collection)


def _put(session: Session, txid: str, members: str, writes: Sequence[Write]) -> list[Write]:
    """Write each record where exactly what its write replaces is there; the others' writes.

    One statement, so that it is one round trip, and one transaction unless it is within one.
    """
    values: list[object] = []
    for write in writes:
        found = _written(write.record_id, write.revision, txid, members, write.document)
        key = _key(write.record_id)
        values += (key, write.revision, txid, members, write.document, record_checksum(found))
        values += _fields(write.collection, write.document)
        if write.base:
            values += (key, write.base)
    shape = tuple((write.collection, write.base > 0) for write in writes)
    row = session.execute(_put_statement(shape), values).fetchone()
    assert row is not None  # noqa: S101 - it selects one
    return [write for write, done in zip(writes, row, strict=True) if not done]


@cache
def _put_statement(shape: tuple[tuple[str, bool], ...]) -> str:
    parts = []
    for number, (collection, is_update) in enumerate(shape):
        columns = ", ".join((_FIELDS, *(column(field) for field in INDEXED[collection])))
        marks = ", ".join("%s" for _ in columns.split(","))
        put = (
            f"UPDATE {collection} SET ({columns}) = ROW({marks}) "
            f"WHERE {_BY_ID} AND revision = %s AND {THERE}"
            if is_update
            else f"INSERT INTO {collection} ({columns}) VALUES ({marks}) ON CONFLICT DO NOTHING"
        )
        parts.append(f"w{number} AS ({put} RETURNING 1)")
    counts = ", ".join(f"(SELECT count(*) FROM w{number})" for number in range(len(shape)))
    return f"WITH {', '.join(parts)} SELECT {counts}"


def _key(record_id: str) -> bytes:
    return record_id.encode()


def _record(row: tuple[Any, ...]) -> Stored | Deleted:
    record_id, revision, txid, members, document = row[:5]
    return _written(record_id.decode(errors="replace"), revision, txid, members, document)


def _written(
    record_id: str, revision: int, txid: str, members: str, document: str | None
) -> Stored | Deleted:
    if document is None:
        return Deleted(record_id, revision, txid, members)
    return Stored(record_id, revision, txid, members, document)


def _condition(where: Sequence[tuple[str, str]]) -> tuple[str, tuple[object, ...]]:
    conditions = [THERE, *(f"{column(field)} = %s" for field, _ in where)]
    return " AND ".join(conditions), tuple(_text_of(value) for _, value in where)


def _fields(collection: str, document: str | None) -> list[str]:
    """What a store is asked by: the texts of a document's indexed fields."""
    if document is None:
        return ["" for _ in INDEXED[collection]]
    return [_text_of(field_of(collection, document, field)) for field in INDEXED[collection]]


def _text_of(value: str) -> str:
    """A value as JSON text, in which there is no NUL; empty for none."""
    return to_json(value).decode() if value else ""
