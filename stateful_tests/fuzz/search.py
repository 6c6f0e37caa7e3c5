"""The search: workers, what they are told to do next, and what they find."""

import json
import multiprocessing
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Final, Literal

from stateful_tests.fuzz.failures import Failure, Signature
from stateful_tests.fuzz.orders import BATCH, Batch, Broken, Charge, Done, Met, Played
from stateful_tests.fuzz.worker import steps_file, work
from stateful_tests.tally import Tally

MOST_FAILURES: Final = 20
_MOST_LOST: Final = 20
# A process that starts imports the whole harness, on a machine that may be busy.
_SECONDS_TO_START: Final = 60.0

_TICK: Final = 0.25
_CONTEXT: Final = multiprocessing.get_context("spawn")

Ending = Literal[
    "time is up",
    "all histories have run",
    "interrupted",
    "too many failures",
    "no history can begin",
]


@dataclass(frozen=True)
class Bounds:
    """When a search ends: after so many minutes, or histories, whichever comes first.

    `limit` is how many seconds a history may take; one that takes longer hangs.
    """

    minutes: float | None = None
    histories: int | None = None
    limit: float = 60.0


@dataclass
class Progress:
    """How far a search has come.

    Attributes:
        tally: what this search has covered.
        covered: the same with what earlier searches had covered.
        executed: histories that ran, those that failed and those of shrinking included.
        met: how often a known failure was met again.
        failures: what was found, in order, each with its file.
        shrinking: what has been met and is being shrunk.
        seconds: since it began.
        by_worker: seconds that each worker has spent in histories.
    """

    covered: Tally
    tally: Tally = field(default_factory=Tally)
    executed: int = 0
    met: int = 0
    failures: list[tuple[Failure, Path]] = field(default_factory=list)
    shrinking: set[Signature] = field(default_factory=set)
    seconds: float = 0.0
    by_worker: list[float] = field(default_factory=list)


@dataclass
class _Hand:
    """A worker as the search knows it."""

    process: SpawnProcess
    connection: Connection
    batch: Batch | None = None
    begun: int = 0
    heard: float = 0.0
    is_up: bool = False


class Search:
    """A search with so many workers, which writes into a folder.

    Args:
        seed: what everything is drawn from.
        workers: how many processes.
        steps: how many steps a history takes.
        folder: an existing folder for the failures' files.
        database: a folder for the examples that failed.
        bounds: when it ends.
        covered: what earlier searches covered.
        is_guided: whether it aims at what is rarely covered.
        planted: the name of the defect that the library has in its workers, if any.

    Attributes:
        progress: how far it has come.
    """

    def __init__(
        self,
        *,
        seed: int,
        workers: int,
        steps: int,
        folder: Path,
        database: Path,
        bounds: Bounds,
        covered: Tally | None = None,
        is_guided: bool = True,
        planted: str | None = None,
    ) -> None:
        self._bounds = bounds
        self._folder = folder
        self._charges = [
            Charge(number, seed, steps, folder, database, is_guided, planted)
            for number in range(workers)
        ]
        self._hands: dict[int, _Hand] = {}
        self._batches = [0] * workers
        self._left = bounds.histories
        self._started = time.monotonic()
        self._known: set[Signature] = set()
        self._is_interrupted = False
        self._is_stuck = False
        self._workers_lost = 0
        self._before = covered or Tally()
        self.progress = Progress(_sum(self._before), by_worker=[0.0] * workers)

    @property
    def deadline(self) -> float | None:
        """When time is up, on the monotonic clock; None if it does not go by time."""
        minutes = self._bounds.minutes
        return None if minutes is None else self._started + minutes * 60

    def run(self, tell: Callable[[Progress], object]) -> Ending:
        """Search until an end is reached; `tell` is told now and then how far it has come.

        However it ends, no worker is left.
        """
        self._started = time.monotonic()
        ending: Ending | None = None
        try:
            for number in range(len(self._charges)):
                self._start(number)
            while self._hands:
                for number in self._ready():
                    self._hear(number)
                self.progress.seconds = time.monotonic() - self._started
                tell(self.progress)
                reached = self._reached()
                if reached and ending is None:
                    ending = reached
                    self._stop()
                self._look_for_the_hung()
        finally:
            for number in list(self._hands):
                self._let_go(number)
            for charge in self._charges:
                steps_file(self._folder, charge.number).unlink(missing_ok=True)
            self.progress.seconds = time.monotonic() - self._started
        return ending or "all histories have run"

    def interrupt(self) -> None:
        """Have it end soon. May be called by a signal's handler."""
        self._is_interrupted = True

    def _start(self, number: int) -> None:
        mine, its = _CONTEXT.Pipe()
        process = _CONTEXT.Process(target=work, args=(self._charges[number], its), daemon=True)
        process.start()
        its.close()
        self._hands[number] = _Hand(process, mine, heard=time.monotonic())
        self._order(number)

    def _order(self, number: int) -> None:
        """Have a worker do the next batch, or end."""
        hand = self._hands[number]
        histories = BATCH if self._left is None else min(BATCH, self._left)
        if histories == 0 or self._reached():
            hand.batch = None
            self._send(hand, None)
            return
        if self._left is not None:
            self._left -= histories
        index = self._batches[number]
        self._batches[number] += 1
        hand.batch = Batch(
            index, histories, self.progress.covered, frozenset(self._known), is_first=index == 0
        )
        hand.begun = 0
        hand.heard = time.monotonic()
        self._send(hand, hand.batch)

    def _send(self, hand: _Hand, message: Batch | None) -> None:
        # One that has died is noticed when its end of the connection is read.
        with suppress(BrokenPipeError, ConnectionResetError):
            hand.connection.send(message)

    def _stop(self) -> None:
        for hand in self._hands.values():
            if hand.batch is not None:
                self._send(hand, None)

    def _ready(self) -> Sequence[int]:
        connections: dict[Any, int] = {
            hand.connection: number for number, hand in self._hands.items()
        }
        return sorted(connections[each] for each in wait(list(connections), timeout=_TICK))

    def _hear(self, number: int) -> None:
        hand = self._hands[number]
        try:
            message = hand.connection.recv()
        except (EOFError, ConnectionResetError):
            hand.process.join()
            self._let_go(number)
            if hand.batch is not None:
                status = f"its exit status was {hand.process.exitcode}"
                self._lost(number, hand, "died", f"the worker's process died; {status}")
            return
        hand.heard = time.monotonic()
        hand.is_up = True
        match message:
            case Played(tally, seconds):
                hand.begun += 1
                self.progress.executed += 1
                self.progress.by_worker[number] += seconds
                self.progress.tally.add(tally)
            case Met(signature):
                if signature not in self._known:
                    self.progress.shrinking.add(signature)
            case Done(failures, met, is_stuck):
                self.progress.met += met
                self._is_stuck = self._is_stuck or is_stuck
                for failure in failures:
                    self._found(failure)
                self.progress.covered = _sum(self._before, self.progress.tally)
                self._order(number)
            case Broken(text):
                self._let_go(number)
                self._lost(number, hand, "died", text)

    def _found(self, failure: Failure) -> None:
        if failure.signature in self._known or len(self.progress.failures) >= MOST_FAILURES:
            return
        self._known.add(failure.signature)
        self.progress.shrinking.discard(failure.signature)
        path = self._folder / f"failure-{len(self.progress.failures) + 1}.json"
        failure.write(path)
        self.progress.failures.append((failure, path))

    def _reached(self) -> Ending | None:
        if self._is_interrupted:
            return "interrupted"
        if self._is_stuck:
            return "no history can begin"
        if len(self.progress.failures) >= MOST_FAILURES or self._workers_lost >= _MOST_LOST:
            return "too many failures"
        deadline = self.deadline
        if deadline is not None and time.monotonic() >= deadline:
            return "time is up"
        return None

    def _look_for_the_hung(self) -> None:
        for number, hand in list(self._hands.items()):
            limit = self._bounds.limit + (0.0 if hand.is_up else _SECONDS_TO_START)
            if hand.batch and time.monotonic() - hand.heard > limit:
                self._let_go(number)
                reason = f"a history took more than {self._bounds.limit:g} seconds"
                self._lost(number, hand, "hung", reason)

    def _let_go(self, number: int) -> None:
        hand = self._hands.pop(number)
        hand.process.kill()
        hand.process.join()
        hand.connection.close()

    def _lost(self, number: int, hand: _Hand, kind: Literal["died", "hung"], message: str) -> None:
        """A worker is no more: what it was at is a failure, and another takes its place."""
        assert hand.batch is not None
        self._workers_lost += 1
        charge = self._charges[number]
        steps = _written(steps_file(self._folder, number))
        last = steps[-1]["rule"] if steps else "before its first step"
        self._found(
            Failure(
                kind=kind,
                signature=Signature(f"Worker{kind.capitalize()}", f"in {last}"),
                message=message,
                placement=hand.batch.placement,
                steps=tuple(steps),
                is_shrunk=False,
                is_repeated=None,
                seed=charge.seed,
                worker=number,
                batch=hand.batch.number,
                histories=hand.begun + 1,
                planted=charge.planted,
            )
        )
        if not self._reached():
            self._start(number)


def _sum(*tallies: Tally) -> Tally:
    total = Tally()
    for tally in tallies:
        total.add(tally)
    return total


def _written(path: Path) -> list[dict[str, Any]]:
    """The steps that a worker wrote down; a line that it did not finish is left out."""
    steps = []
    with suppress(OSError, ValueError):
        for line in path.read_text().splitlines():
            steps.append(json.loads(line))
    return steps
