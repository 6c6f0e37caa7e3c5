"""Planted defects are found: by the grid, or by random histories."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from grove_sm.domain.errors import GroveError
from stateful_tests.grid import rows
from stateful_tests.profiles import chosen
from stateful_tests.running import histories, quiet, run
from stateful_tests.tally import Tally
from stateful_tests.teeth import DEFECTS, Defect
from tests.crash.placements import memory

_MOST_HISTORIES = 400
_SEED = 2


def _search_at_random(folder: Path, total: Tally) -> None:
    profile = settings(
        chosen(), max_examples=_MOST_HISTORIES, phases=[Phase.generate], database=None
    )
    run(memory, folder, profile, _SEED, total)


def _search_the_grid(folder: Path, total: Tally) -> None:
    new_history = histories(memory, folder, total)
    with quiet():
        for row in rows():
            row.run(new_history)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_planted_defect_is_found(
    defect: Defect, folder: Path, record_property: Callable[[str, object], None]
) -> None:
    total = Tally()
    search = _search_the_grid if defect.needs_aim else _search_at_random
    with defect.planted(), pytest.raises((AssertionError, GroveError, LookupError)):
        search(folder, total)
    how = "cells of the grid" if defect.needs_aim else "random histories"
    record_property("tooth", f"{defect.name}: in {total.counts['histories'] + 1} {how}")
