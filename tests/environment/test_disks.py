"""Real disks that are full or read-only, mounted for the test alone."""

from pathlib import Path

import pytest

from .programs import run_with_mounts


@pytest.mark.parametrize(
    "when", ["during_open", "during_contribute", "after_a_crash", "during_apply"]
)
def test_a_full_disk(tmp_path: Path, when: str) -> None:
    run_with_mounts("full_disk", when, tmp_path)


@pytest.mark.parametrize("what", ["journal", "stores"])
def test_a_read_only_disk(tmp_path: Path, what: str) -> None:
    run_with_mounts("read_only", tmp_path, what)
