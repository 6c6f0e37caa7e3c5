"""A store or a journal in a schema of a PostgreSQL server: saved and put back by its rows."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cache
from typing import Any, Final, Generic, NamedTuple, TypeVar

import psycopg
from psycopg.sql import SQL, Composable, Identifier, Literal

from grove_sm.commit.contract import Journal, Participant
from grove_sm.journal.postgres import PostgresJournal
from grove_sm.postgres.url import PostgresUrl
from grove_sm.stores.postgres import PostgresStore
from tests.groves import NOW
from tests.kinds.postgres_lending import lending
from tests.servers.postgres import new_schema, shared_server

T_co = TypeVar("T_co", bound=Journal | Participant, covariant=True)

_PATIENCE: Final = 5.0
_PUT: Final = SQL(
    "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE "
    "SELECT {} FROM (SELECT (t::{}).* FROM unnest(%s::text[]) t) r"
)
_TABLES: Final = (
    "SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum) FROM pg_class c "
    "JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relnamespace = to_regnamespace(%s) "
    "AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' "
    "GROUP BY c.relname ORDER BY c.relname"
)
_SET: Final = "SELECT setval(format('%%I.%%I', %s::text, %s::text), coalesce(%s::bigint, 1), %s)"
_UNLIKE: Final = frozenset({"coordinators"})


class Saved(NamedTuple):
    """The rows of each table, as sorted texts, and where each sequence stands."""

    rows: Mapping[str, tuple[str, ...]]
    sequences: Mapping[str, int | None]


class PostgresPlace(Generic[T_co]):
    """One schema.

    Args:
        opener: opens it.
    """

    def __init__(self, opener: Callable[[PostgresUrl], T_co]) -> None:
        self._url = lending(PostgresUrl.parse(new_schema(), setting="place"))
        self._opener = opener

    def open(self) -> T_co:
        return self._opener(self._url)

    def save(self) -> Saved:
        """All that is in it; nothing, if no schema is made yet."""
        rows: dict[str, list[str]] = {table: [] for table in self._tables()}
        if not rows:
            return Saved({}, {})
        query = SQL(" UNION ALL ").join(
            SQL("SELECT {}, r::text FROM {} r").format(Literal(table), self._name(table))
            for table in rows
        )
        for table, row in _connection().execute(query):
            rows[table].append(row)
        sequences = _connection().execute(
            "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = %s",
            (self._url.schema,),
        )
        return Saved({table: tuple(sorted(rows[table])) for table in rows}, dict(sequences))

    def restore(self, saved: Saved) -> None:
        if not saved.rows:
            shared_server().drop(self._url.schema)
            return
        tables = self._tables()
        if not tables:
            self.open().close()
            tables = self._tables()
        with _connection().pipeline(), _connection().transaction():
            for table, rows in saved.rows.items():
                name = self._name(table)
                _connection().execute(SQL("DELETE FROM {}").format(name))
                if rows:
                    columns = SQL(", ").join(map(Identifier, tables[table]))
                    put = _PUT.format(name, columns, columns, name)
                    _connection().execute(put, (list(rows),))
            for sequence, last in saved.sequences.items():
                _connection().execute(_SET, (self._url.schema, sequence, last, last is not None))

    def fingerprint(self) -> Hashable:
        return tuple((t, rows) for t, rows in self.save().rows.items() if t not in _UNLIKE)

    def _tables(self) -> Mapping[str, Sequence[str]]:
        """The columns of each table but those that the server makes by itself."""
        return dict(_connection().execute(_TABLES, (f'"{self._url.schema}"',)).fetchall())

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
