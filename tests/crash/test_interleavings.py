"""Operations of two processes, in every order that makes a difference, with one death anywhere."""

import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Final

import pytest

from faults.interleave import Choice
from faults.wrappers import FaultyJournal
from grove_sm.commit.coordinator import Coordinator
from grove_sm.stores.memory import MemoryStore
from tests.counts import RecordProperty, counted
from tests.kinds.memory import MEMORY
from tests.kinds.params import with_layout
from tests.kinds.placement import EVERYWHERE, IN_MEMORY, LAYOUTS, ON_FILES, Layout

from .interleavings import VARIANTS, Interleavings, Variant
from .pairs import PAIRS, SMALL, Pair

ONE_APPEND, TWO_STEPS, IMPATIENT = VARIANTS
PAIR: Final = {pair.name: pair for pair in PAIRS}
CORE: Final = [
    PAIR[name]
    for name in (
        "claim, claim",
        "take over, take over",
        "release, claim",
        "contribute twice, one key",
        "contribute twice, no key",
    )
]

EVERY_TIME: Final = [
    PAIR[name]
    for name in (
        "claim, claim",
        "contribute twice, one key",
    )
]

Run = tuple[Pair, Layout, Variant]


def _runs() -> Iterator[Run]:
    for layout in LAYOUTS:
        if layout == IN_MEMORY:
            yield from product(PAIRS, [layout], [ONE_APPEND])
            yield from product(CORE, [layout], [TWO_STEPS, IMPATIENT])
        elif layout.is_quick:
            yield from product(CORE if layout.is_apart else CORE[:3], [layout], [_path(layout)])
        elif EVERYWHERE or (
            MEMORY in layout.kinds.values() and (layout.is_apart or layout.journal.is_quick)
        ):
            # The order of steps is the same on every kind; what a kind makes of them is in this.
            yield from product(CORE[:1], [layout], [_path(layout)])


def _path(layout: Layout) -> Variant:
    return ONE_APPEND if layout.is_apart else TWO_STEPS


RUNS: Final = list(_runs())
"""Every pair where it is quickest; those at the core of it, by every path and on every kind too.

A kind that is not quick is spared all but one, beside memory, or on every placement if asked for.
"""


def _is_long(pair: Pair, layout: Layout, variant: Variant) -> bool:
    return layout != IN_MEMORY or pair not in EVERY_TIME or variant == IMPATIENT


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pair", "variant", "layout"),
    [
        with_layout(
            layout,
            pair,
            variant,
            name=f"{pair.name}-{variant.name}",
            is_long=_is_long(pair, layout, variant),
        )
        for pair, layout, variant in RUNS
    ],
)
def test_every_interleaving_is_some_serial_order(
    pair: Pair, layout: Layout, variant: Variant, folder: Path, record_property: RecordProperty
) -> None:
    interleavings = Interleavings(pair, layout.place(folder), variant, deaths=pair.deaths)
    search = interleavings.search
    with counted(record_property, lambda: search.executions):
        interleavings.run()
    assert bool(search.crashed) == bool(pair.deaths)
    record_property("placement", layout.name)
    record_property("interleavings", search.executions)
    record_property("interleaved crashes", search.crashed)
    record_property("pruned", search.orders - search.executions)


@pytest.mark.parametrize("variant", [ONE_APPEND, TWO_STEPS], ids=lambda variant: variant.name)
@pytest.mark.parametrize(
    ("layout", "deaths"),
    [
        pytest.param(IN_MEMORY, 1, id="memory, with a death"),
        pytest.param(ON_FILES, 0, id="separate files", marks=pytest.mark.long),
    ],
)
def test_what_is_left_out_makes_no_difference(
    layout: Layout, deaths: int, variant: Variant, folder: Path
) -> None:
    reduced, everything = (
        Interleavings(
            SMALL,
            layout.place(Path(tempfile.mkdtemp(dir=folder))),
            variant,
            deaths=deaths,
            reduced=is_reduced,
        )
        for is_reduced in (True, False)
    )
    reduced.run()
    everything.run()
    assert reduced.outcomes == everything.outcomes
    assert len(reduced.outcomes) > 1
    # Not one is left out that is not equivalent to one that was run, and none is run twice.
    assert reduced.search.orders == everything.search.executions
    assert reduced.search.executions < everything.search.executions / 4


def test_the_same_choices_are_the_same_execution(folder: Path) -> None:
    interleavings = Interleavings(PAIR["claim, claim"], IN_MEMORY.place(folder), TWO_STEPS)
    told = []
    for text in ["A A A B B A A A crash-A B B B B B B B B B B B B B B B B B B"] * 2:
        execution = interleavings.replay([Choice.parse(word) for word in text.split()])
        told.append(list(map(str, execution.events)))
        assert str(execution) == text[: len(str(execution))]
    assert told[0] == told[1]
    assert "A: dies before decide commit" in told[0]


def test_a_missing_vote_is_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryStore, "validate", lambda *_: True)
    with pytest.raises(AssertionError) as failure:
        Interleavings(PAIR["claim, claim"], IN_MEMORY.place(folder), ONE_APPEND).run()
    assert any("interleaved as: A" in note for note in failure.value.__notes__)


def test_a_refusal_of_what_never_was_is_noticed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Coordinator, "_held_at_once", lambda *_: True)
    with pytest.raises(AssertionError, match="reserved must be at least 0"):
        Interleavings(PAIR["settle a bounty, cancel it"], IN_MEMORY.place(folder), ONE_APPEND).run()


def test_a_reader_that_does_not_settle_first_is_noticed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Coordinator, "_settle_committed", lambda *_: None)
    pair = PAIR["contribute, read every page"]
    with pytest.raises(AssertionError, match=r"no serial order|readers or recovery disagree"):
        Interleavings(pair, IN_MEMORY.place(folder), ONE_APPEND).run()


def test_a_dead_holder_that_nobody_aborts_is_noticed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FaultyJournal, "is_alive", lambda *_: True)
    with pytest.raises(AssertionError):
        Interleavings(PAIR["claim, claim"], IN_MEMORY.place(folder), TWO_STEPS).run()
