"""One schema of a PostgreSQL database as the journal and the stores use it.

Connections come from a pool that opens them when they are needed. Every wait is bounded: for a
connection, for a lock, for a statement (the server ends these), and for an answer, since a server
that has vanished ends nothing. Commits are as durable as `synchronous_commit` says: off by default
here, so that a commit waits for no disk; see `force` and `forced`.
"""

import logging
import math
import os
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any, Final, TypeVar

import psycopg
from psycopg.errors import LockNotAvailable, UndefinedTable
from psycopg.sql import SQL, Identifier

from grove_sm.blocking import in_thread
from grove_sm.domain.errors import GroveError, StoreUnavailable, ValidationError
from grove_sm.postgres.errors import Errors, translate
from grove_sm.postgres.pool import Pool
from grove_sm.postgres.session import NoAnswer, Session, force, sessions
from grove_sm.postgres.url import PostgresUrl

log = logging.getLogger("grove_sm")

T = TypeVar("T")

_FORMATS: Final = "grove_formats"
_GRACE: Final = 0.5
_MOST_ATTEMPTS: Final = 6
_IDLE_TRANSACTION: Final = 2
_KEEPALIVES: Final = 3
_LONGEST_TRANSACTION: Final = 4
_BOUNDS_TRANSACTIONS: Final = 170000
_OLDEST_SERVER: Final = 140000

_PASSING: Final = frozenset({"40001", "40P01"})
"""Serialization failure, deadlock: nothing has happened, and the next attempt may pass."""

_databases: "weakref.WeakSet[PostgresDatabase]" = weakref.WeakSet()

Migration = str | Callable[[Session], object]
"""What brings a format to the next: SQL statements, with the schema as the search path, or what
is to be done on a session in the same transaction."""


class PostgresDatabase:
    """A schema, with its format checked and brought up to date.

    Args:
        url: where it is.
        component: what of the schema this is about (`journal` or `stores`); it may hold both.
        migrations: what brings each format up to the next; the last leads to the newest. None
            where somebody has just opened it with them.
        timeout: seconds to wait for a connection, a lock or an answer.
        connections: how many may be open in the pool at once.
        bounds_transactions: whether the server, if it can, is to end every transaction that lasts
            for several times as long, whatever it waits for.
        only_looks: whether the format is left as it is found, nothing there being made.

    Raises ValidationError for a newer format or a server that will not do, StoreUnavailable or
    Corrupt if it cannot be opened.
    """

    def __init__(
        self,
        url: PostgresUrl,
        *,
        component: str,
        migrations: Sequence[Migration] | None,
        timeout: float,
        connections: int,
        bounds_transactions: bool = False,
        only_looks: bool = False,
    ) -> None:
        self.url = url
        self.name = url.name
        self.errors = Errors(url)
        self.timeout = timeout
        self._bounds_transactions = bounds_transactions
        self._closed = ""
        self._is_warned = False
        self._pool = Pool(url, self._options(), self._configure, most=connections, timeout=timeout)
        _databases.add(self)
        if migrations is None:
            return
        try:
            if not only_looks:
                self._open_format(component, migrations)
        except BaseException:
            self.close()
            raise

    def run(self, work: Callable[[Session], T], *, repeat: bool = True) -> T:
        """What a piece of work on a connection answers.

        Args:
            work: is given a connection in autocommit mode, and leaves it so.
            repeat: whether the work may be done again, after a connection was lost in it. After a
                deadlock it may in any case: nothing of it has then taken place.

        Raises StoreUnavailable or Corrupt.
        """
        with self.begun(work, repeat=repeat) as (_, answer):
            return answer

    @contextmanager
    def begun(
        self, first: Callable[[Session], T], *, repeat: bool = True
    ) -> Iterator[tuple[Session, T]]:
        """A connection, and what a first piece of work on it has answered; as `run`.

        The work may leave a transaction open, which the block ends; otherwise it is rolled back.
        """
        deadline = time.monotonic() + self.timeout
        for attempt in count(1):
            with self.connection(deadline) as session:
                try:
                    answer = first(session)
                except psycopg.Error as error:
                    is_lost = session.closed
                    may_pass = error.sqlstate in _PASSING or (is_lost and repeat)
                    is_late = attempt == _MOST_ATTEMPTS or time.monotonic() >= deadline
                    if not may_pass or is_late or isinstance(error, NoAnswer):
                        raise translate(self.url, error) from None
                else:
                    yield session, answer
                    return
            if is_lost:
                # A server that was restarted has ended all of them.
                self._pool.drain()

    @contextmanager
    def connection(self, deadline: float | None = None) -> Iterator[Session]:
        """A connection of the pool, in autocommit mode."""
        self.check_open()
        with self._pool.taken(deadline or time.monotonic() + self.timeout) as session:
            yield session

    def connect(self) -> Session:
        """A connection of its own, in autocommit mode, which the caller closes.

        Raises StoreUnavailable.
        """
        self.check_open()
        return in_thread(self._connect)

    def _connect(self) -> Session:
        with self.errors:
            session = Session.connect(**self._options())
            try:
                self._configure(session)
            except BaseException:
                session.close()
                raise
        return session

    def check_open(self) -> None:
        """Raise StoreUnavailable if this was closed, or opened before the process was forked."""
        if self._closed:
            raise StoreUnavailable(store=self.name, reason=self._closed)

    def close(self) -> None:
        """Close every connection. Safe to call twice."""
        if not self._closed:
            self._closed = "it has been closed"
            self._pool.close(_GRACE)

    def disown(self) -> None:
        """Have a forked child leave its parent's connections alone."""
        self._closed = "it was opened before this process was forked; open a grove in the child"

    def _options(self) -> dict[str, Any]:
        defaults = {
            "connect_timeout": max(math.ceil(self.timeout), 2),
            # A peer that has vanished is noticed though nothing is sent to it.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "application_name": "grove-sm",
            "client_encoding": "utf8",
        }
        return {**defaults, **self.url.options, "autocommit": True}

    def _configure(self, session: Session) -> None:
        sessions.add(session)
        try:
            self._set_up(session)
        except (psycopg.Error, GroveError) as error:
            self._pool.note(error)
            raise

    def _set_up(self, session: Session) -> None:
        session.patience = self.timeout + 2 * _GRACE
        milliseconds = int(self.timeout * 1000)
        settings = {
            "search_path": Identifier(self.url.schema).as_string(session),
            "synchronous_commit": "off",
            "default_transaction_isolation": "read committed",
            "lock_timeout": str(milliseconds),
            "statement_timeout": str(milliseconds + int(_GRACE * 1000)),
            "idle_in_transaction_session_timeout": str(milliseconds * _IDLE_TRANSACTION),
            **keepalives(self.timeout),
        }
        server, encoding, commit, fsync = _ask(
            session,
            "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'),"
            " current_setting('synchronous_commit'), current_setting('fsync')",
        )
        self._check_server(server, encoding)
        if self._bounds_transactions and server >= _BOUNDS_TRANSACTIONS:
            # One that has got half of what is sent whole waits for the rest under no other limit.
            settings["transaction_timeout"] = str(milliseconds * _LONGEST_TRANSACTION)
        session.forced = commit if commit != "off" else "on"
        if fsync != "on" and not self._is_warned:
            self._is_warned = True
            log.warning(
                "%s: the server does not force its writes (fsync is %s); what is acknowledged may "
                "be lost in a power cut",
                self.name,
                fsync,
            )
        set_config = ", ".join("set_config(%s, %s, false)" for _ in settings)
        session.execute(
            f"SELECT {set_config}", [part for item in settings.items() for part in item]
        )

    def _check_server(self, version: int, encoding: str) -> None:
        if version < _OLDEST_SERVER:
            raise ValidationError(
                field=self.name, rule="its server must be PostgreSQL 14 or newer", value=version
            )
        if encoding != "UTF8":
            raise ValidationError(
                field=self.name,
                rule="its database must have the encoding UTF8; make it with createdb -E UTF8 -T "
                "template0",
                value=encoding,
            )

    def format(self, component: str) -> int:
        """The format of a component of the schema; 0 if there is nothing of it."""
        return self.run(lambda session: _format(session, component))

    def _open_format(self, component: str, migrations: Sequence[Migration]) -> None:
        newest = len(migrations)
        found = self.format(component)
        self._check_format(component, found, newest)
        if found < newest:
            self.run(lambda session: self._migrate(session, component, migrations))

    def _check_format(self, component: str, found: int, newest: int) -> None:
        if found > newest:
            raise ValidationError(
                field=self.name,
                rule=f"its {component} format must be at most {newest}, the newest that this "
                "version of grove-sm can read; install a newer grove-sm",
                value=found,
            )

    def _migrate(self, session: Session, component: str, migrations: Sequence[Migration]) -> None:
        with session.transaction(), _without_limits(session):
            self._wait_for_others(session)
            (exists,) = _ask(
                session, "SELECT count(*) FROM pg_namespace WHERE nspname = %s", (self.url.schema,)
            )
            if not exists:
                session.execute(SQL("CREATE SCHEMA {}").format(Identifier(self.url.schema)))
            session.execute(
                f"CREATE TABLE IF NOT EXISTS {_FORMATS} "
                "(component text PRIMARY KEY, version int NOT NULL)"
            )
            found = _format(session, component)
            # A newer version may have been here meanwhile.
            self._check_format(component, found, len(migrations))
            for migration in migrations[found:]:
                if isinstance(migration, str):
                    session.execute(migration)
                else:
                    migration(session)
            session.execute(
                f"INSERT INTO {_FORMATS} (component, version) VALUES (%s, %s) "
                "ON CONFLICT (component) DO UPDATE SET version = excluded.version",
                (component, len(migrations)),
            )
        force(session)

    def _wait_for_others(self, session: Session) -> None:
        """Be the one of several that open it at once who makes it; the others find it made."""
        try:
            session.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('grove_sm.formats.' || %s, 0))",
                (self.url.schema,),
            )
        except LockNotAvailable:
            raise StoreUnavailable(
                store=self.name,
                reason="another process is bringing it up to date; try again once it has",
            ) from None


@contextmanager
def _without_limits(session: Session) -> Iterator[None]:
    """The current transaction, which may take as long as it takes, but for its locks."""
    session.execute(
        "SELECT set_config(name, '0', true) FROM pg_settings WHERE name = ANY(%s)",
        (["statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"],),
    )
    patience, session.patience = session.patience, None
    try:
        yield
    finally:
        session.patience = patience


def keepalives(seconds: float) -> Mapping[str, str]:
    """Settings that have the server notice a machine which is gone, after some times as long."""
    return {
        "tcp_keepalives_idle": str(max(int(seconds), 1)),
        "tcp_keepalives_interval": str(max(int(seconds), 1)),
        "tcp_keepalives_count": str(_KEEPALIVES),
    }


def _format(session: Session, component: str) -> int:
    try:
        row = session.execute(
            f"SELECT version FROM {_FORMATS} WHERE component = %s", (component,)
        ).fetchone()
    except UndefinedTable:
        return 0
    return int(row[0]) if row else 0


def _ask(session: Session, query: str, values: Sequence[object] = ()) -> tuple[Any, ...]:
    row = session.execute(query, values).fetchone()
    assert row is not None  # noqa: S101
    return row


def _disown_in_child() -> None:
    """A forked child must not use its parent's connections, nor keep them open after its death.

    The server ends a session once every copy of its socket is closed; closing the child's copy
    says nothing to the server.
    """
    for database in list(_databases):
        database.disown()
    for session in list(sessions):
        with suppress(psycopg.Error, OSError):
            os.close(session.fileno())


os.register_at_fork(after_in_child=_disown_in_child)
