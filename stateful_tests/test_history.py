"""Random histories over every placement, told ones, and the grid of all faults and races."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from grove_sm.lifecycles import LIFECYCLES
from stateful_tests.deployment import HABITS
from stateful_tests.grid import rows
from stateful_tests.machine import History
from stateful_tests.profiles import chosen, chosen_seed
from stateful_tests.running import Place, histories, quiet, run
from stateful_tests.tally import Tally, transitions_of
from stateful_tests.walks import walk, walks
from tests.counts import RecordProperty, counted
from tests.crash.placements import PLACEMENTS, memory

NewHistory = Callable[[], History]

# A history on files takes many times as long as one in memory.
_SHARE_OF_FILES = 0.2

# Shrinking may take five minutes, and the first failure should be seen.
pytestmark = pytest.mark.timeout(900)


def _counted(record_property: RecordProperty, total: Tally) -> AbstractContextManager[None]:
    return counted(record_property, lambda: total.counts["histories"], omits_failed=True)


@pytest.mark.parametrize("place", PLACEMENTS, ids=lambda place: place.__name__)
def test_every_history_is_one_of_whole_operations(
    place: Place, folder: Path, record_property: RecordProperty
) -> None:
    seed = chosen_seed()
    print(f"STATEFUL_SEED={seed}")  # noqa: T201 - shown if the test fails
    share = 1.0 if place is memory else _SHARE_OF_FILES
    total = Tally()
    with _counted(record_property, total):
        run(place, folder, chosen(share), seed, total)
    record_property("histories", json.dumps(total.to_document()))


def test_told_histories_make_every_move(folder: Path, record_property: RecordProperty) -> None:
    total = Tally()
    with _counted(record_property, total), quiet():
        new_history: NewHistory = histories(memory, folder, total)
        for steps in walks():
            walk(new_history(), steps)
    record_property("histories", json.dumps(total.to_document()))
    moves = (move for lifecycle in LIFECYCLES for move in transitions_of(lifecycle))
    assert [move for move in moves if not total.transitions[move]] == []


@pytest.mark.parametrize("slot", range(len(HABITS)))
def test_every_fault_and_race_at_every_effect(
    slot: int, folder: Path, record_property: RecordProperty
) -> None:
    total = Tally()
    new_history = histories(memory, folder, total)
    with _counted(record_property, total), quiet():
        total.counts["grid cells"] = sum(row.run(new_history) for row in rows([slot]))
    record_property("histories", json.dumps(total.to_document()))
