"""How many histories it takes to find a planted defect, drawn blindly and guided.

Each search is one worker's, in memory, with what `grove-sm fuzz` runs: batches of histories, each
guided by what the ones before have covered. It ends with the first failure. The first row is the
library as it is: whatever fails there is no planted defect, and spoils the comparison.

    python -m benchmarks.guided_search [--seeds N] [--histories N] [--defect TEXT] [--json]
"""

import argparse
import json
import os
import statistics
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from faults.mutants.copies import planted
from faults.mutants.mutant import usable
from stateful_tests.fuzz.failures import Signature
from stateful_tests.fuzz.guidance import Aiming
from stateful_tests.fuzz.orders import BATCH, seed_of
from stateful_tests.fuzz.playing import FAILURES
from stateful_tests.fuzz.recording import Blind, Recorder, recorded
from stateful_tests.fuzz.steps import Step
from stateful_tests.machine import History
from stateful_tests.running import histories, quiet
from stateful_tests.tally import Tally
from tests.kinds.placement import IN_MEMORY

_STEPS = 30
_SOUND = "(nothing is planted)"

DEFECTS: Final = (
    "keys-released-before-apply",
    "applied-before-decision",
    "preconditions-not-validated",
    "memory-journal-forgets-keys",
    "memory-journal-keeps-keys",
    "held-keys-not-respected",
    "reader-settles-nothing",
    "reader-settles-own-store-alone",
    "late-apply-overwrites-newer",
    "memory-journal-commits-the-aborted",
    "unreached-store-counts-as-applied",
    "recovery-leaves-committed",
    "coordinator-believes-its-own-wish",
    "foreign-change-passed-over",
    "lease-that-ends-now-holds",
    "clock-shortens-a-lease",
    "takeover-leaves-the-old-claim",
    "anybody-answers-a-handoff",
    "reply-holds-not-what-it-answers",
    "amount-not-reserved",
)
"""Mutants that show in memory."""


class _Count:
    """Follows histories: how many began, and what they covered."""

    def __init__(self) -> None:
        self.begun = 0
        self.covered = Tally()

    def begins(self) -> None:
        self.begun += 1

    def takes(self, step: Step) -> None:
        pass

    def took(self, step: Step, operation: str) -> None:
        self.covered.operations[step.signature, operation] += 1

    def met(self, signature: Signature) -> None:
        pass

    def ends(self, history: History) -> None:
        self.covered.add(history.tally)


class Searched(NamedTuple):
    """A search: after how many histories it failed, if it did; how many cells it met by then."""

    found: int | None
    cells: int


def search(number: int, most: int, *, is_guided: bool) -> Searched:
    """Search with this seed until something fails, through `most` histories at most."""
    count = _Count()
    with TemporaryDirectory() as folder, quiet():
        try:
            here = histories(IN_MEMORY, Path(folder), Tally())
            for batch in range(-(-most // BATCH)):
                guide = Aiming(count.covered) if is_guided else Blind()
                profile = settings(
                    database=None,
                    deadline=None,
                    max_examples=BATCH,
                    phases=[Phase.generate],
                    stateful_step_count=_STEPS,
                    suppress_health_check=list(HealthCheck),
                )
                machine = recorded(here, Recorder(guide, count))
                seeded = seed(seed_of(number, 0, batch))(machine)
                run_state_machine_as_test(seeded, settings=profile)
        except FAILURES:
            return Searched(max(count.begun, 1), len(count.covered.cells))
    return Searched(None, len(count.covered.cells))


def compare(
    defects: Iterable[str | None], seeds: Sequence[int], most: int
) -> Iterator[tuple[str | None, list[Searched], list[Searched]]]:
    """Each defect with its blind and its guided searches, by seed; None is the sound library."""
    for name in defects:
        with planted(name), ProcessPoolExecutor(1, get_context("spawn")) as process:
            blind, guided = (
                list(process.map(partial(search, most=most, is_guided=is_guided), seeds))
                for is_guided in (False, True)
            )
        yield name, blind, guided


def median(searches: Sequence[Searched], most: int) -> str:
    """The middle number of histories; what was not found counts as more than all others."""
    value = statistics.median(most + 1 if each.found is None else each.found for each in searches)
    return f"> {most}" if value > most else f"{value:g}"


def main() -> None:
    """Print the comparison, a line for each defect."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--histories", type=int, default=96)
    parser.add_argument("--defect", default="", help="only those whose name has this text")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    seeds, most = range(options.seeds), options.histories
    defects = [None, *(name for name in DEFECTS if options.defect in name)]
    rows = []
    if not options.json:
        print(f"seeds 0 to {options.seeds - 1}, at most {most} histories of {_STEPS} steps")
        print("| planted defect | blind: median | found | guided: median | found |")
        print("| --- | --- | --- | --- | --- |")
    for name, *both in compare(defects, seeds, most):
        blind, guided = ([each.found for each in searches] for searches in both)
        rows.append({"defect": name, "blind": blind, "guided": guided})
        if options.json:
            continue
        parts = (
            f"{median(each, most)} | {sum(one.found is not None for one in each)} of {len(each)}"
            for each in both
        )
        told = _SOUND if name is None else usable(name).defect
        print(f"| {told} | {' | '.join(parts)} |", flush=True)
        if name is None:
            cells = [statistics.median(one.cells for one in searches) for searches in both]
    if options.json:
        print(json.dumps(rows))
    else:
        print("cells met on the sound library: blind {:g}, guided {:g} (medians)".format(*cells))
        times = os.times()
        print(f"{times.children_user + times.children_system:.0f} s of CPU")


if __name__ == "__main__":
    main()
