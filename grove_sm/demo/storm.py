"""Workers that are killed again and again.

The process that starts workers must have no grove open: they are forked from it.
"""

import multiprocessing
import random
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, TypeVar

from grove_sm.demo.worker import FAILED, STARTED, Life, live, read_log

R = TypeVar("R")

_SHORTEST_DELAY: Final = 0.005
_LONGEST_DELAY: Final = 0.1
_SHARE_AT_START: Final = 0.1
_POLL: Final = 0.002
_SLOWEST_START: Final = 60.0

_INTERRUPT: Final = (signal.SIGINT,)

_fork: Final = multiprocessing.get_context("fork")


class Kill(NamedTuple):
    """A SIGKILL to come.

    Attributes:
        worker: whom it hits.
        delay: seconds to wait before it.
        at_start: whether the wait begins when the worker is started, so that it may hit it in
            its recovery, rather than when it is first at work.
        is_last: the worker is not started again.
    """

    worker: int
    delay: float
    at_start: bool
    is_last: bool


def make_schedule(seed: int, kills: int, workers: int) -> tuple[Kill, ...]:
    """The kills that a seed chooses; the last ones hit each worker once, for good."""
    rng = random.Random(f"{seed} kills")
    victims = [rng.randrange(workers) for _ in range(kills - workers)]
    victims += rng.sample(range(workers), workers)
    return tuple(
        Kill(
            worker=victim,
            delay=rng.uniform(_SHORTEST_DELAY, _LONGEST_DELAY),
            at_start=rng.random() < _SHARE_AT_START,
            is_last=index >= kills - workers,
        )
        for index, victim in enumerate(victims)
    )


class Crew:
    """The running workers of one side. None outlives the `with` block."""

    def __init__(
        self, folder: Path, *, is_safe: bool, workers: int, seed: int, bases: Sequence[str]
    ) -> None:
        self._lives = [Life(worker, 0, folder, is_safe, seed, bases) for worker in range(workers)]
        self._processes: dict[int, BaseProcess] = {}

    def __enter__(self) -> Self:
        try:
            for worker in range(len(self._lives)):
                self._start(worker)
        except BaseException:
            self._kill_all()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._kill_all()

    def suffer(self, kill: Kill) -> None:
        """Wait as the kill says, deliver it, and start the worker's next life.

        Raises RuntimeError, with the worker's words, if it ended by itself.
        """
        if not kill.at_start:
            self._await_work(kill.worker)
        time.sleep(kill.delay)
        self._require_running(kill.worker)
        _end(self._processes.pop(kill.worker))
        if not kill.is_last:
            life = self._lives[kill.worker]
            self._lives[kill.worker] = life._replace(life=life.life + 1)
            self._start(kill.worker)

    def _start(self, worker: int) -> None:
        process = _fork.Process(target=_undisturbed, args=(live, self._lives[worker]), daemon=True)
        self._processes[worker] = process
        _start_whole(process)

    def _await_work(self, worker: int) -> None:
        deadline = time.monotonic() + _SLOWEST_START
        while not any(line["event"] == STARTED for line in read_log(self._lives[worker].log)):
            self._require_running(worker)
            if time.monotonic() > deadline:
                raise RuntimeError(f"worker {worker} did not begin to work")
            time.sleep(_POLL)

    def _require_running(self, worker: int) -> None:
        if not self._processes[worker].is_alive():
            log = read_log(self._lives[worker].log)
            reasons = [line["reason"] for line in log if line["event"] == FAILED]
            raise RuntimeError(f"worker {worker} ended by itself: {' '.join(reasons)}")

    def _kill_all(self) -> None:
        for process in self._processes.values():
            _end(process)


def in_child(function: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    """What a function answers in a process of its own, so that this one opens no grove.

    Raises what the function raises.
    """
    receiver, sender = _fork.Pipe(duplex=False)
    with receiver, sender:
        process = _fork.Process(
            target=_undisturbed, args=(_answer, sender, function, args, kwargs), daemon=True
        )
        _start_whole(process)
        sender.close()
        try:
            answer: R | Exception = receiver.recv()
        except EOFError:
            raise RuntimeError(f"{function.__name__} ended without an answer") from None
        finally:
            _end(process)
    if isinstance(answer, Exception):
        raise answer
    return answer


def _answer(sender: Connection, function: Callable[..., object], args: Any, kwargs: Any) -> None:
    try:
        sender.send(function(*args, **kwargs))
    except Exception as error:
        sender.send(error)


def _start_whole(process: BaseProcess) -> None:
    """Start a process; Ctrl-C waits until its number is known, without which nobody can end it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPT)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _undisturbed(function: Callable[..., object], *args: Any) -> None:
    # Ctrl-C reaches every process of the terminal; the parent sees to these.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPT)
    function(*args)


def _end(process: BaseProcess) -> None:
    if process.pid is not None:
        process.kill()
        process.join()
