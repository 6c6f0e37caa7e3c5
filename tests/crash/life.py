"""One simulated process on a placement: opened, used, and killed."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from itertools import count
from typing import Final

from faults.schedule import Schedule
from faults.wrappers import FaultyJournal, wrap_stores
from grove_sm import Grove
from grove_sm.commit.coordinator import Coordinator
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.operations.plan import Deleted, Scanned, Stored
from grove_sm.operations.query import Query
from grove_sm.settings import Settings, routes
from tests.kinds.placement import Placement

from .scenarios import TOPOLOGY

Records = Mapping[str, tuple[tuple[str, int, str], ...]]
"""What a reader sees: collection -> (id, revision, document) of each record."""

_SETTINGS: Final = Settings(
    journal="as placed", stores=dict.fromkeys(COLLECTIONS, "as placed"), topology=routes(TOPOLOGY)
)


class Life:
    """A process with a coordinator of its own, at a standing clock.

    Its names (ids, the random part of transaction ids) are counted, so that two lives with the
    same history do the same.

    Args:
        placement: what it opens.
        now: the time.
        schedule: what sees its effects; by default, nothing but a record.
        names: what its names begin with.
        one_append: whether keys and decision may be one append.
        lag: how many committed transactions may gather before they are applied.
        patience: seconds to wait for a live holder.
        sleep: waits for so many seconds meanwhile.
        believed_dead: coordinators that it takes for dead.
    """

    def __init__(
        self,
        placement: Placement,
        now: datetime,
        schedule: Schedule | None = None,
        *,
        names: str = "name",
        one_append: bool = True,
        lag: int = 1,
        patience: float = 5.0,
        sleep: Callable[[float], object] = time.sleep,
        believed_dead: Collection[int] = (),
    ) -> None:
        self.schedule = schedule or Schedule()
        self._inner = placement.open_journal()
        self._journal = FaultyJournal(self._inner, self.schedule, believed_dead=believed_dead)
        self._stores = wrap_stores(
            placement.open_stores(),
            placement.label,
            self.schedule,
            local=None if one_append else False,
        )
        self._prefix = names
        self.restart_names()
        self.coordinator = Coordinator(
            self._journal,
            self._stores,
            clock=lambda: now,
            random=lambda: next(self._names),
            patience=patience,
            sleep=sleep,
        )
        self.coordinator.applier.lag = lag

    def open(self) -> Grove:
        """The grove, after recovery."""
        return Grove(self.coordinator, _SETTINGS, background=False)

    def restart_names(self, episode: int = 0) -> None:
        """Name things as any life does in this episode."""
        self._names: Iterator[str] = (f"{self._prefix}-{episode}-{number}" for number in count())

    def kill(self) -> None:
        """Let go of everything as a SIGKILL would."""
        self._journal.close()
        for store in self._stores.values():
            store.close()


def read_from(first: str) -> Callable[[Coordinator], Records]:
    """A reader of all collections that begins with one: what is read first is settled first."""
    start = COLLECTIONS.index(first)
    order = COLLECTIONS[start:] + COLLECTIONS[:start]

    def read(coordinator: Coordinator) -> Records:
        return {name: _plain(coordinator.page(Query(name), None)) for name in order}

    return read


def read_at_once(coordinator: Coordinator) -> Records:
    """A reader of all collections as they are at one moment, as an audit reads."""
    with coordinator.snapshots() as views:
        return {name: _plain(views[name].scan(name)) for name in COLLECTIONS}


READERS: Final = (*map(read_from, COLLECTIONS), read_at_once)
"""Every way of reading everything."""


def _plain(found: Collection[Scanned]) -> tuple[tuple[str, int, str], ...]:
    records = []
    for stored in found:
        # What is left of deleted ones is nobody's to read.
        if not isinstance(stored, Deleted):
            assert isinstance(stored, Stored), stored
            records.append((stored.record_id, stored.revision, stored.document))
    return tuple(sorted(records))
