"""Prints what a seed makes happen in memory: `python -m stateful_tests.replay SEED HISTORIES`."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from stateful_tests.profiles import chosen
from stateful_tests.running import histories, quiet
from stateful_tests.tally import Tally
from tests.kinds.placement import IN_MEMORY


def replay(number: int, count: int) -> None:
    """Print a line for everything that happens in so many histories, drawn from a seed."""
    with TemporaryDirectory() as folder, quiet():
        history = histories(IN_MEMORY, Path(folder), Tally())

        class Told(history):  # type: ignore[misc, valid-type]
            def teardown(self) -> None:
                super().teardown()
                sys.stdout.writelines(f"{line}\n" for line in self.story)

        profile = settings(chosen(), max_examples=count, phases=[Phase.generate], database=None)
        run_state_machine_as_test(seed(number)(Told), settings=profile)


if __name__ == "__main__":
    replay(int(sys.argv[1]), int(sys.argv[2]))
