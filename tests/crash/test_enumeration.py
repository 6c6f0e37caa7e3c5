"""Operations, crashed before and after each effect, and so is every recovery from there."""

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.counts import RecordProperty, counted
from tests.kinds.memory import MEMORY
from tests.kinds.params import with_layout
from tests.kinds.placement import EVERYWHERE, IN_MEMORY, LAYOUTS, ON_FILES, Layout, shared

from .exploration import Exploration
from .scenarios import CORE, SCENARIOS, Scenario

_PATHS = {True: "one append", False: "two steps"}


def _scenarios(layout: Layout) -> Sequence[Scenario]:
    """Every operation, unless a layout is of two kinds or of a slow one, and all are not asked for.

    What is slow is tried beside memory, where it is seen what it adds.
    """
    if EVERYWHERE or (layout.is_quick and not layout.is_mixed):
        return SCENARIOS
    if layout.is_quick or (MEMORY not in layout.kinds.values() and not layout.is_mixed):
        return CORE
    return CORE[:1] if MEMORY in layout.kinds.values() else ()


def _runs() -> Iterator[ParameterSet]:
    """Operations on every layout, and where that is quickest by both paths."""
    for layout in LAYOUTS:
        # Who keeps each collection apart can decide in one append; the others go the longer way.
        is_quickest = layout in (IN_MEMORY, shared(MEMORY))
        paths = (True, False) if is_quickest else (layout.is_apart,)
        for scenario, path in product(_scenarios(layout), paths):
            yield with_layout(
                layout,
                scenario,
                path,
                name=f"{scenario.name}-{_PATHS[path]}",
                is_long=_is_long(layout, scenario),
            )


def _is_long(layout: Layout, scenario: Scenario) -> bool:
    return layout.is_long or (not layout.is_quick and scenario != CORE[0])


@pytest.mark.parametrize(("scenario", "one_append", "layout"), [*_runs()])
def test_every_crash_leaves_all_or_nothing(
    scenario: Scenario,
    one_append: bool,
    layout: Layout,
    folder: Path,
    record_property: RecordProperty,
) -> None:
    exploration = Exploration(scenario, layout.place(folder), one_append=one_append)
    tally = exploration.tally
    with counted(record_property, lambda: tally.crashes):
        exploration.run()
    assert tally.crashes > 2 * len(exploration.effects)
    record_property("placement", layout.name)
    record_property("crashes", tally.crashes)
    record_property("states", tally.states)
    record_property("deepest", tally.deepest)


@pytest.mark.parametrize("one_append", _PATHS, ids=_PATHS.values())
def test_effects_of_a_contribution(one_append: bool, folder: Path) -> None:
    exploration = Exploration(SCENARIOS[0], ON_FILES.place(folder), one_append=one_append)
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
