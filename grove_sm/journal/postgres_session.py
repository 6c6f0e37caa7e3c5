"""A coordinator's life in PostgreSQL: a session of its own that holds its lock.

While the session lasts the coordinator lives, and whoever asks finds its lock taken. The server
lets go of it when the session ends: when the process dies, when the connection is cut, or when the
process has been silent for so long that the server ends the session (`idle_session_timeout`), as
it is when it is frozen or out of reach. So the session says something now and then.

A process may live on without its session. It then takes itself for dead: nothing is decided under
its number any more, and it enters itself anew, as another coordinator. It may notice late, and
nothing depends on that: what others have made of its transactions meanwhile, they have made of
them by the same compare-and-set that its own decisions go through.

Decisions are told, and heard of, on the same session (LISTEN and NOTIFY). They are told after they
have been committed and by a thread, because PostgreSQL commits those that notify one at a time.
"""

import logging
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import psycopg
from psycopg.sql import SQL, Identifier

from grove_sm.blocking import in_thread
from grove_sm.domain.errors import GroveError, StoreUnavailable
from grove_sm.journal.watching import EventWatch
from grove_sm.postgres.database import PostgresDatabase
from grove_sm.postgres.session import Session, force_this

log = logging.getLogger("grove_sm")

_SILENCE: Final = 4
"""How many intervals without a word make the server end a session."""

_LONGEST_PAUSE: Final = 5.0
_LARGEST: Final = 2**31 - 1
"""The largest number that a coordinator may have."""

_OTHERS: Final = (
    "SELECT objid::int FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted "
    "AND mode = 'ExclusiveLock' AND classid = 'coordinators'::regclass AND database = "
    "(SELECT oid FROM pg_database WHERE datname = current_database())"
)
ALIVE: Final = f"SELECT array_agg(objid) FROM ({_OTHERS}) AS alive (objid)"
"""A query for the numbers of all coordinators that live, or NULL."""

_HELD_HERE: Final = f"{_OTHERS} AND pid = pg_backend_pid()"


class CoordinatorSession:
    """Enters a coordinator, and keeps it alive until it is closed.

    Args:
        database: where the journal is.
        opened_at: the time now, for operators.
        on_alone: called in the transaction that enters the coordinator, if no other one lives.

    Raises StoreUnavailable or Corrupt.
    """

    def __init__(
        self,
        database: PostgresDatabase,
        *,
        opened_at: str,
        on_alone: Callable[[Session], None],
    ) -> None:
        self._database = database
        self._opened_at = opened_at
        self._on_alone = on_alone
        self._interval = database.timeout
        self._entering = threading.Lock()
        self._session: Session | None = None
        self._number = 0
        self._closing = False
        self._is_told = False
        self._watches: list[threading.Event] = []
        self._class = database.run(_lock_class)
        self._channel = f"grove_{self._class}"
        self._process = os.getpid()
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        try:
            self._enter()
        except BaseException:
            self._close_sockets()
            raise
        self._thread = threading.Thread(target=self._live, name="grove-sm-coordinator", daemon=True)
        self._thread.start()

    @property
    def number(self) -> int:
        """The coordinator's number; another one, if it had to be entered anew.

        Raises StoreUnavailable.
        """
        if self._session is None and not self._closing:
            in_thread(self._enter)
        return self._number

    def is_own(self, number: int) -> bool:
        """Whether a number is this coordinator's, as far as it knows."""
        return self._session is not None and number == self._number

    def is_alive(self, session: Session, number: int) -> bool:
        """Whether a coordinator lives, asked on any connection.

        Asking takes a shared lock for a moment, so that several who ask do not see each other.
        """
        if number > _LARGEST:
            return False
        row = session.execute(
            "SELECT pg_try_advisory_xact_lock_shared(%s::int, %s::int)",
            (_signed(self._class), number),
        ).fetchone()
        return row is not None and not row[0]

    def tell(self) -> None:
        """Have everybody who watches know that something was decided. Waits for nothing."""
        self._is_told = True
        self._wake()

    @contextmanager
    def watch(self) -> Iterator[EventWatch]:
        """A watch for what is told, by whatever coordinator."""
        decided = threading.Event()
        self._watches.append(decided)
        try:
            yield EventWatch(decided)
        finally:
            self._watches.remove(decided)

    def close(self) -> None:
        """End the coordinator's life. Safe to call twice."""
        if self._closing or os.getpid() != self._process:
            return
        self._closing = True
        self._wake()
        self._thread.join()
        session, self._session = self._session, None
        if session is not None:
            # The server would let go of the lock too, but a moment later.
            with suppress(psycopg.Error):
                session.execute("SELECT pg_advisory_unlock_all()")
            session.close()
        self._close_sockets()

    def _enter(self) -> None:
        with self._entering:
            if self._session is not None:
                return
            if self._closing:
                raise StoreUnavailable(store=self._database.name, reason="it has been closed")
            session = self._database.connect()
            try:
                with self._database.errors:
                    self._set_up(session)
                    self._number = self._register(session)
            except BaseException:
                session.close()
                raise
            self._session = session

    def _set_up(self, session: Session) -> None:
        """Have the server end this session once its process is out of reach."""
        milliseconds = int(self._interval * 1000)
        session.execute(
            "SELECT set_config('idle_session_timeout', %s, false)",
            (str(milliseconds * _SILENCE),),
        )

    def _register(self, session: Session) -> int:
        with session.transaction():
            force_this(session)
            # Of those who enter at once, each sees the ones before.
            session.execute(
                "SELECT pg_advisory_xact_lock("
                "hashtextextended('grove_sm.enter.' || current_schema(), 0))"
            )
            row = session.execute(
                "INSERT INTO coordinators (host, pid, opened_at) VALUES (%s, %s, %s) RETURNING id",
                (socket.gethostname(), os.getpid(), self._opened_at),
            ).fetchone()
            assert row is not None  # noqa: S101 - an INSERT always returns one
            number = int(row[0])
            alive = session.execute(_OTHERS).fetchone()
            # Before the row can be seen, so that nobody ever finds a live coordinator dead.
            session.execute("SELECT pg_advisory_lock(%s, %s)", (_signed(self._class), number))
            if alive is None:
                self._on_alone(session)
        session.execute(SQL("LISTEN {}").format(Identifier(self._channel)))
        return number

    def _live(self) -> None:
        pause = self._interval / 10
        beat = time.monotonic()
        while not self._closing:
            session = self._session
            try:
                if session is None:
                    self._enter()
                    pause = self._interval / 10
                    continue
                beat = self._tend(session, beat)
            except (psycopg.Error, OSError, ValueError, GroveError) as error:
                if session is not None:
                    self._lose(session, error)
                else:
                    self._sleep(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE)

    def _tend(self, session: Session, beat: float) -> float:
        """Wait for something to do on a session, and do it; when it was last heard of."""
        left = beat + self._interval - time.monotonic()
        self._sleep(left, session.fileno())
        if self._is_told:
            self._is_told = False
            session.execute("SELECT pg_notify(%s, '')", (self._channel,))
            beat = time.monotonic()
        if time.monotonic() - beat >= self._interval:
            if session.execute(_HELD_HERE).fetchone() is None:
                raise StoreUnavailable(
                    store=self._database.name,
                    reason="the session that answers is not the one that holds the lock; is there "
                    "a pooler in between that pools transactions?",
                )
            beat = time.monotonic()
        if list(session.notifies(timeout=0)):
            self._wake_watches()
        return beat

    def _lose(self, session: Session, error: Exception) -> None:
        if self._closing:
            return
        log.warning(
            "%s: coordinator %d has lost its session and is dead; another one takes its place: %s",
            self._database.name,
            self._number,
            self._database.url.hide(str(error)),
        )
        with self._entering:
            self._session = None
        session.close()
        # Something may have been told to deaf ears.
        self._wake_watches()

    def _wake_watches(self) -> None:
        for decided in tuple(self._watches):
            decided.set()

    def _wake(self) -> None:
        # If it cannot take more, whoever reads it is awake.
        with suppress(OSError):
            self._waker.send(b".")

    def _sleep(self, seconds: float, *others: int) -> None:
        """Sleep until woken, or until one of the other descriptors can be read."""
        poll = select.poll()
        for descriptor in (self._woken.fileno(), *others):
            poll.register(descriptor, select.POLLIN)
        poll.poll(max(seconds, 0) * 1000)
        with suppress(BlockingIOError):
            self._woken.recv(4096)

    def _close_sockets(self) -> None:
        self._waker.close()
        self._woken.close()


def _lock_class(session: Session) -> int:
    row = session.execute("SELECT 'coordinators'::regclass::oid::bigint").fetchone()
    assert row is not None  # noqa: S101
    return int(row[0])


def _signed(oid: int) -> int:
    """The number of a table as the int4 that advisory locks take."""
    return oid - (1 << 32) if oid >= 1 << 31 else oid
