"""What the search and its workers say to each other."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from stateful_tests.fuzz.failures import Failure, Signature
from stateful_tests.tally import Tally

BATCH: Final = 24
"""Histories that are drawn between two looks at what has been covered."""

# A history on files takes several times as long as one in memory.
_PLACEMENTS: Final = (*["memory"] * 7, "separate_files", *["memory"] * 7, "shared_file")


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
        return _PLACEMENTS[self.number % len(_PLACEMENTS)]


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
