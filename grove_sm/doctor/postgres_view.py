"""Schemas of PostgreSQL as they are, for whoever only looks: in transactions that may not write."""

from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager

from grove_sm.commit.contract import AppliesLost
from grove_sm.doctor.journal_view import JournalView
from grove_sm.doctor.looking import Found, Scanner, check_format
from grove_sm.journal.postgres_schema import MIGRATIONS as JOURNAL_MIGRATIONS
from grove_sm.journal.postgres_session import ALIVE
from grove_sm.postgres.database import PostgresDatabase
from grove_sm.postgres.session import Session
from grove_sm.postgres.url import PostgresUrl
from grove_sm.stores.postgres_reading import PostgresSnapshot
from grove_sm.stores.postgres_schema import MIGRATIONS as STORES_MIGRATIONS

_ONE_MOMENT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


@contextmanager
def view_journal_schema(
    url: PostgresUrl, timeout: float
) -> Iterator[tuple[Found, JournalView | None]]:
    """As `view_journal`, of a schema."""
    with _view(url, "journal", len(JOURNAL_MIGRATIONS), timeout) as (database, session, found):

        def alive(coordinators: Collection[int]) -> Collection[int]:
            row = session.execute(ALIVE).fetchone()
            living = set(row[0] or ()) if row else set()
            return [number for number in coordinators if number in living]

        view = JournalView(url.name, session, database.errors, alive)
        yield found, None if found.is_old else view


@contextmanager
def view_store_schema(url: PostgresUrl, timeout: float) -> Iterator[tuple[Found, Scanner | None]]:
    """As `view_store`, of a schema."""
    with _view(url, "stores", len(STORES_MIGRATIONS), timeout) as (database, session, found):
        if found.is_old:
            yield found, None
            return
        with database.errors:
            if session.execute("SELECT FROM intact").fetchone() is None:
                raise AppliesLost(store=url.name)
        yield found, PostgresSnapshot(database, session).scan


@contextmanager
def _view(
    url: PostgresUrl, component: str, newest: int, timeout: float
) -> Iterator[tuple[PostgresDatabase, Session, Found]]:
    database = PostgresDatabase(
        url, component=component, migrations=(), timeout=timeout, connections=1, only_looks=True
    )
    with closing(database):
        found = Found(database.format(component), newest)
        check_format(url.name, component, found.format or 0, newest)
        with closing(database.connect()) as session:
            with database.errors:
                session.execute(_ONE_MOMENT)
            yield database, session, found
