"""A store or a journal in a schema of a PostgreSQL server: saved and put back by COPY."""

from collections.abc import Callable, Hashable, Mapping
from functools import cache
from typing import Any, Final, Generic, NamedTuple, TypeVar

import psycopg
from psycopg.sql import SQL, Composable, Identifier

from grove_sm.commit.contract import Journal, Participant
from grove_sm.journal.postgres import PostgresJournal
from grove_sm.postgres.url import PostgresUrl
from grove_sm.stores.postgres import PostgresStore
from tests.groves import NOW
from tests.servers.postgres import new_schema, shared_server

T_co = TypeVar("T_co", bound=Journal | Participant, covariant=True)

_PATIENCE: Final = 5.0
_UNLIKE: Final = frozenset({"coordinators"})


class Saved(NamedTuple):
    """The rows of each table, in the order of their text, and where each sequence stands."""

    rows: Mapping[str, bytes]
    sequences: Mapping[str, tuple[int, bool]]


class PostgresPlace(Generic[T_co]):
    """One schema.

    Args:
        opener: opens it.
    """

    def __init__(self, opener: Callable[[PostgresUrl], T_co]) -> None:
        self._url = PostgresUrl.parse(new_schema(), setting="place")
        self._opener = opener

    def open(self) -> T_co:
        return self._opener(self._url)

    def save(self) -> Saved:
        """All that is in it; nothing, if no schema is made yet."""
        rows = {table: self._rows(table) for table in self._tables()}
        return Saved(rows, {name: self._stand_of(name) for name in self._sequences()})

    def restore(self, saved: Saved) -> None:
        if not saved.rows:
            shared_server().drop(self._url.schema)
            return
        if not self._tables():
            self.open().close()
        with _connection().transaction(), _connection().cursor() as cursor:
            for table, rows in saved.rows.items():
                cursor.execute(SQL("DELETE FROM {}").format(self._name(table)))
                with cursor.copy(SQL("COPY {} FROM STDIN").format(self._name(table))) as copy:
                    copy.write(rows)
            for name, stand in saved.sequences.items():
                cursor.execute(
                    "SELECT setval(format('%%I.%%I', %s::text, %s::text), %s, %s)",
                    (self._url.schema, name, *stand),
                )

    def fingerprint(self) -> Hashable:
        return tuple((t, rows) for t, rows in self.save().rows.items() if t not in _UNLIKE)

    def _tables(self) -> list[str]:
        found = _connection().execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename NOT LIKE %s",
            (self._url.schema, "grove_%"),
        )
        return sorted(name for (name,) in found)

    def _rows(self, table: str) -> bytes:
        rows = SQL("COPY {} TO STDOUT").format(self._name(table))
        with _connection().cursor() as cursor, cursor.copy(rows) as copy:
            return b"".join(sorted(map(bytes, copy)))

    def _sequences(self) -> list[str]:
        found = _connection().execute(
            "SELECT sequencename FROM pg_sequences WHERE schemaname = %s", (self._url.schema,)
        )
        return [name for (name,) in found]

    def _stand_of(self, sequence: str) -> tuple[int, bool]:
        query = SQL("SELECT last_value, is_called FROM {}").format(self._name(sequence))
        row = _connection().execute(query).fetchone()
        assert row is not None
        return row[0], row[1]

    def _name(self, name: str) -> Composable:
        return Identifier(self._url.schema, name)


def store_place() -> PostgresPlace[Participant]:
    """An empty place for a store."""
    return PostgresPlace(lambda url: PostgresStore(url, timeout=_PATIENCE))


def journal_place() -> PostgresPlace[Journal]:
    """An empty place for a journal."""
    return PostgresPlace(lambda url: PostgresJournal(url, opened_at=NOW, timeout=_PATIENCE))


@cache
def _connection() -> "psycopg.Connection[tuple[Any, ...]]":
    return shared_server().connect()
