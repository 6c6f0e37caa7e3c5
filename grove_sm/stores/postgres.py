"""A store in a PostgreSQL database, for any of the five collections, or several of them."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, Final, TypeVar

from grove_sm.blocking import Cooperative
from grove_sm.commit.contract import AppliesLost
from grove_sm.commit.record import record_checksum
from grove_sm.commit.redo import Verdict, heuristic, judge, written
from grove_sm.domain.errors import StoreUnavailable
from grove_sm.operations.plan import Deleted, Expectation, Get, Heuristic, Read, Stored, Write
from grove_sm.operations.query import Place, Query
from grove_sm.postgres.database import PostgresDatabase
from grove_sm.postgres.session import Session, force
from grove_sm.postgres.url import PostgresUrl
from grove_sm.stores.postgres_reading import (
    BY_ID,
    FIELDS,
    PostgresReads,
    PostgresSnapshot,
    condition_of,
    key_of,
    order_of,
    record_of,
)
from grove_sm.stores.postgres_schema import COLUMNS, MIGRATIONS, THERE, beside

T = TypeVar("T")

_CONNECTIONS: Final = 4
_MOST_TURNS: Final = 10
_AT_ONCE: Final = 200
"""How many writes or expectations go into one statement."""


class PostgresStore(Cooperative):
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
        self._joined: ContextVar[Session | None] = ContextVar("joined", default=None)
        self._reads = PostgresReads(self.name, self._query)

    @property
    def name(self) -> str:
        return self._database.name

    def read(self, read: Read) -> tuple[Stored, ...]:
        return self._reads.read(read)

    def page(
        self, query: Query, limit: int | None, after: Place | None = None
    ) -> tuple[Stored, ...]:
        return self._reads.page(query, limit, after)

    def counts(self, query: Query, by: str) -> Mapping[str, int]:
        return self._reads.counts(query, by)

    def validate(self, expectations: Sequence[Expectation]) -> bool:
        return all(map(self._do_hold, _slices(expectations)))

    def _do_hold(self, expectations: Sequence[Expectation]) -> bool:
        """Whether all of so many expectations still hold, in one query."""
        found: list[list[tuple[str, int]]] = [[] for _ in expectations]
        parts: list[str] = []
        values: list[object] = []
        for number, (read, _) in enumerate(expectations):
            if isinstance(read, Get):
                # One that is deleted has a revision too.
                condition = BY_ID
                values.append(key_of(read.record_id))
            else:
                condition, more = condition_of(Query(read.collection, read.where))
                condition += f" {order_of(newest_first=True)} LIMIT 1" if read.newest else ""
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
            if len(writes) <= _AT_ONCE:
                return self._put_all(session, txid, members, writes)
            outcomes: tuple[Heuristic, ...] = ()
            with session.transaction():
                for some in _slices(writes):
                    outcomes += self._put_all(session, txid, members, some)
            return outcomes

        joined = self._joined.get()
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
    def snapshot(self) -> Iterator[PostgresSnapshot]:
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
            yield PostgresSnapshot(self._database, session)
        finally:
            session.close()

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def _joining(self, session: Session) -> Iterator[None]:
        """Have the caller's applies join a transaction."""
        before = self._joined.set(session)
        try:
            yield
        finally:
            self._joined.reset(before)

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

    @staticmethod
    def _found(session: Session, write: Write) -> Stored | Deleted | None:
        row = session.execute(
            f"SELECT {FIELDS} FROM {write.collection} WHERE {BY_ID}", (key_of(write.record_id),)
        ).fetchone()
        return None if row is None else record_of(row)


def _slices(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))


def _put(session: Session, txid: str, members: str, writes: Sequence[Write]) -> list[Write]:
    """Write each record where exactly what its write replaces is there; the others' writes.

    One statement, so that it is one round trip, and one transaction unless it is within one.
    """
    values: list[object] = []
    for write in writes:
        found = written(write, txid, members)
        key = key_of(write.record_id)
        values += (key, *found[1:4], write.document, record_checksum(found))
        document = None if write.document is None else json.loads(write.document)
        values += beside(write.collection, write.record_id, document)
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
        columns = ", ".join((FIELDS, *COLUMNS[collection]))
        marks = ", ".join("%s" for _ in columns.split(","))
        put = (
            f"UPDATE {collection} SET ({columns}) = ROW({marks}) "
            f"WHERE {BY_ID} AND revision = %s AND {THERE}"
            if is_update
            else f"INSERT INTO {collection} ({columns}) VALUES ({marks}) ON CONFLICT DO NOTHING"
        )
        parts.append(f"w{number} AS ({put} RETURNING 1)")
    counts = ", ".join(f"(SELECT count(*) FROM w{number})" for number in range(len(shape)))
    return f"WITH {', '.join(parts)} SELECT {counts}"
