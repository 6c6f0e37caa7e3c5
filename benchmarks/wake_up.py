"""How soon an agent that waits for a handoff has it, and what waiting costs.

One process waits with `pick_up(wait=)`; another contributes, now and then, and tells when it was
told that it has. Both ways to wait are measured in turns: told by the system, and looking again
and again, as where the system cannot tell. Beside it, the processor time of an hour's waiting for
nothing, from so many seconds of it.

    python -m benchmarks.wake_up [--rounds N] [--idle SECONDS] [--json]
"""

import argparse
import json
import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from grove_sm import Agent, Grove
from grove_sm.journal import watching

CODER = Agent(agent_id="coder-1", role="coder")
REVIEWER = Agent(agent_id="reviewer-1", role="reviewer")


def wait_for_handoffs(connection: Connection, folder: Path, is_told: bool) -> None:
    """Pick up one handoff after the other, and tell when each had come."""
    watching._IS_TOLD = is_told  # type: ignore[misc]
    with Grove.open(folder) as grove:
        while connection.recv() == "wait":
            connection.send("waiting")
            picked = grove.pick_up(agent=REVIEWER, wait=60.0)
            came = time.monotonic_ns()
            assert picked is not None
            grove.acknowledge(picked.handoff.handoff_id, agent=REVIEWER)
            connection.send(came)


def wait_for_nothing(connection: Connection, folder: Path, is_told: bool, seconds: float) -> None:
    """Wait in vain, and tell how much processor time it has taken."""
    watching._IS_TOLD = is_told  # type: ignore[misc]
    with Grove.open(folder) as grove:
        # Whatever is done once is done.
        grove.pick_up(agent=REVIEWER, wait=0.1)
        before = time.process_time()
        assert grove.pick_up(agent=REVIEWER, wait=seconds) is None
        connection.send(time.process_time() - before)


def measure_latencies(folder: Path, is_told: bool, rounds: int) -> list[float]:
    """Seconds from the end of a contribution to the end of the `pick_up` that waited for it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    waiter = context.Process(target=wait_for_handoffs, args=(theirs, folder, is_told))
    waiter.start()
    seconds = []
    rng = random.Random(1)
    with Grove.open(folder) as grove:
        for number in range(rounds):
            ours.send("wait")
            ours.recv()
            time.sleep(rng.uniform(0.2, 0.7))
            grove.contribute(kind="work", summary=f"{is_told} {number}", agent=CODER)
            done = time.monotonic_ns()
            seconds.append((ours.recv() - done) / 1e9)
    ours.send("stop")
    waiter.join()
    return seconds


def measure_idling(folder: Path, is_told: bool, seconds: float) -> float:
    """Seconds of processor time that an hour of waiting takes."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    waiter = context.Process(target=wait_for_nothing, args=(theirs, folder, is_told, seconds))
    waiter.start()
    taken: float = ours.recv()
    waiter.join()
    return taken * 3600 / seconds


def describe(seconds: Sequence[float]) -> str:
    """The median and the 95th percentile, in milliseconds."""
    ordered = sorted(seconds)
    tail = ordered[int(0.95 * (len(ordered) - 1))]
    return f"{statistics.median(ordered) * 1000:8.1f} ms {tail * 1000:8.1f} ms"


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--idle", type=float, default=30.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    latencies: dict[str, list[float]] = {}
    idling: dict[str, float] = {}
    for name, is_told in (("told by the system", True), ("looking again and again", False)):
        with tempfile.TemporaryDirectory() as folder:
            latencies[name] = measure_latencies(Path(folder), is_told, options.rounds)
            idling[name] = measure_idling(Path(folder), is_told, options.idle)
    if options.json:
        print(json.dumps({"latencies": latencies, "processorSecondsAnHour": idling}))
        return
    print(f"{'':26}{'median':>11} {'95 of 100':>11} {'processor time an hour':>24}")
    for name, seconds in latencies.items():
        print(f"{name:26}{describe(seconds)} {idling[name]:20.2f} s")


if __name__ == "__main__":
    main()
