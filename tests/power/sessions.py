"""What the recorded processes do, and where they keep their records."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from faults.schedule import Schedule
from faults.wrappers import FaultyStore
from grove_sm import Grove
from grove_sm.commit.contract import Participant
from grove_sm.commit.coordinator import Coordinator
from grove_sm.connect import open_journal, open_stores
from grove_sm.domain import format_time
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

_PATIENCE: Final = 5.0


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
    """Where journal and stores are, by file name, and by which path transactions commit.

    `one_append` tells whether keys and decision are one append; `lag` how many committed
    transactions may gather before they are applied.
    """

    name: str
    journal: str
    stores: Mapping[str, str]
    one_append: bool = True
    lag: int = 1


SEPARATE: Final = Place("separate files", "journal.db", {c: f"{c}.db" for c in COLLECTIONS})
SHARED: Final = Place("shared file", "journal.db", dict.fromkeys(COLLECTIONS, "stores.db"))
TOGETHER: Final = Place("one file for all", "all.db", dict.fromkeys(COLLECTIONS, "all.db"))
TWO_STEPS: Final = SEPARATE._replace(name="two steps", one_append=False)
GATHERED: Final = SEPARATE._replace(name="applied together", lag=8)
MEMORY: Final = Place("memory", "", {})

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
SESSIONS: Final = (
    Session("opening", SHARED, (CONTRIBUTE, GRANT, "flush"), is_prepared=False),
    SEPARATE_FILES,
    *(Session(place.name, place, _WHOLE) for place in (SHARED, TOGETHER, TWO_STEPS, GATHERED)),
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
        urls = {
            c: f"sqlite:///{place.stores[c]}" if place.stores else "memory://" for c in COLLECTIONS
        }
        stores: Mapping[str, Participant] = open_stores(urls, folder, busy_timeout=_PATIENCE)
        if not place.one_append:
            stores = {
                c: FaultyStore(store, c, Schedule(), local=False) for c, store in stores.items()
            }
        url = f"sqlite:///{place.journal}" if place.journal else "memory://"
        opened_at = format_time(PREPARED_AT)
        self.name_after("opening")
        coordinator = Coordinator(
            open_journal(url, folder, opened_at=opened_at, busy_timeout=_PATIENCE),
            stores,
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
