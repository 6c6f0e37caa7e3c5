"""Methods that are awaited, made of those that are called."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial, update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)


class Threads:
    """The threads in which an asynchronous grove has its stores asked, so many at most.

    Args:
        most: how many.
    """

    def __init__(self, most: int) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="grove-sm-aio")

    async def run(self, call: Callable[[], R]) -> R:
        """What a call returns or raises, made in a thread.

        If this is cancelled, a call that has begun goes on to its end, and one that has not is
        never made.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, copy_context().run, call)

    def end(self) -> None:
        """Return once everything that has begun has ended."""
        self._pool.shutdown()


class Twin(Generic[T_co]):
    """What has the methods of an object, to be awaited.

    Args:
        original: the object.
        threads: where its methods are called.
    """

    def __init__(self, original: T_co, threads: Threads) -> None:
        self._original = original
        self._threads = threads


def awaited(
    method: Callable[Concatenate[T_co, P], R],
) -> Callable[Concatenate[Twin[T_co], P], Coroutine[Any, Any, R]]:
    """The method of a twin that awaits one of its original's."""

    async def call(self: Twin[T_co], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._threads.run(partial(method, self._original, *args, **kwargs))

    update_wrapper(call, method)
    return call
