"""What a search has covered, out of what there is to cover."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

from faults.schedule import Crash, Effect, Fault, Schedule, When
from faults.weather import TROUBLES, Death, Outage, Post, place_of
from grove_sm.domain.errors import StoreUnavailable
from grove_sm.lifecycles import LIFECYCLES, Lifecycle
from stateful_tests.forecast import KINDS, OUTAGES, Forecast
from stateful_tests.fuzz.steps import RULES
from stateful_tests.process import Clock
from stateful_tests.tally import Tally, transitions_of

OUTAGE_KINDS: Final = tuple(f"outage: {trouble}" for trouble in OUTAGES)
AIMED_KINDS: Final = (*KINDS, *OUTAGE_KINDS)
"""Every kind of fault that is drawn; others happen in places of their own."""


class Cell(NamedTuple):
    """An operation, an effect of it, and a kind of fault that strikes there."""

    operation: str
    effect: str
    kind: str


@cache
def can_strike(kind: str, effect: str) -> bool:
    """Whether a fault of this kind can strike at this effect. The fault itself is asked."""
    at = Effect(0, effect)
    fault: Fault
    if kind in OUTAGE_KINDS:
        fault = Outage(place_of(at), OUTAGES[OUTAGE_KINDS.index(kind)])
    else:
        fault = Forecast(kind, 0).fault(0, Post(), Clock())
    try:
        Schedule(fault).run(effect, lambda: None)
    except (Crash, StoreUnavailable):
        return True
    return getattr(fault, "struck", None) is not None


def kind_of(kind: str) -> str:
    """The name under which a drawn kind of fault is counted when it strikes."""
    return Forecast(kind, 0).fault(0, Post(), Clock()).kind


def side_of(kind: str) -> When | None:
    """On which side of an effect a counted kind of fault strikes; None if in its place."""
    name = kind.removeprefix("outage: ")
    if name in TROUBLES:
        return TROUBLES[name].when
    drawn = next((each for each in KINDS if kind_of(each) == kind), None)
    fault = None if drawn is None else Forecast(drawn, 0).fault(0, Post(), Clock())
    if isinstance(fault, Death):
        return fault.when
    return None if fault is None or hasattr(fault, "reroute") else "before"


def cells(tally: Tally) -> Mapping[Cell, int]:
    """How often what has struck where."""
    return {Cell(*name.split(" | ")): count for name, count in tally.cells.items()}


def effects(tally: Tally) -> Mapping[str, Sequence[str]]:
    """By operation its effects that have been seen, in the order in which they mostly come."""
    offsets: dict[str, dict[str, list[int]]] = {}
    for (operation, _, offset, effect), count in tally.effects.items():
        total = offsets.setdefault(operation, {}).setdefault(effect, [0, 0])
        total[0] += offset * count
        total[1] += count
    return {
        operation: sorted(found, key=lambda effect: (found[effect][0] / found[effect][1], effect))
        for operation, found in sorted(offsets.items())
    }


def besieged(tally: Tally) -> frozenset[str]:
    """The operations that faults have been drawn for."""
    return frozenset(
        operation
        for signature, operation in tally.operations
        if "faults" in RULES[signature.partition(" ")[0]].arguments
    )


def possible_cells(tally: Tally) -> frozenset[Cell]:
    """Every cell that can happen, as far as is known which operation has which effects."""
    aimed_at = besieged(tally)
    return frozenset(
        Cell(operation, effect, counted)
        for operation, names in effects(tally).items()
        for effect in names
        for kind, counted in _counted().items()
        if (kind in OUTAGE_KINDS or operation in aimed_at) and can_strike(kind, effect)
    )


@cache
def _counted() -> Mapping[str, str]:
    return {kind: kind if kind in OUTAGE_KINDS else kind_of(kind) for kind in AIMED_KINDS}


def columns() -> Sequence[str]:
    """The kinds of faults that are drawn, as they are counted, each once."""
    return list(dict.fromkeys(_counted().values()))


class Covered(NamedTuple):
    """How much of a lifecycle has been covered: (seen, of all)."""

    states: tuple[int, int]
    transitions: tuple[int, int]


def visits(lifecycle: Lifecycle[str], tally: Tally) -> Mapping[str, int]:
    """How often each state was come to; the initial one, how often it was left."""
    found = dict.fromkeys(lifecycle.states, 0)
    for trigger, source, to in lifecycle.moves:
        count = tally.transitions[lifecycle.name, source, trigger]
        found[to] += count
        if source == lifecycle.initial and source != to:
            found[source] += count
    return found


def covered(tally: Tally) -> Mapping[str, Covered]:
    """How much of each lifecycle has been covered."""
    return {
        lifecycle.name: Covered(
            (sum(map(bool, visits(lifecycle, tally).values())), len(lifecycle.states)),
            (
                sum(bool(tally.transitions[move]) for move in transitions_of(lifecycle)),
                len(lifecycle.moves),
            ),
        )
        for lifecycle in LIFECYCLES
    }
