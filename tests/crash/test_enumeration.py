"""Operations, crashed before and after each effect, and so is every recovery from there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.counts import RecordProperty, counted

from .exploration import Exploration
from .placements import PLACEMENTS, Placement, separate_files
from .scenarios import SCENARIOS, Scenario

Place = Callable[[Path], Placement]


@pytest.mark.parametrize("one_append", [True, False], ids=["one append", "two steps"])
@pytest.mark.parametrize("place", PLACEMENTS, ids=lambda place: place.__name__)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_crash_leaves_all_or_nothing(
    scenario: Scenario,
    place: Place,
    one_append: bool,
    tmp_path: Path,
    record_property: RecordProperty,
) -> None:
    exploration = Exploration(scenario, place(tmp_path), one_append=one_append)
    tally = exploration.tally
    with counted(record_property, lambda: tally.crashes):
        exploration.run()
    assert tally.crashes > 2 * len(exploration.effects)
    record_property("crashes", tally.crashes)
    record_property("states", tally.states)
    record_property("deepest", tally.deepest)


@pytest.mark.parametrize("one_append", [True, False], ids=["one append", "two steps"])
def test_effects_of_a_contribution(one_append: bool, tmp_path: Path) -> None:
    exploration = Exploration(SCENARIOS[0], separate_files(tmp_path), one_append=one_append)
    names = [effect.name for effect in exploration.effects]
    assert names[names.index("hold") :] == [
        "hold",
        "validate contributions",
        "validate handoffs",
        "decide commit",
        "leave",
        "apply contributions",
        "apply handoffs",
        "release",
        "flush",
        "force handoffs",
        "force contributions",
        "finish",
    ]
