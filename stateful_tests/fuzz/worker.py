"""A process that runs batches of histories, as the search tells it to."""

import io
import json
import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.stateful import run_state_machine_as_test

from stateful_tests.fuzz.failures import Failure, Signature, signature_of
from stateful_tests.fuzz.guidance import Aiming
from stateful_tests.fuzz.orders import Alive, Batch, Broken, Charge, Done, Met, Played, seed_of
from stateful_tests.fuzz.playing import FAILURES, PLACES, play
from stateful_tests.fuzz.recording import Blind, Guide, Recorder, recorded
from stateful_tests.fuzz.shortening import shorten
from stateful_tests.fuzz.steps import Step
from stateful_tests.machine import History
from stateful_tests.running import histories, quiet
from stateful_tests.tally import Tally

_SECONDS_TO_SHORTEN: Final = 60.0
_SECONDS_WHEN_STOPPED: Final = 5.0
# No power is cut here, so that nothing needs a disk.
_IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108


def work(charge: Charge, connection: Connection) -> None:
    """Run the batches that come through a connection, until None comes."""
    # Who is at the keyboard interrupts the search, which then ends its workers in good order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_hypothesis_home_dir(charge.database / "hypothesis")
    shared = _IN_MEMORY if _IN_MEMORY.is_dir() else None
    with TemporaryDirectory(dir=shared, ignore_cleanup_errors=True) as folder:
        worker = Worker(charge, connection, Path(folder))
        try:
            connection.send(Alive())
            while (batch := connection.recv()) is not None:
                connection.send(worker.run(batch))
        except (EOFError, BrokenPipeError):
            # The search has died; there is nobody to tell.
            return
        except Exception:
            connection.send(Broken(traceback.format_exc()))


class _StoppedError(KeyboardInterrupt):
    """There is no more time. Hypothesis lets an interrupt through, and nothing else."""


class Worker:
    """Runs batches and follows their histories.

    Args:
        charge: what it was told once.
        connection: to who gives it batches.
        folder: an empty folder for its placements.
    """

    def __init__(self, charge: Charge, connection: Connection, folder: Path) -> None:
        self._charge = charge
        self._connection = connection
        self._folder = folder
        self._begun = time.monotonic()
        self._at_work = steps_file(charge.folder, charge.number)
        self._operations = Tally().operations

    def run(self, batch: Batch) -> Done:
        """Draw, run and shrink the histories of a batch."""
        guide: Guide = Aiming(batch.covered) if self._charge.is_guided else Blind()
        recorder = Recorder(guide, self, batch.known)
        profile = settings(
            database=DirectoryBasedExampleDatabase(self._charge.database / "examples"),
            deadline=None,
            max_examples=batch.histories,
            phases=[Phase.generate, Phase.shrink, *([Phase.reuse] if batch.is_first else [])],
            print_blob=False,
            report_multiple_bugs=False,
            stateful_step_count=self._charge.steps,
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
        )
        number = seed_of(self._charge.seed, self._charge.number, batch.number)
        try:
            here = recorded(self._histories(batch.placement), recorder)
        except FAILURES as error:
            failure = self._failure(batch, signature_of(error), [], str(error), 1)
            return Done((failure,), is_stuck=True)
        with quiet(), _silence():
            try:
                run_state_machine_as_test(seed(number)(here), settings=profile)
            except _StoppedError:
                pass
            except Exception:
                # What failed has been recorded; that Hypothesis tells it too is no news.
                if not recorder.found:
                    raise
        failures = [
            self._failure(batch, signature, *found) for signature, found in recorder.found.items()
        ]
        return Done(tuple(failures), recorder.met)

    def begins(self) -> None:
        """As `Follower.begins`."""
        if self._connection.poll():
            raise _StoppedError
        self._begun = time.monotonic()
        self._operations = Tally().operations
        self._at_work.write_text("")

    def takes(self, step: Step) -> None:
        """As `Follower.takes`: write it down, for the case that it is the last one."""
        with self._at_work.open("a") as file:
            file.write(json.dumps(step.to_document()) + "\n")

    def took(self, step: Step, operation: str) -> None:
        """As `Follower.took`."""
        self._operations[step.signature, operation] += 1

    def met(self, signature: Signature) -> None:
        """As `Follower.met`."""
        self._connection.send(Met(signature))

    def ends(self, history: History) -> None:
        """As `Follower.ends`."""
        history.tally.operations.update(self._operations)
        self._connection.send(Played(history.tally, time.monotonic() - self._begun))

    @cache  # noqa: B019 - there is one worker in a process
    def _histories(self, placement: str) -> type[History]:
        folder = self._folder / placement
        folder.mkdir()
        return histories(PLACES[placement], folder, Tally())

    def _failure(
        self,
        batch: Batch,
        signature: Signature,
        steps: list[Step],
        message: str,
        met_at: int,
    ) -> Failure:
        begun = time.monotonic()
        layout = PLACES[batch.placement]
        steps, is_shrunk = shorten(layout, steps, lambda: self._is_late(begun))
        again = play(layout, steps)
        return Failure(
            kind="error",
            signature=signature,
            message=message,
            placement=batch.placement,
            steps=tuple(step.to_document() for step in steps),
            is_shrunk=is_shrunk,
            is_repeated=again.error is not None,
            seed=self._charge.seed,
            worker=self._charge.number,
            batch=batch.number,
            histories=met_at,
            planted=self._charge.planted,
            story=tuple(again.story),
            events=tuple(again.events),
        )

    def _is_late(self, begun: float) -> bool:
        self._connection.send(Alive())
        seconds = _SECONDS_WHEN_STOPPED if self._connection.poll() else _SECONDS_TO_SHORTEN
        return time.monotonic() > begun + seconds


def steps_file(folder: Path, worker: int) -> Path:
    """Where a worker writes down the steps of the history that it is at, a line for each."""
    return folder / f"worker-{worker}.jsonl"


@contextmanager
def _silence() -> Iterator[None]:
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        yield
