"""What a transaction costs: one forced write of the journal, none of a store."""

import json
from pathlib import Path

import pytest

from faults.recording import UnrecordableError, recording

from .programs import run
from .scenarios.counted import TRANSACTIONS


@pytest.fixture(autouse=True)
def _recordable(tmp_path: Path) -> None:
    try:
        with recording(tmp_path):
            pass
    except UnrecordableError as error:
        pytest.skip(f"the forced writes of this Python's SQLite cannot be counted: {error}")


def count(folder: Path, mode: str) -> dict[str, int]:
    counts: dict[str, int] = json.loads(run("counted", folder, mode))
    return counts


def test_a_caller_forces_the_journal_once_for_each_transaction(tmp_path: Path) -> None:
    """Nothing runs in the background here: every forced write is the caller's."""
    counts = count(tmp_path, "alone")
    assert counts == {"journal.db": TRANSACTIONS}


def test_what_runs_behind_a_caller_forces_little_more(tmp_path: Path) -> None:
    counts = count(tmp_path, "background")
    assert TRANSACTIONS <= counts.pop("journal.db") <= TRANSACTIONS * 1.1 + 10
    assert sum(counts.values()) <= TRANSACTIONS * 0.1 + 10
