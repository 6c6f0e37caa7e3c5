"""One layer of tests, run on one copy of the code, until the first test fails."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

_ENDED: Final = (0, 1)
_TICK: Final = 0.2
_SECONDS_TO_END: Final = 20.0
_LINES_SHOWN: Final = 30


class InterruptedTrialError(Exception):
    """Somebody has asked for the end."""


@dataclass(frozen=True)
class Ran:
    """How far some tests have come.

    Attributes:
        runs: how many executions they have made.
        test: the one that has failed, if any.
        error: the first line of what it said.
        trouble: why nothing can be told, if that is so.
    """

    runs: int = 0
    test: str | None = None
    error: str | None = None
    trouble: str | None = None

    @property
    def is_caught(self) -> bool:
        """Whether a test has failed."""
        return self.test is not None

    def and_then(self, further: "Ran") -> "Ran":
        """This, and what was run after it."""
        return replace(further, runs=self.runs + further.runs)


Tell = Callable[[Ran], object]


def run(root: Path, selected: Sequence[str], stopping: threading.Event, tell: Tell) -> Ran:
    """Run the selected tests of a copy of the checkout, in order, until one fails.

    `tell` is told now and then how far it has come. Raises InterruptedTrialError once `stopping`
    is set. However it ends, no process is left.
    """
    follow, output = root / "followed.jsonl", root / "output.txt"
    follow.write_text("")
    with _pytest(root, selected, follow, output) as process:
        while process.poll() is None and not _read(follow).is_caught:
            tell(_read(follow))
            if stopping.wait(_TICK):
                raise InterruptedTrialError
        # What hangs in a test may hang at the end of its process too.
        with suppress(subprocess.TimeoutExpired):
            process.wait(_SECONDS_TO_END)
    ran = _read(follow)
    if ran.is_caught or (ran.runs and process.returncode in _ENDED):
        return ran
    lines = output.read_text(errors="replace").splitlines()[-_LINES_SHOWN:]
    reason = f"pytest ended with status {process.returncode}, without a test that failed"
    return Ran(trouble="\n".join((reason, *lines)))


@contextmanager
def _pytest(
    root: Path, selected: Sequence[str], follow: Path, output: Path
) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    command += ["-p", "faults.mutants.following", f"--follow={follow}"]
    command += [f"--basetemp={root / 'temporary'}", *selected]
    environment = {**os.environ, "PYTHONPATH": str(root), "HYPOTHESIS_PROFILE": "unshrunk"}
    with output.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for who started this, which then ends it in good order.
            start_new_session=True,
        )
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it with its children; let it clean up, if it does so soon."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_SECONDS_TO_END / 4)


def _read(follow: Path) -> Ran:
    runs = 0
    for line in follow.read_text().splitlines():
        ended = json.loads(line)
        runs += ended["runs"]
        if ended["error"] is not None:
            return Ran(runs, ended["test"], ended["error"])
    return Ran(runs)
