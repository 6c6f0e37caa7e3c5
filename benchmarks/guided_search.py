"""How many histories it takes to find a planted defect, drawn blindly and guided.

Each search is one worker's, in memory, with what `grove-sm fuzz` runs: batches of histories, each
guided by what the ones before have covered. It ends with the first failure. The first row is the
library as it is: whatever fails there is no planted defect, and spoils the comparison.

    python -m benchmarks.guided_search [--seeds N] [--histories N] [--defect TEXT] [--json]
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from stateful_tests.fuzz.failures import Signature
from stateful_tests.fuzz.guidance import Aiming
from stateful_tests.fuzz.orders import BATCH, seed_of
from stateful_tests.fuzz.planting import plantable, planted
from stateful_tests.fuzz.playing import FAILURES
from stateful_tests.fuzz.recording import Blind, Recorder, recorded
from stateful_tests.fuzz.steps import Step
from stateful_tests.machine import History
from stateful_tests.running import histories, quiet
from stateful_tests.tally import Tally
from tests.crash.placements import memory

_STEPS = 30
_SOUND = "(nothing is planted)"


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


def histories_until_found(number: int, most: int, *, is_guided: bool) -> int | None:
    """How many histories a search with this seed takes; None if it takes more than `most`."""
    count = _Count()
    with TemporaryDirectory() as folder, quiet():
        try:
            here = histories(memory, Path(folder), Tally())
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
            return max(count.begun, 1)
    return None


def compare(
    defects: Iterable[str | None], seeds: Sequence[int], most: int
) -> Iterator[tuple[str, list[int | None], list[int | None]]]:
    """Each defect with what it took blindly and guided, by seed; None is the sound library."""
    for name in defects:
        with planted(name):
            blind, guided = (
                [histories_until_found(number, most, is_guided=is_guided) for number in seeds]
                for is_guided in (False, True)
            )
        yield name or _SOUND, blind, guided


def median(found: Sequence[int | None], most: int) -> str:
    """The middle one; those that were not found count as more than all others."""
    value = statistics.median(most + 1 if each is None else each for each in found)
    return f"> {most}" if value > most else f"{value:g}"


def main() -> None:
    """Print the comparison, a line for each defect."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--histories", type=int, default=144)
    parser.add_argument("--defect", default="", help="only those whose name has this text")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    begun = time.process_time()
    seeds, most = range(options.seeds), options.histories
    defects = [None, *(name for name in plantable() if options.defect in name)]
    rows = []
    if not options.json:
        print(f"seeds 0 to {options.seeds - 1}, at most {most} histories of {_STEPS} steps")
        print("| planted defect | blind: median | found | guided: median | found |")
        print("| --- | --- | --- | --- | --- |")
    for name, blind, guided in compare(defects, seeds, most):
        rows.append({"defect": name, "blind": blind, "guided": guided})
        if not options.json:
            cells = " | ".join(
                f"{median(found, most)} | {sum(each is not None for each in found)} of {len(found)}"
                for found in (blind, guided)
            )
            print(f"| {name} | {cells} |", flush=True)
    if options.json:
        print(json.dumps(rows))
    else:
        print(f"{time.process_time() - begun:.0f} s of CPU")


if __name__ == "__main__":
    main()
