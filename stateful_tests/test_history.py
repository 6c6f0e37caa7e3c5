"""Random histories over every placement."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stateful_tests.profiles import chosen, chosen_seed
from stateful_tests.running import Place, run
from tests.crash.placements import PLACEMENTS

RecordProperty = Callable[[str, object], None]


@pytest.mark.parametrize("place", PLACEMENTS, ids=lambda place: place.__name__)
def test_every_history_is_one_of_whole_operations(
    place: Place, folder: Path, record_property: RecordProperty
) -> None:
    seed = chosen_seed()
    print(f"STATEFUL_SEED={seed}")  # noqa: T201 - shown if the test fails
    total = run(place, folder, chosen(), seed)
    record_property("histories", json.dumps(total.to_document()))
