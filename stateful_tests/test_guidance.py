"""What is aimed goes where it has rarely been, and no two things of a diagram take one place."""

from collections import Counter
from collections.abc import Callable

import pytest

from grove_sm.lifecycles import LIFECYCLES, Lifecycle
from stateful_tests.forecast import Forecast
from stateful_tests.fuzz.coverage import can_strike, kind_of
from stateful_tests.fuzz.guidance import Aim, Aiming, Moment
from stateful_tests.fuzz.layered import Edge, lay_out
from stateful_tests.fuzz.steps import Step
from stateful_tests.machine import History, Pause
from stateful_tests.sketches import Sketch
from stateful_tests.tally import Tally

_SKETCH = Sketch("claim")
_EFFECTS = ("hold", "apply claims", "release")
_PICKS = range(0, 1 << 16, 97)


@pytest.fixture
def covered() -> Tally:
    """One operation, with three effects."""
    tally = Tally()
    tally.operations[Step("call", {"sketch": _SKETCH}).signature, "ClaimTarget"] = 5
    tally.operations[Step("race", {"sketch": _SKETCH}).signature, "ClaimTarget"] = 5
    for offset, effect in enumerate(_EFFECTS):
        tally.effects["ClaimTarget", 1, offset, effect] = 5
    return tally


def _faults(guide: Aiming, history: History) -> Counter[Forecast]:
    found = Counter[Forecast]()
    for pick in _PICKS:
        drawn = {"slot": 1, "sketch": _SKETCH, "faults": [Aim(pick)]}
        found.update(guide.settle(history, "call", drawn)["faults"])
    return found


def test_faults_are_aimed_at_what_they_have_rarely_met(
    covered: Tally, new_history: Callable[[], History]
) -> None:
    history = new_history()
    everywhere = _faults(Aiming(covered), history)
    assert {(fault.kind, fault.after) for fault in everywhere} == {
        (kind, offset)
        for kind in {fault.kind for fault in everywhere}
        for offset, effect in enumerate(_EFFECTS)
        if can_strike(kind, effect)
    }
    for fault in everywhere:
        if fault != Forecast("late", 1):
            counted = kind_of(fault.kind)
            covered.cells[f"ClaimTarget | {_EFFECTS[fault.after]} | {counted}"] = 1000
    del covered.cells["ClaimTarget | apply claims | late"]
    rare = _faults(Aiming(covered), history)
    assert rare[Forecast("late", 1)] + rare[Forecast("several late", 1)] > 0.9 * len(_PICKS)
    history.teardown()


def test_pauses_are_aimed_at_what_they_have_rarely_met(
    covered: Tally, new_history: Callable[[], History]
) -> None:
    history = new_history()
    for effect in ("hold", "release"):
        covered.cells[f"ClaimTarget | {effect} | another goes on"] = 1000
    guide = Aiming(covered)
    pause = Pause(9, "before", 5.0, looks_dead=True)
    found = Counter(
        guide.settle(history, "race", {"slot": 1, "sketch": _SKETCH, "pause": (pause, Aim(pick))})[
            "pause"
        ]
        for pick in _PICKS
    )
    assert {each._replace(at=9) for each in found} == {pause}
    assert found[pause._replace(at=1)] > 0.9 * len(_PICKS)
    history.teardown()


def test_what_is_not_known_yet_may_be_anything(new_history: Callable[[], History]) -> None:
    history = new_history()
    assert len(_faults(Aiming(Tally()), history)) > 100
    history.teardown()


@pytest.mark.parametrize("margin", [0.0, 0.001, -0.001])
def test_time_is_aimed_at_what_records_say(
    new_history: Callable[[], History], margin: float
) -> None:
    history = new_history()
    history.call(slot=0, sketch=Sketch("claim", pick=1, choice=1), faults=[])
    history.every_promise_is_kept()
    assert history.moments[0] == 5.0
    guide = Aiming(Tally())
    drawn = {"seconds": Moment(0, margin, 400.0)}
    assert guide.settle(history, "pass_time", drawn) == {"seconds": 5.0 + margin}
    history.pass_time(seconds=5.0)
    assert 0.0 not in history.moments
    history.teardown()


def test_what_is_not_aimed_is_left_as_it_is(
    covered: Tally, new_history: Callable[[], History]
) -> None:
    history = new_history()
    pause = Pause(3, "after", 0.0, looks_dead=False)
    drawn = {"slot": 1, "sketch": _SKETCH, "pause": pause, "faults": [Forecast("error", 2)]}
    assert Aiming(covered).settle(history, "race", drawn) == drawn
    assert Aiming(covered).settle(history, "pass_time", {"seconds": 5.0}) == {"seconds": 5.0}
    history.teardown()


@pytest.mark.parametrize("lifecycle", LIFECYCLES, ids=lambda lifecycle: lifecycle.name)
def test_a_diagram_has_room_for_everything(lifecycle: Lifecycle[str]) -> None:
    edges = [Edge((source, trigger), source, to) for trigger, source, to in lifecycle.moves]
    layout = lay_out(lifecycle.states, edges)
    loops = {edge.name for edge in edges if edge.source == edge.to}
    labels = [place for name, place in layout.labels.items() if name not in loops]
    taken = [*layout.nodes.values(), *labels]
    for place in taken:
        near = [
            other
            for other in taken
            if other.column == place.column and abs(other.row - place.row) < 0.999
        ]
        assert near == [place]
    for edge in edges:
        path = layout.paths[edge.name]
        assert (path[0], path[-1]) == (layout.nodes[edge.source], layout.nodes[edge.to])
        assert edge.name in loops or layout.labels[edge.name] in path
