"""A seed is a whole history: it does the same wherever it is run."""

import os
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[1]


def _replayed(seed: int, hash_seed: int) -> str:
    run = subprocess.run(
        [sys.executable, "-m", "stateful_tests.replay", str(seed), "6"],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        cwd=_ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return run.stdout


def test_a_seed_does_the_same_in_another_process() -> None:
    first = _replayed(7, hash_seed=1)
    assert first.count("\n") > 100
    assert _replayed(7, hash_seed=2) == first
    assert _replayed(8, hash_seed=1) != first
