"""Running random histories on a placement."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import seed as seeded
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from stateful_tests.beginning import begin
from stateful_tests.machine import History
from stateful_tests.tally import Tally
from tests.crash.placements import Placement

Place = Callable[[Path], Placement]


def run(place: Place, folder: Path, profile: settings, seed: int) -> Tally:
    """Random histories of one deployment after the other; what they covered.

    Args:
        place: the kind of placement.
        folder: an empty folder.
        profile: how many, and how long.
        seed: what they are drawn from.

    Raises what the first of them that fails, made as short as possible, raises.
    """
    original, copy = (place(_made(folder / name)) for name in ("original", "copy"))
    beginning, total = begin(original), Tally()

    class Here(History):
        def __init__(self) -> None:
            super().__init__(original, copy, beginning, total)

    Here.__name__ = f"History_{place.__name__}"
    with _quiet():
        run_state_machine_as_test(seeded(seed)(Here), settings=profile)
    return total


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's warnings, of which there are many when so much goes wrong."""
    log = logging.getLogger("grove_sm")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
