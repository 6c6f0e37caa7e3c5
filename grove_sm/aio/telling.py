"""Telling an event loop of decisions, for any number of its tasks that wait for one."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from grove_sm.commit.contract import Journal
from grove_sm.domain.errors import GroveError

log = logging.getLogger("grove_sm")

_LOOKS_UP: Final = 0.25
"""Seconds between two looks of the thread at whether anybody still listens."""


class Teller:
    """One thread that watches a journal for as long as somebody listens.

    All but the watching itself happens in the loop.

    Args:
        journal: what is watched.
        loop: whose tasks are told.
    """

    def __init__(self, journal: Journal, loop: asyncio.AbstractEventLoop) -> None:
        self._journal = journal
        self._loop = loop
        self._listeners: set[asyncio.Event] = set()
        self._thread: threading.Thread | None = None
        self._begun: asyncio.Future[bool] | None = None

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[asyncio.Event | None]:
        """An event that is set when something may have been decided; None if nobody can tell."""
        event = asyncio.Event()
        self._listeners.add(event)
        try:
            # Shielded, since others wait for it too.
            is_told = await asyncio.shield(self._begun or self._begin())
            yield event if is_told else None
        finally:
            self._listeners.discard(event)

    def end(self) -> None:
        """Return once nobody watches; nobody may listen any more."""
        if self._thread is not None:
            self._thread.join()

    def _begin(self) -> "asyncio.Future[bool]":
        self._begun = self._loop.create_future()
        self._thread = threading.Thread(target=self._watch, name="grove-sm-teller", daemon=True)
        self._thread.start()
        return self._begun

    def _watch(self) -> None:
        is_lost = False
        try:
            with self._journal.watch() as watch:
                self._in_loop(lambda: self._tell(is_watched=watch is not None))
                while watch is not None and self._listeners:
                    if watch.wait(_LOOKS_UP):
                        self._in_loop(self._tell)
        except GroveError as error:
            log.warning("looked at again and again, since it cannot be watched: %s", error)
            is_lost = True
        self._in_loop(lambda: self._ended(is_lost=is_lost))

    def _in_loop(self, call: Callable[[], object]) -> None:
        # A loop that is closed has nobody who could be told.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call)

    def _tell(self, *, is_watched: bool = True) -> None:
        if self._begun is not None and not self._begun.done():
            self._begun.set_result(is_watched)
        for event in self._listeners:
            event.set()

    def _ended(self, *, is_lost: bool) -> None:
        was_watched = self._begun is not None and self._begun.done() and self._begun.result()
        self._tell(is_watched=False)
        self._begun = None
        if self._listeners and was_watched and not is_lost:
            # They came when the thread had seen nobody.
            self._begin()
