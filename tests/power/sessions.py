"""What the recorded processes do, and where they keep their records."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import is_dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from faults.schedule import Schedule
from faults.wrappers import wrap_stores
from grove_sm import Grove
from grove_sm.commit.coordinator import Coordinator
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.settings import Settings, routes
from tests.crash.life import Records, read_at_once
from tests.crash.scenarios import (
    CODER,
    OTHER_CODER,
    PREPARED_AT,
    TOPOLOGY,
    claim_bounty,
    contribute,
    create_bounty,
    grant,
    review,
)
from tests.kinds import KINDS
from tests.kinds.kind import JournalPlace
from tests.kinds.placement import IN_MEMORY, Layout, separate, shared
from tests.kinds.sqlite import SQLITE

_PATIENCE: Final = 5.0


def _journal(folder: Path) -> JournalPlace:
    assert SQLITE.journal is not None
    return SQLITE.journal.place(folder, "all")


class Operation(NamedTuple):
    """One call on a grove, so long after the session's beginning, with an idempotency key."""

    name: str
    call: Callable[[Grove], Any]
    after: timedelta = timedelta(0)


HOUR: Final = timedelta(hours=1)

CONTRIBUTE: Final = Operation("contribute", partial(contribute, key="contribute"))
REPLY: Final = Operation("reply", review)
GRANT: Final = Operation("grant", grant)
CREATE: Final = Operation("create a bounty", create_bounty)
CLAIM: Final = Operation("claim it", partial(claim_bounty, agent=OTHER_CODER, key="first claim"))
TAKE_OVER: Final = Operation("take it over", partial(claim_bounty, agent=CODER), HOUR)
RETRY: Final = Operation("retry that", TAKE_OVER.call, HOUR)


class Place(NamedTuple):
    """Where journal and stores are, and by which path transactions commit.

    `one_append` tells whether keys and decision are one append; `lag` how many committed
    transactions may gather before they are applied.
    """

    name: str
    layout: Layout
    one_append: bool = True
    lag: int = 1


assert SQLITE.journal is not None
_TOGETHER: Final = SQLITE._replace(
    place=lambda folder, _: SQLITE.place(folder, "all"),
    journal=SQLITE.journal._replace(place=lambda folder, _: _journal(folder)),
)

SEPARATE: Final = Place("separate files", separate(SQLITE))
SHARED: Final = Place("shared file", shared(SQLITE))
TOGETHER: Final = Place("one file for all", shared(_TOGETHER))
TWO_STEPS: Final = SEPARATE._replace(name="two steps", one_append=False)
GATHERED: Final = SEPARATE._replace(name="applied together", lag=8)
MEMORY: Final = Place("memory", IN_MEMORY)
OTHERS: Final = [
    Place(layout.name, layout)
    for kind in KINDS
    if kind.is_on_disk and kind is not SQLITE
    for layout in (separate(kind), shared(kind))
]
"""Every other kind that keeps what it holds in files."""

Housekeeping = Literal["flush", "trim", "reopen"]


class Session(NamedTuple):
    """What one process does, in a folder where groves have been opened before, if `is_prepared`."""

    name: str
    place: Place
    steps: Sequence[Operation | Housekeeping]
    is_prepared: bool = True

    @property
    def operations(self) -> Sequence[Operation]:
        """The steps that have an effect."""
        return [step for step in self.steps if isinstance(step, Operation)]


_WHOLE: Final[Sequence[Operation | Housekeeping]] = (
    CONTRIBUTE,
    "flush",
    REPLY,
    GRANT,
    CREATE,
    "flush",
    "trim",
    CLAIM,
    "reopen",
    TAKE_OVER,
    RETRY,
    "flush",
    "trim",
)

OPERATIONS: Final = [step for step in _WHOLE if isinstance(step, Operation)]
SEPARATE_FILES: Final = Session(SEPARATE.name, SEPARATE, _WHOLE)
SHARED_FILE: Final = Session(SHARED.name, SHARED, _WHOLE)
ONE_FILE: Final = Session(TOGETHER.name, TOGETHER, _WHOLE)
SESSIONS: Final = (
    Session("opening", SHARED, (CONTRIBUTE, GRANT, "flush"), is_prepared=False),
    SEPARATE_FILES,
    SHARED_FILE,
    ONE_FILE,
    *(Session(place.name, place, _WHOLE) for place in (TWO_STEPS, GATHERED, *OTHERS)),
)


class Life:
    """A process with a grove of its own, in a folder, at a clock that is set by hand.

    Opening it is a recovery. Its names count anew for each operation, so that an operation that
    is called again, in this life or another, names things alike.
    """

    def __init__(self, place: Place, folder: Path) -> None:
        self.now = PREPARED_AT
        self.coordinator = self._coordinator(place, folder)
        settings = Settings(
            journal="as placed",
            stores=dict.fromkeys(COLLECTIONS, "as placed"),
            topology=routes(TOPOLOGY),
        )
        self.grove = Grove(self.coordinator, settings, background=False)

    def _coordinator(self, place: Place, folder: Path) -> Coordinator:
        placement = place.layout.place(folder)
        self.name_after("opening")
        coordinator = Coordinator(
            placement.open_journal(),
            wrap_stores(
                placement.open_stores(),
                placement.label,
                Schedule(),
                local=None if place.one_append else False,
            ),
            clock=self._clock,
            random=lambda: next(self._names),
            patience=_PATIENCE,
        )
        coordinator.applier.lag = place.lag
        return coordinator

    def _clock(self) -> datetime:
        return self.now

    def name_after(self, what: str) -> None:
        """Begin names with this."""
        self._names: Iterator[str] = (f"{what}-{number}" for number in count())

    def do(self, operation: Operation) -> Any:
        """Its result, without what a retry may have otherwise."""
        self.now = PREPARED_AT + operation.after
        self.name_after(operation.name)
        result = operation.call(self.grove)
        if is_dataclass(result) and hasattr(result, "txid"):
            return replace(result, txid="")  # type: ignore[type-var]
        return result

    def read(self) -> Records:
        """Every record."""
        return read_at_once(self.coordinator)

    def trim(self) -> None:
        """Copy every log into its file."""
        for store in self.coordinator.stores.values():
            store.trim()
        self.coordinator.journal.trim()


class Expected(NamedTuple):
    """What a session has to come to: each operation's result, and the records after each.

    `whole` begins with the records before the first.
    """

    results: Sequence[Any]
    whole: Sequence[Records]


def expected_of(operations: Sequence[Operation], folder: Path) -> Expected:
    """What a grove in memory makes of operations, to which nothing happens."""
    life = Life(MEMORY, folder)
    results, whole = [], [life.read()]
    for operation in operations:
        results.append(life.do(operation))
        whole.append(life.read())
    life.grove.close()
    return Expected(results, whole)
