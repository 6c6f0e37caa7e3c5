"""How the operations of an asynchronous grove are run: on its event loop, or in threads.

On the loop there is one call stack for each operation (a greenlet), which is put aside where the
operation waits for a server. So the code that runs is that of every other grove, and none of it is
written twice.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from contextvars import copy_context
from typing import Any, Final, Protocol, TypeVar

from grove_sm.blocking import Operation, current

R = TypeVar("R")

AT_ONCE: Final = 32
"""So many operations of one grove are under way at the same time; others wait for their turn."""

_AT_LENGTH: Final = 4
_POLL: Final = 0.001


class Runner(Protocol):
    """Runs calls for the tasks of one event loop."""

    async def run(self, call: Callable[[], R]) -> R:
        """What a call returns or raises.

        If who awaits this is cancelled, a call that has begun goes on to its end, and one that has
        not is never made.
        """

    async def run_at_length(self, call: Callable[[], R]) -> R:
        """As `run`, for what computes or reads for so long that others would have to wait."""

    async def end(self, close: Callable[[], object]) -> None:
        """Return once everything that has begun has ended, and something has been closed."""


class InThreads:
    """Runs each call in a thread.

    Args:
        most: how many at once.
    """

    def __init__(self, most: int = AT_ONCE) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="grove-sm-aio")

    async def run(self, call: Callable[[], R]) -> R:
        """As `Runner.run`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, copy_context().run, call)

    run_at_length = run

    async def end(self, close: Callable[[], object]) -> None:
        """As `Runner.end`."""

        def end() -> None:
            self._pool.shutdown()
            close()

        await asyncio.to_thread(end)


class OnLoop:
    """Runs calls on the event loop in which this is made.

    Args:
        most: how many at once.
    """

    def __init__(self, most: int = AT_ONCE) -> None:
        self._places = asyncio.Semaphore(most)
        self._running: set[asyncio.Task[Any]] = set()
        self._threads = InThreads(_AT_LENGTH)
        self._companions: list[ThreadPoolExecutor] = []
        self._locks: dict[threading.Lock, asyncio.Lock] = {}
        self._closing: list[Callable[[], Awaitable[object]]] = []
        self._is_closed = False

    async def run(self, call: Callable[[], R]) -> R:
        """As `Runner.run`."""
        await self._places.acquire()
        if self._is_closed:
            self._places.release()
            raise RuntimeError("this grove has been closed")
        task = asyncio.ensure_future(self._run(call))
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def run_at_length(self, call: Callable[[], R]) -> R:
        """As `Runner.run_at_length`."""
        return await self._threads.run(call)

    async def end(self, close: Callable[[], object]) -> None:
        """As `Runner.end`."""
        self._is_closed = True
        while self._running:
            await asyncio.wait(self._running)
        try:
            await self._threads.end(close)
        finally:
            for companion in self._companions:
                companion.shutdown()
            for call in self._closing:
                await call()

    async def _run(self, call: Callable[[], R]) -> R:
        from greenback import with_portal_run_sync

        operation = _Operation(self)
        current.set(operation)
        try:
            return await with_portal_run_sync(call)
        finally:
            operation.end()

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._running.discard(task)
        self._places.release()
        if not task.cancelled():
            # Nobody may be left who takes it.
            task.exception()

    def companion(self) -> ThreadPoolExecutor:
        """A thread that nobody uses."""
        return self._companions.pop() if self._companions else ThreadPoolExecutor(1, "grove-sm-aio")

    def give_back(self, companion: ThreadPoolExecutor) -> None:
        """Take back a thread."""
        self._companions.append(companion)

    @contextmanager
    def holding(self, operation: "_Operation", lock: threading.Lock) -> Iterator[None]:
        """Hold a lock, one operation of this loop after the other, while no thread does."""
        turn = self._locks.setdefault(lock, asyncio.Lock())
        operation.wait_for(turn.acquire())
        try:
            while not lock.acquire(blocking=False):
                operation.sleep(_POLL)
            try:
                yield
            finally:
                lock.release()
        finally:
            turn.release()

    def when_closed(self, call: Callable[[], Awaitable[object]]) -> None:
        """Have something awaited at the end."""
        self._closing.append(call)


class _Operation:
    """See `grove_sm.blocking.Operation`."""

    def __init__(self, runner: OnLoop) -> None:
        from greenback import await_

        self.thread = threading.get_ident()
        self._runner = runner
        self._await = await_
        self._companion: ThreadPoolExecutor | None = None
        self._context = copy_context()

    def wait_for(self, awaitable: Awaitable[R]) -> R:
        return self._await(awaitable)

    def wait_for_all(self, calls: Sequence[Callable[[], R]], at_once: int) -> list[R]:
        return self._await(self._all(calls, at_once))

    async def _all(self, calls: Sequence[Callable[[], R]], at_once: int) -> list[R]:
        from greenback import with_portal_run_sync

        results: dict[int, R] = {}
        failures: dict[int, Exception] = {}
        left = iter(enumerate(calls))

        def work() -> None:
            for number, call in left:
                try:
                    results[number] = call()
                except Exception as error:
                    failures[number] = error

        workers = [
            asyncio.ensure_future(with_portal_run_sync(work))
            for _ in range(min(at_once, len(calls)))
        ]
        try:
            await asyncio.wait(workers)
        except asyncio.CancelledError:
            for worker in workers:
                worker.cancel()
            await asyncio.wait(workers)
            raise
        for worker in workers:
            worker.result()
        if failures:
            raise failures[min(failures)]
        return [results[number] for number in range(len(calls))]

    def in_thread(self, call: Callable[[], R]) -> R:
        if self._companion is None:
            self._companion = self._runner.companion()
        future = self._companion.submit(self._context.run, call)
        return self._await(_whole(asyncio.wrap_future(future)))

    def sleep(self, seconds: float) -> None:
        self._await(asyncio.sleep(seconds))

    def holding(self, lock: threading.Lock) -> AbstractContextManager[object]:
        return self._runner.holding(self, lock)

    def when_closed(self, call: Callable[[], Awaitable[object]]) -> None:
        self._runner.when_closed(call)

    def end(self) -> None:
        """Have nothing left of what is used until the end."""
        if self._companion is not None:
            self._runner.give_back(self._companion)


async def _whole(future: "asyncio.Future[R]") -> R:
    """What it comes to, waited for to its end.

    If this is cancelled meanwhile, its task is cancelled again afterwards, which shows where that
    next waits. So nobody goes away from a lock that he is just being given.
    """
    is_cancelled = False
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            is_cancelled = True
    task = asyncio.current_task()
    if is_cancelled and task is not None:
        task.cancel()
    return future.result()


_: type[Operation] = _Operation
