"""What the search and its workers say to each other."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from stateful_tests.fuzz.failures import Failure, Signature
from stateful_tests.tally import Tally
from tests.kinds.placement import LAYOUTS, Layout

BATCH: Final = 24
"""Histories that are drawn between two looks at what has been covered."""

_CYCLE: Final = 256


def _in_turn(layouts: Sequence[Layout]) -> list[str]:
    """Names, each as often as its share of histories asks for, and as evenly as that goes."""
    due = dict.fromkeys((layout.name for layout in layouts), 0.0)
    total = sum(layout.histories for layout in layouts)
    turns = []
    for _ in range(_CYCLE):
        for layout in layouts:
            due[layout.name] += layout.histories / total
        turns.append(max(due, key=due.__getitem__))
        due[turns[-1]] -= 1
    return turns


_TURNS: Final = _in_turn([layout for layout in LAYOUTS if not layout.missing])


class Charge(NamedTuple):
    """What a worker is told once.

    Attributes:
        number: which worker it is.
        seed: the whole search's.
        steps: how many a history takes.
        folder: where it writes down the steps of the history that it is at.
        database: where Hypothesis keeps the examples that failed.
        is_guided: whether it aims at what is rarely covered.
        planted: the name of the defect that the library has in it, if any.
    """

    number: int
    seed: int
    steps: int
    folder: Path
    database: Path
    is_guided: bool = True
    planted: str | None = None


@dataclass(frozen=True)
class Batch:
    """What a worker is to do next: so many histories, drawn from a seed of their own.

    Attributes:
        number: which batch of this worker it is.
        histories: how many.
        covered: what has been covered before.
        known: failures that need not be found again.
        is_first: whether it begins with the examples that failed in earlier searches.
    """

    number: int
    histories: int
    covered: Tally
    known: frozenset[Signature] = frozenset()
    is_first: bool = False

    @property
    def placement(self) -> str:
        """The name of the placement that it runs on."""
        return _TURNS[self.number % len(_TURNS)]


class Played(NamedTuple):
    """A history has ended: what it covered, and how long it took in seconds."""

    tally: Tally
    seconds: float


class Alive(NamedTuple):
    """A worker is at something else than a history, and has not hung."""


class Met(NamedTuple):
    """A failure that is not known has been met, and is being shrunk."""

    signature: Signature


class Done(NamedTuple):
    """A batch has ended.

    Attributes:
        failures: what it found.
        met: how often it met known failures.
        is_stuck: whether not one history could begin.
    """

    failures: tuple[Failure, ...]
    met: int = 0
    is_stuck: bool = False


class Broken(NamedTuple):
    """A worker cannot go on, which is a defect of the harness itself."""

    traceback: str


ToWorker = Batch | None
"""What a worker is sent: what to do next, or None to end, even in the middle of a batch."""

FromWorker = Played | Alive | Met | Done | Broken
"""What it answers."""


def seed_of(seed: int, worker: int, batch: int) -> int:
    """The seed of a batch."""
    digest = hashlib.sha256(f"{seed}/{worker}/{batch}".encode()).digest()
    return int.from_bytes(digest[:8], "big")
