"""The controller of interleavings and its partial-order reduction, on processes that are toys."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from math import comb

import pytest

from faults.footprints import Footprint, Footprints, reading, writing
from faults.interleave import (
    Choice,
    Choose,
    DeadlockError,
    Execution,
    Interleaving,
    Seat,
    Situation,
)
from faults.partial_order import Search, count_orders
from faults.schedule import Crash, Schedule

FOOTPRINTS = Footprints(readers_wait=True, release_is_private=False)


def process(log: list[str], effects: Sequence[str]) -> Callable[[Seat], None]:
    """A process that has these effects, and tells of each when it has happened."""

    def body(seat: Seat) -> None:
        schedule = Schedule(seat)
        seat.ready()
        for effect in effects:
            with schedule.around(effect):
                log.append(f"{seat.name}: {effect}")
        seat.answer()

    return body


def search(
    effects: Mapping[str, Sequence[str]], seen: list[tuple[str, ...]], *, reduced: bool, deaths: int
) -> Search:
    """What these processes do together; `seen` is told the order of effects of each execution."""

    def run(choose: Choose) -> Execution:
        log: list[str] = []
        bodies = {name: process(log, effects[name]) for name in effects}
        execution = Interleaving(FOOTPRINTS, deaths=deaths).run(bodies, choose)
        if execution.is_whole:
            seen.append(tuple(log))
        return execution

    found = Search(run, reduced=reduced)
    for _ in found:
        pass
    return found


def test_every_order_is_run_without_reduction() -> None:
    seen: list[tuple[str, ...]] = []
    effects = {"A": ["apply x", "apply x"], "B": ["apply x"]}
    found = search(effects, seen, reduced=False, deaths=0)
    # The answer at the end of each is a step too.
    assert found.executions == comb(5, 2) == len(seen)
    assert len(set(seen)) == comb(3, 1)


@pytest.mark.parametrize("deaths", [0, 1, 2])
@pytest.mark.parametrize(
    "effects",
    [
        {"A": ["apply x", "apply y"], "B": ["apply y", "apply x"]},
        {"A": ["validate x", "apply y"], "B": ["validate y", "apply x"]},
        {"A": ["apply x", "decide commit", "apply z"], "B": ["validate x", "apply y"]},
        {"A": ["hold", "apply x"], "B": ["apply x", "leave"]},
        {"A": ["apply x"], "B": ["apply x"], "C": ["validate x"]},
        {"A": ["apply x"], "B": ["apply y"], "C": ["validate x", "validate y"]},
    ],
    ids=str,
)
def test_one_execution_of_each_kind_is_run(
    effects: Mapping[str, Sequence[str]], deaths: int
) -> None:
    some: list[tuple[str, ...]] = []
    every: list[tuple[str, ...]] = []
    reduced = search(effects, some, reduced=True, deaths=deaths)
    everything = search(effects, every, reduced=False, deaths=deaths)
    assert reduced.orders == everything.executions
    assert reduced.executions < everything.executions
    assert {canonical(log) for log in some} == {canonical(log) for log in every}


def canonical(log: Sequence[str]) -> tuple[object, ...]:
    """An order of effects, but for the order of independent ones."""
    ordered = [
        (one, other)
        for one, other in combinations(log, 2)
        if one[0] == other[0] or ("apply" in one + other and one[-1] == other[-1])
    ]
    return (*sorted(log), *sorted(ordered))


def test_nobody_enters_an_append_of_another() -> None:
    def body(seat: Seat) -> None:
        schedule = Schedule(seat)
        seat.ready()
        schedule.end(schedule.begin("hold", enters=True))
        with schedule.around("leave"):
            pass

    def choose_last(situation: Situation) -> Choice:
        return [choice for choice in situation.choices() if not choice.dies][-1]

    execution = Interleaving(FOOTPRINTS).run({"A": body, "B": body}, choose_last)
    assert str(execution) == "B B A A"


def test_a_death_in_an_append_lets_others_enter() -> None:
    ended = []

    def body(seat: Seat) -> None:
        schedule = Schedule(seat)
        seat.ready()
        try:
            schedule.end(schedule.begin("hold", enters=True))
            with schedule.around("leave"):
                pass
        except Crash as crash:
            ended.append(str(crash))
            raise

    choices = iter(map(Choice.parse, ["A", "crash-A", "B", "B"]))
    execution = Interleaving(FOOTPRINTS).run({"A": body, "B": body}, lambda _: next(choices))
    assert execution.is_whole
    assert execution.is_crashed
    assert list(map(str, execution.events)) == [
        "A: hold",
        "A: dies before leave",
        "B: hold",
        "B: leave",
    ]
    assert ended == ["A dies before leave"]


def test_who_waits_for_each_other_is_noticed() -> None:
    def body(seat: Seat) -> None:
        schedule = Schedule(seat)
        seat.ready()
        with schedule.around("hold"):
            pass
        seat.sleep(1.0)

    with pytest.raises(DeadlockError, match="nobody can go on") as failure:
        Interleaving(FOOTPRINTS).run({"A": body, "B": body}, lambda s: next(iter(s.choices())))
    assert failure.value.__notes__ == ["interleaved as: A B"]


def test_what_a_process_raises_is_raised() -> None:
    def body(seat: Seat) -> None:
        seat.ready()
        seat.answer()
        raise ValueError("no such thing")

    with pytest.raises(ValueError, match="no such thing"):
        Interleaving(FOOTPRINTS).run({"A": body, "B": body}, lambda s: next(iter(s.choices())))


@pytest.mark.parametrize(
    ("one", "other", "conflict"),
    [
        (reading("x"), reading("x"), False),
        (reading("x"), writing("x"), True),
        (writing("x"), writing("x"), True),
        (writing("x"), writing("y"), False),
    ],
)
def test_steps_conflict_if_one_writes_what_the_other_touches(
    one: Footprint, other: Footprint, conflict: bool
) -> None:
    assert one.conflicts(other) is conflict
    assert other.conflicts(one) is conflict


def test_orders_are_counted() -> None:
    log: list[str] = []
    bodies = {"A": process(log, ["apply x"] * 3), "B": process(log, ["apply y"] * 4)}
    execution = Interleaving(FOOTPRINTS).run(bodies, lambda s: next(iter(s.choices())))
    assert count_orders(execution.events) == comb(9, 4)
