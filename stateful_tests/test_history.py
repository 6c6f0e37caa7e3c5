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
from stateful_tests.running import histories, quiet, run
from stateful_tests.tally import Tally, transitions_of
from stateful_tests.walks import walk, walks
from tests.counts import RecordProperty, counted
from tests.kinds.params import each
from tests.kinds.placement import IN_MEMORY, LAYOUTS, Layout

NewHistory = Callable[[], History]

# Shrinking may take five minutes, and the first failure should be seen.
pytestmark = pytest.mark.timeout(900)


def _counted(record_property: RecordProperty, total: Tally) -> AbstractContextManager[None]:
    return counted(record_property, lambda: total.counts["histories"], omits_failed=True)


@pytest.mark.parametrize("layout", each(LAYOUTS))
def test_every_history_is_one_of_whole_operations(
    layout: Layout, folder: Path, record_property: RecordProperty
) -> None:
    seed = chosen_seed()
    print(f"STATEFUL_SEED={seed}")  # noqa: T201 - shown if the test fails
    total = Tally()
    with _counted(record_property, total):
        run(layout, folder, chosen(layout.histories), seed, total)
    record_property("placement", layout.name)
    record_property("histories", json.dumps(total.to_document()))


def test_told_histories_make_every_move(folder: Path, record_property: RecordProperty) -> None:
    total = Tally()
    with _counted(record_property, total), quiet():
        new_history: NewHistory = histories(IN_MEMORY, folder, total)
        for steps in walks():
            walk(new_history(), steps)
    record_property("histories", json.dumps(total.to_document()))
    moves = (move for lifecycle in LIFECYCLES for move in transitions_of(lifecycle))
    assert [move for move in moves if not total.transitions[move]] == []


@pytest.mark.parametrize(
    "slot",
    [
        pytest.param(slot, marks=[] if habits.lag > 1 else pytest.mark.long)
        for slot, habits in enumerate(HABITS)
    ],
)
def test_every_fault_and_race_at_every_effect(
    slot: int, folder: Path, record_property: RecordProperty
) -> None:
    total = Tally()
    new_history = histories(IN_MEMORY, folder, total)
    with _counted(record_property, total), quiet():
        total.counts["grid cells"] = sum(row.run(new_history) for row in rows([slot]))
    record_property("histories", json.dumps(total.to_document()))
