"""Requests over HTTP: in a thread they block it, and on an event loop they let that go on.

Each has connections of its own, bounded, that are kept for the next request.
"""

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, NamedTuple, TypeVar

import httpx

from grove_sm.blocking import Operation, on_loop

T = TypeVar("T")

_CONNECTIONS: Final = 8
_LONGEST_ANSWER: Final = 256 * 2**20


class TooLongError(Exception):
    """An answer is longer than any that makes sense."""


class Answer(NamedTuple):
    """What a request was answered."""

    status: int
    body: bytes


class Exchange:
    """Requests to one server, by any number of threads and by the operations of one event loop.

    Args:
        verify: what a server's certificate is verified with, or False where there is none.
    """

    def __init__(self, verify: ssl.SSLContext | bool) -> None:
        self._verify = verify
        self._turn = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        # Without a client around it: no proxies, keys, cookies or redirects but what is said here.
        self._in_threads = httpx.HTTPTransport(
            verify=verify, trust_env=False, limits=httpx.Limits(max_connections=_CONNECTIONS)
        )
        self._on_loop: httpx.AsyncHTTPTransport | None = None
        self._free = asyncio.Semaphore(_CONNECTIONS)

    def post(self, url: str, headers: Mapping[str, str], body: bytes, deadline: float) -> Answer:
        """What a request is answered until a moment of `time.monotonic`.

        Raises httpx.RequestError, of these TimeoutException if time is up; TooLongError.
        """
        left = max(deadline - time.monotonic(), 0.001)
        request = httpx.Request(
            "POST",
            url,
            headers=dict(headers),
            content=body,
            extensions={"timeout": httpx.Timeout(left).as_dict()},
        )
        here = on_loop()
        if here is not None:
            # To its end, whoever is cancelled: half of one would keep its connection for good.
            return here.wait_for(asyncio.shield(self._answer_on_loop(here, request, deadline)))
        response = self._in_threads.handle_request(request)
        received = _Received(deadline)
        try:
            for part in response.iter_bytes():
                received.add(part)
        finally:
            response.close()
        return Answer(response.status_code, received.body)

    async def _answer_on_loop(
        self, here: Operation, request: httpx.Request, deadline: float
    ) -> Answer:
        response = await self._transport(here).handle_async_request(request)
        received = _Received(deadline)
        try:
            async for part in response.aiter_bytes():
                received.add(part)
        finally:
            await response.aclose()
        return Answer(response.status_code, received.body)

    def _transport(self, here: Operation) -> httpx.AsyncHTTPTransport:
        if self._on_loop is None:
            self._on_loop = httpx.AsyncHTTPTransport(
                verify=self._verify,
                trust_env=False,
                limits=httpx.Limits(max_connections=_CONNECTIONS),
            )
            here.when_closed(self._on_loop.aclose)
        return self._on_loop

    def each(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """The results of several calls, made at the same time; raises what the first of them does.

        Not for use within one of them. Raises RuntimeError or CancelledError if this is closed
        meanwhile.
        """
        if len(calls) == 1:
            return [calls[0]()]
        here = on_loop()
        if here is not None:
            turns = [partial(self._in_turn, here, call) for call in calls]
            return here.wait_for_all(turns, _CONNECTIONS)
        running = [self._executor().submit(call) for call in calls]
        return [future.result() for future in running]

    def _in_turn(self, here: Operation, call: Callable[[], T]) -> T:
        """What a call returns that is made when a connection is free: to wait for that is not to
        take of the time that it has."""
        here.wait_for(self._free.acquire())
        try:
            return call()
        finally:
            self._free.release()

    def close(self) -> None:
        """Close what threads use. Safe to call twice."""
        self._in_threads.close()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _executor(self) -> ThreadPoolExecutor:
        with self._turn:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_CONNECTIONS, "grove-sm-nexus")
            return self._pool


class _Received:
    """The body of an answer, part by part."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, part: bytes) -> None:
        """Take one more part. Raises ReadTimeout or TooLongError."""
        self._parts.append(part)
        self._size += len(part)
        if time.monotonic() > self._deadline:
            raise httpx.ReadTimeout("")
        if self._size > _LONGEST_ANSWER:
            raise TooLongError

    @property
    def body(self) -> bytes:
        """All of them."""
        return b"".join(self._parts)
