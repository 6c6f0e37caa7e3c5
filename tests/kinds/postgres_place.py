"""A store in a schema of a PostgreSQL server: saved and put back by COPY."""

from collections.abc import Hashable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.sql import SQL, Composable, Identifier

from grove_sm.postgres.url import PostgresUrl
from grove_sm.stores.postgres import PostgresStore
from tests.servers.postgres import new_schema, shared_server

_PATIENCE: Final = 5.0


class PostgresStorePlace:
    """One schema."""

    def __init__(self, _: Path, __: str) -> None:
        self._url = PostgresUrl.parse(new_schema(), setting="store")

    def open(self) -> PostgresStore:
        return PostgresStore(self._url, timeout=_PATIENCE)

    def save(self) -> Mapping[str, bytes]:
        """The rows of each table, in the order of their text; of none, if no schema is made yet."""
        return {table: self._rows(table) for table in self._tables()}

    def restore(self, saved: Mapping[str, bytes]) -> None:
        if not saved:
            shared_server().drop(self._url.schema)
            return
        if not self._tables():
            self.open().close()
        with _connection().transaction(), _connection().cursor() as cursor:
            for table in saved:
                cursor.execute(SQL("DELETE FROM {}").format(self._name(table)))
                with cursor.copy(SQL("COPY {} FROM STDIN").format(self._name(table))) as copy:
                    copy.write(saved[table])

    def fingerprint(self) -> Hashable:
        return tuple(self.save().items())

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

    def _name(self, table: str) -> Composable:
        return Identifier(self._url.schema, table)


@cache
def _connection() -> "psycopg.Connection[tuple[Any, ...]]":
    return shared_server().connect()
