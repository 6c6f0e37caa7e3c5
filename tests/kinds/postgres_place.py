"""A store or a journal in a schema of a PostgreSQL server: saved and put back by its rows."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cache
from typing import Any, Final, Generic, NamedTuple, TypeVar

import psycopg
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

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
_SEQUENCES: Final = (
    "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind = 'S'"
)
_CLEAR: Final = SQL("{} AS (DELETE FROM {})")
_ROWS: Final = SQL("SELECT {}, r::text FROM {} r")
_LAST: Final = SQL("SELECT {}, CASE WHEN is_called THEN last_value::text ELSE '' END FROM {}")
_SET: Final = "SELECT setval(format('%%I.%%I', %s::text, %s::text), coalesce(%s::bigint, 1), %s)"
_UNLIKE: Final = frozenset({"coordinators"})


class Saved(NamedTuple):
    """The rows of each table, as sorted texts, and where each sequence stands."""

    rows: Mapping[str, tuple[str, ...]]
    sequences: Mapping[str, int | None]


class _Made(NamedTuple):
    """What a schema has, once it is made, and the statements that save it and put it back.

    Asked for once, since to look for it takes the longer the more schemas there are.
    """

    tables: Sequence[str]
    sequences: Sequence[str]
    save: Composed
    clear: Composed
    put: Mapping[str, Composed]


class PostgresPlace(Generic[T_co]):
    """One schema.

    Args:
        opener: opens it.
    """

    def __init__(self, opener: Callable[[PostgresUrl], T_co]) -> None:
        self._url = lending(PostgresUrl.parse(new_schema(), setting="place"))
        self._opener = opener
        self._known: _Made | None = None

    def open(self) -> T_co:
        return self._opener(self._url)

    def save(self) -> Saved:
        """All that is in it; nothing, if no schema is made yet."""
        made = self._made()
        if made is None:
            return Saved({}, {})
        rows: dict[str, list[str]] = {name: [] for name in (*made.tables, *made.sequences)}
        for name, row in _connection().execute(made.save):
            rows[name].append(row)
        return Saved(
            {table: tuple(sorted(rows[table])) for table in made.tables},
            {name: int(last) if last else None for name in made.sequences for last in rows[name]},
        )

    def restore(self, saved: Saved) -> None:
        if not saved.rows:
            shared_server().drop(self._url.schema)
            self._known = None
            return
        if self._made() is None:
            self.open().close()
        made = self._made()
        assert made is not None
        with _connection().pipeline(), _connection().transaction():
            _connection().execute(made.clear)
            for table, rows in saved.rows.items():
                if rows:
                    _connection().execute(made.put[table], (list(rows),))
            for sequence, last in saved.sequences.items():
                _connection().execute(_SET, (self._url.schema, sequence, last, last is not None))

    def fingerprint(self) -> Hashable:
        return tuple((t, rows) for t, rows in self.save().rows.items() if t not in _UNLIKE)

    def _made(self) -> _Made | None:
        """What the server does not make by itself; None if there is nothing yet."""
        if self._known is None:
            schema = (f'"{self._url.schema}"',)
            tables = dict(_connection().execute(_TABLES, schema).fetchall())
            sequences = [name for (name,) in _connection().execute(_SEQUENCES, schema)]
            if tables:
                self._known = self._statements(tables, sequences)
        return self._known

    def _statements(self, tables: Mapping[str, Sequence[str]], sequences: Sequence[str]) -> _Made:
        names = {name: self._name(name) for name in (*tables, *sequences)}
        saves = [_ROWS.format(Literal(name), names[name]) for name in tables]
        saves += [_LAST.format(Literal(name), names[name]) for name in sequences]
        clears = [_CLEAR.format(Identifier(f"in {name}"), names[name]) for name in tables]
        puts = {}
        for name, columns in tables.items():
            listed = SQL(", ").join(map(Identifier, columns))
            puts[name] = _PUT.format(names[name], listed, listed, names[name])
        return _Made(
            tuple(tables),
            sequences,
            SQL(" UNION ALL ").join(saves),
            SQL("WITH {} SELECT").format(SQL(", ").join(clears)),
            puts,
        )

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
