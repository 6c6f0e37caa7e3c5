"""A bounded number of connections, for threads and for the operations of an event loop."""

import asyncio
import logging
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, Self

import psycopg
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from grove_sm.blocking import on_loop
from grove_sm.domain.errors import GroveError, StoreUnavailable
from grove_sm.postgres.errors import translate
from grove_sm.postgres.session import Session, roll_back
from grove_sm.postgres.url import PostgresUrl

_SLICE: Final = 0.05
_AT_ONCE: Final = 0.001

# What the pool logs is told in this library's errors too; without a handler, Python would print it.
logging.getLogger("psycopg").addHandler(logging.NullHandler())


class Pool:
    """Connections that are opened when they are needed.

    Args:
        url: to where.
        options: what else is said when one is made.
        configure: makes one ready.
        most: how many there may be.
        timeout: seconds that are waited for one, as errors tell.
    """

    def __init__(
        self,
        url: PostgresUrl,
        options: Mapping[str, Any],
        configure: Callable[[Session], None],
        *,
        most: int,
        timeout: float,
    ) -> None:
        self._url = url
        self._timeout = timeout
        self._most = most
        self._failures = 0
        self._failure: GroveError | None = None
        # An event loop's operations wait here for one, and not each in a thread.
        self._free = asyncio.Semaphore(most)
        self._pool = ConnectionPool(
            kwargs=dict(options),
            connection_class=self._session_class(),
            configure=configure,
            min_size=0,
            max_size=most,
            open=True,
            name=url.name,
            reconnect_timeout=0,
            num_workers=1,
        )

    @contextmanager
    def taken(self, deadline: float) -> Iterator[Session]:
        """A connection, in autocommit mode; what its user leaves open is rolled back.

        `deadline` is a moment of `time.monotonic`. Raises StoreUnavailable or Corrupt.
        """
        with self._when_free(deadline):
            session = self._take(deadline)
            try:
                yield session
            finally:
                try:
                    roll_back(session)
                finally:
                    with suppress(PoolClosed):
                        self._pool.putconn(session)

    def drain(self) -> None:
        """Have nobody be given a connection that was made before."""
        self._pool.drain()

    def note(self, error: psycopg.Error | GroveError) -> None:
        """Remember why no connection could be made."""
        self._failure = error if isinstance(error, GroveError) else translate(self._url, error)
        self._failures += 1

    def close(self, grace: float) -> None:
        """Close every connection, after at most so many seconds. Safe to call twice."""
        self._pool.close(timeout=grace)

    @contextmanager
    def _when_free(self, deadline: float) -> Iterator[None]:
        here = on_loop()
        if here is None:
            yield
            return
        here.wait_for(self._acquire(deadline))
        try:
            yield
        finally:
            self._free.release()

    async def _acquire(self, deadline: float) -> None:
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                await self._free.acquire()
        except TimeoutError:
            raise self._none_free() from None

    def _take(self, deadline: float) -> Session:
        here = on_loop()
        if here is None:
            return self._wait_for_one(deadline)
        if self._pool.get_stats().get("pool_available"):
            with suppress(PoolTimeout, PoolClosed):
                return self._pool.getconn(timeout=_AT_ONCE)
        return here.in_thread(lambda: self._wait_for_one(deadline))

    def _wait_for_one(self, deadline: float) -> Session:
        failures = self._failures
        while True:
            left = deadline - time.monotonic()
            try:
                return self._pool.getconn(timeout=max(min(_SLICE, left), 0.001))
            except PoolClosed:
                raise StoreUnavailable(store=self._url.name, reason="it has been closed") from None
            except PoolTimeout:
                # The pool would go on trying; whoever waits had better be told.
                if self._failures > failures and self._failure is not None:
                    raise self._failure from None
                if left <= 0:
                    raise self._none_free() from None

    def _none_free(self) -> StoreUnavailable:
        return StoreUnavailable(
            store=self._url.name,
            reason=f"no connection within {self._timeout:g} seconds; all {self._most} are in use, "
            "or the server does not answer",
        )

    def _session_class(self) -> type[Session]:
        """A class whose failures to connect are noted here, where the pool keeps them to itself."""
        pool = weakref.proxy(self)

        class Noted(Session):
            @classmethod
            def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
                try:
                    return super().connect(conninfo, **kwargs)
                except psycopg.Error as error:
                    pool.note(error)
                    raise

        return Noted
