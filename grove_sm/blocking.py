"""What would block a thread, in a form that blocks no event loop.

Code that may run on an event loop waits by what is here. In a thread it blocks that; in an
operation that an event loop runs (see `grove_sm.aio`), the loop goes on meanwhile.
"""

import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any, Final, Protocol, TypeVar

T = TypeVar("T")

_PIECE: Final = 200


class Cooperative:
    """Marks a store or a journal whose methods wait by what is here, and block nothing else."""


class Operation(Protocol):
    """An operation that an event loop runs, from within.

    Attributes:
        thread: the identifier of the loop's thread.
    """

    thread: int

    def wait_for(self, awaitable: Awaitable[T]) -> T:
        """What it comes to; the loop goes on meanwhile."""

    def wait_for_all(self, calls: Sequence[Callable[[], T]], at_once: int) -> list[T]:
        """What several calls return, so many made at the same time; raises what the first does.

        Once all that have begun have ended.
        """

    def in_thread(self, call: Callable[[], T]) -> T:
        """What a call returns, made in a thread that no other operation uses until this one ends.

        So what belongs to a thread, such as a lock, belongs to this operation.
        """

    def sleep(self, seconds: float) -> None:
        """As `time.sleep`."""

    def holding(self, lock: threading.Lock) -> AbstractContextManager[object]:
        """A block in which a lock is held, and the loop goes on wherever something is waited for.

        So nobody else may wait for it on the loop's thread, but by this.
        """

    def when_closed(self, call: Callable[[], Awaitable[object]]) -> None:
        """Have something awaited once the grove is closed."""


current: Final[ContextVar[Operation | None]] = ContextVar("operation", default=None)
"""Set by an operation that an event loop runs; contexts are copied to other threads, too."""


def on_loop() -> Operation | None:
    """The operation that runs here, if an event loop runs it, which must not be blocked."""
    found = current.get()
    return found if found is not None and found.thread == threading.get_ident() else None


def in_thread(call: Callable[[], T]) -> T:
    """What a call returns that knows nothing of event loops, and may block the thread it is in."""
    here = on_loop()
    return call() if here is None else here.in_thread(call)


def sleep(seconds: float) -> None:
    """As `time.sleep`."""
    here = on_loop()
    if here is None:
        time.sleep(seconds)
    else:
        here.sleep(seconds)


def in_pieces(items: Iterable[T]) -> Iterable[T]:
    """Items that are so many that to go through them takes time: the loop goes on now and then.

    Not for use where a lock is held that is no business of this module.
    """
    here = on_loop()
    return items if here is None else _in_pieces(items, here)


def _in_pieces(items: Iterable[T], here: Operation) -> Iterator[T]:
    for number, item in enumerate(items):
        if number % _PIECE == _PIECE - 1:
            here.sleep(0)
        yield item


def holding(lock: threading.Lock) -> AbstractContextManager[Any]:
    """A block in which a lock is held; in a thread, the lock itself."""
    here = on_loop()
    return lock if here is None else here.holding(lock)
