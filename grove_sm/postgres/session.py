"""Connections to PostgreSQL, and what is done on one by itself."""

import weakref
from asyncio import CancelledError
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final, TypeVar

import psycopg
from psycopg import Connection
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg.waiting import wait_async

from grove_sm.blocking import Operation, on_loop

T = TypeVar("T")

sessions: "Final[weakref.WeakSet[Session]]" = weakref.WeakSet()
"""All that this process has open."""


class Session(Connection[tuple[Any, ...]]):
    """A connection that gives up on a server which does not answer.

    Attributes:
        patience: seconds to wait for an answer; None waits for ever.
        forced: what `synchronous_commit` is to be for a commit that has to be durable.
        is_admitted: whether who uses it has looked what it leads to.
    """

    patience: float | None = None
    forced: str = "on"
    is_admitted: bool = False

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        here = on_loop()
        wait = super().wait if here is None else partial(self._wait_on_loop, here)
        if timeout is not None or self.patience is None:
            return wait(gen, interval, timeout)
        try:
            return wait(gen, interval, self.patience)
        except psycopg.OperationalError as error:
            if type(error).__name__ == "_WaitTimeout":
                # What it may still answer would be taken for the answer to what is asked next.
                self.pgconn.finish()
                raise NoAnswer(self.patience) from None
            raise

    def _wait_on_loop(
        self, here: Operation, gen: PQGen[T], interval: float, timeout: float | None
    ) -> T:
        try:
            return here.wait_for(wait_async(gen, self.pgconn.socket, interval, timeout))
        except CancelledError:
            # Nobody will ever take its answer.
            self.pgconn.finish()
            with suppress(psycopg.Error, RuntimeError):
                gen.close()
            raise


class NoAnswer(psycopg.OperationalError):
    """A server was asked, and has been silent since."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer within {seconds:g} seconds")


@contextmanager
def at_once(session: Session) -> Iterator[None]:
    """A transaction that is sent whole, before anything of it is answered; errors come at its end.

    So the server waits for nothing in it, and who is frozen or cut off meanwhile keeps no locks.
    What it is left in by an error, the owner of the connection ends.
    """
    with session.pipeline():
        session.execute("BEGIN")
        yield
        session.execute("COMMIT")


def force(session: Session) -> None:
    """Make every commit before this call durable, those of other sessions too.

    A commit with `synchronous_commit` on returns once the write-ahead log has been flushed up to
    its own record. The log is one sequence, and a commit's record is in it before anybody sees the
    commit, so this flushes all that could be seen before. The message is there because a commit
    that has written nothing flushes nothing.
    """
    session.execute(
        "SELECT set_config('synchronous_commit', %s, true), "
        "pg_logical_emit_message(true, 'grove_sm', '')",
        (session.forced,),
    )


def force_this(session: Session) -> None:
    """Have the current transaction's commit wait until it is durable."""
    session.execute("SELECT set_config('synchronous_commit', %s, true)", (session.forced,))


def roll_back(session: Session) -> None:
    """End a transaction that its owner has left open; a lost connection has ended it already."""
    if session.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
        with suppress(psycopg.Error):
            session.rollback()
