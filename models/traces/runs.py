"""Recorded runs of the stateful suite: random histories, crashes and all, each with its trace."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from blake3 import blake3
from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis.stateful import run_state_machine_as_test

from grove_sm.tracing import Line
from stateful_tests.machine import History
from stateful_tests.running import histories, quiet
from stateful_tests.tally import Tally
from stateful_tests.tape import Tape
from stateful_tests.walks import Step, walk, walks
from tests.kinds.placement import IN_MEMORY, LAYOUTS, Layout

_STEPS: Final = 30
_LARGEST_BATCH: Final = 25
_SHARE_OF_OTHERS: Final = 0.02
_SHARE_OF_TOLD: Final = 0.2
_FEWEST_OF_ALL_KINDS: Final = 8
_MOST_DRAWS: Final = 20
_DULL: Final = 2
"""The first histories that Hypothesis draws are the simplest, in which nothing happens."""

PLACES: Final[Mapping[str, Layout]] = {layout.name: layout for layout in LAYOUTS if layout.is_quick}
"""Where runs take place, by name."""

TOLD: Final = "told"
"""Instead of a place: histories that are told, not drawn, of which each makes some trouble."""


class Run(NamedTuple):
    """A run: what to call it, its trace, and what happened in words."""

    name: str
    lines: Sequence[Line]
    told: Sequence[str] = ()


class Draw(NamedTuple):
    """Runs in one place: how many, and what they are drawn from."""

    place: str
    seed: int
    size: int


Batch = tuple[Draw, ...]
"""Runs that are recorded and checked together."""


def batches(number: int, seed: int) -> list[Batch]:
    """So many runs, drawn from a seed: mostly in memory, some elsewhere, some that are told."""
    gathered: list[list[Draw]] = [[]]
    for draw in _draws(number, seed):
        if sum(each.size for each in gathered[-1]) + draw.size > _LARGEST_BATCH:
            gathered.append([])
        gathered[-1].append(draw)
    return [tuple(batch) for batch in gathered]


def _draws(number: int, seed: int) -> Iterator[Draw]:
    sizes = dict.fromkeys(PLACES, 0)
    if number >= _FEWEST_OF_ALL_KINDS:
        sizes = dict.fromkeys(PLACES, max(1, round(number * _SHARE_OF_OTHERS)))
        sizes[TOLD] = min(round(number * _SHARE_OF_TOLD), len(list(walks())))
    sizes[IN_MEMORY.name] = 0
    sizes[IN_MEMORY.name] = number - sum(sizes.values())
    for place, size in sizes.items():
        for left in range(size, 0, -_LARGEST_BATCH):
            drawn_from = Random(f"{seed}/{place}/{left}").getrandbits(32)
            yield Draw(place, drawn_from, min(left, _LARGEST_BATCH))


def record(draw: Draw) -> list[Run]:
    """Make runs, no two alike. The same draw always gives the same.

    Raises what the first run that fails raises: the reference model sees that something is wrong,
    and there is no need of a trace.
    """
    found: dict[bytes, Run] = {}
    with TemporaryDirectory(prefix="grove-traces-") as name, quiet():
        for run in _made(draw, Path(name)):
            found.setdefault(blake3(json.dumps(run.lines).encode()).digest(), run)
            if len(found) == draw.size:
                break
    return list(found.values())


def _made(draw: Draw, folder: Path) -> Iterator[Run]:
    if draw.place == TOLD:
        yield from _told(Random(draw.seed).sample(list(walks()), draw.size), folder)
        return
    for again in range(_MOST_DRAWS):
        within = folder / f"{again}"
        within.mkdir()
        yield from _drawn(draw, draw.seed + again, within)


def _told(chosen: Iterable[Sequence[Step]], folder: Path) -> list[Run]:
    runs: list[Run] = []
    traced = _traced(IN_MEMORY, folder, TOLD, runs)
    for steps in chosen:
        walk(traced(), steps)
    return runs


def _drawn(draw: Draw, seed: int, folder: Path) -> list[Run]:
    runs: list[Run] = []
    traced = _traced(PLACES[draw.place], folder, f"{draw.place}, seed {seed}", runs)
    profile = settings(
        max_examples=draw.size + _DULL,
        stateful_step_count=_STEPS,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seeded(seed)(traced), settings=profile)  # type: ignore[arg-type]
    return [run for run in runs if any(line.get("keys") for line in run.lines)]


def _traced(layout: Layout, folder: Path, name: str, runs: list[Run]) -> Callable[[], History]:
    """Histories that leave their traces in `runs`, if they come to their ends."""
    here: Any = histories(layout, folder, Tally())

    class Traced(here):  # type: ignore[misc]
        # Other software has no part in the specification.
        meets_foreigner = False

        def __init__(self) -> None:
            super().__init__()
            self._tape = Tape()
            self.keep(self._tape)

        def teardown(self) -> None:
            super().teardown()
            if self.tally.counts["histories"]:
                number = len(runs) + 1
                runs.append(Run(f"{name}, history {number}", self._tape.lines, list(self.story)))

    return Traced
