"""Running random histories on a placement."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import seed as seeded
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from stateful_tests.beginning import begin
from stateful_tests.machine import History
from stateful_tests.tally import Tally
from tests.kinds.placement import Layout


def histories(layout: Layout, folder: Path, total: Tally) -> type[History]:
    """A class that makes random histories on one deployment, each from the beginning.

    Args:
        layout: where journal and stores are.
        folder: an empty folder.
        total: where their counts are added.
    """
    original, copy = (layout.place(_made(folder / name)) for name in ("original", "copy"))
    beginning = begin(original)

    class Here(History):
        def __init__(self) -> None:
            super().__init__(original, copy, beginning, total)

    Here.__name__ = f"History_{layout.name.replace('-', '_')}"
    return Here


def run(
    layout: Layout, folder: Path, profile: settings, seed: int, total: Tally | None = None
) -> Tally:
    """Random histories, drawn from a seed; what they covered, added to `total`.

    Raises what the first of them that fails, made as short as possible, raises.
    """
    total = Tally() if total is None else total
    with quiet():
        history = seeded(seed)(histories(layout, folder, total))
        run_state_machine_as_test(history, settings=profile)
    return total


@contextmanager
def quiet() -> Iterator[None]:
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
