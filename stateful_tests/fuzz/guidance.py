"""Draws more often what has rarely happened.

Three things are aimed. Each is a share of the draws; the rest are as the rules say.

- **Faults and pauses** at the effects of the operation that is asked for, the more likely the
  rarer that operation, effect and kind of fault have met. Which effects an operation has, and
  after how many others, is learned from what has been watched.
- **Time** passes up to a moment that stands in a record, such as the end of a lease: to the very
  millisecond, just before it, or just after.
- **Races** are drawn as a rule more, all of whose pauses are aimed.

What is aimed is settled when a step is taken, and recorded as what it came to.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st

from stateful_tests.forecast import KINDS, Forecast
from stateful_tests.fuzz.coverage import can_strike, kind_of
from stateful_tests.fuzz.recording import Strategies
from stateful_tests.fuzz.steps import Step
from stateful_tests.machine import History, Pause
from stateful_tests.tally import Tally

_FINENESS: Final = 1 << 16
_ANYWHERE: Final = 13
_RIVAL: Final = "another goes on"
_MARGINS: Final = (0.0, 0.001, -0.001)
_AIMED_RACE: Final = "race_where_it_is_rare"


@dataclass(frozen=True)
class Aim:
    """Stands for a fault or an offset: at `pick` / 65536 of all there is, by weight."""

    pick: int


@dataclass(frozen=True)
class Moment:
    """Stands for a time: the `nth` that a record holds, and seconds before or after it."""

    nth: int
    margin: float
    otherwise: float


class _Choice(NamedTuple):
    """Things to choose from, with the running total of their weights."""

    things: Sequence[Any]
    totals: Sequence[float]

    def at(self, pick: int) -> Any:
        """The thing at `pick` / 65536 of the total weight."""
        index = bisect_right(self.totals, pick / _FINENESS * self.totals[-1])
        return self.things[min(index, len(self.things) - 1)]


def _choice(weights: Mapping[Any, float]) -> _Choice | None:
    return _Choice(list(weights), list(accumulate(weights.values()))) if weights else None


class Aiming:
    """A guide that knows what has been covered before its histories began."""

    more: Mapping[str, str] = {_AIMED_RACE: "race"}

    def __init__(self, covered: Tally) -> None:
        self._cells = covered.cells
        self._offsets = _offsets(covered)
        self._operations = _operations(covered)
        self._faults = cache(self._weigh_faults)
        self._pauses = cache(self._weigh_pauses)

    def strategies(self, name: str, strategies: Strategies) -> Strategies:
        """As `Guide.strategies`."""
        aimed = dict(strategies)
        if "faults" in aimed:
            aimed["faults"] = aimed["faults"] | st.lists(_aims, min_size=1, max_size=2)
        if "pause" in aimed:
            placed = st.tuples(aimed["pause"], _aims)
            aimed["pause"] = placed if name == _AIMED_RACE else aimed["pause"] | placed
        if "seconds" in aimed:
            moments = st.builds(
                Moment, st.integers(0, 7), st.sampled_from(_MARGINS), aimed["seconds"]
            )
            aimed["seconds"] = aimed["seconds"] | moments
        return aimed

    def settle(
        self, history: History, name: str, arguments: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """As `Guide.settle`."""
        settled = dict(arguments)
        slot = arguments.get("slot", 0)
        operation = self._operations.get(Step(name, arguments).signature, "")
        if "faults" in settled:
            settled["faults"] = [
                self._fault(slot, operation, fault.pick) if isinstance(fault, Aim) else fault
                for fault in settled["faults"]
            ]
        pause = settled.get("pause")
        if pause is not None and not isinstance(pause, Pause):
            placed, aim = pause
            settled["pause"] = placed._replace(at=self._offset(slot, operation, aim.pick))
        seconds = settled.get("seconds")
        if isinstance(seconds, Moment):
            moments = history.moments
            settled["seconds"] = (
                round(moments[seconds.nth % len(moments)] + seconds.margin, 3)
                if moments
                else seconds.otherwise
            )
        return settled

    def _fault(self, slot: int, operation: str, pick: int) -> Forecast:
        choice = self._faults(slot, operation)
        if choice is None:
            return Forecast(KINDS[pick % len(KINDS)], pick // len(KINDS) % _ANYWHERE)
        forecast: Forecast = choice.at(pick)
        return forecast

    def _offset(self, slot: int, operation: str, pick: int) -> int:
        choice = self._pauses(slot, operation)
        offset: int = pick % _ANYWHERE if choice is None else choice.at(pick)
        return offset

    def _weigh_faults(self, slot: int, operation: str) -> _Choice | None:
        found = self._offsets.get((slot, operation), {})
        return _choice(
            {
                Forecast(kind, offset): self._rarity(operation, effect, kind_of(kind))
                for offset, effect in found.items()
                for kind in KINDS
                if can_strike(kind, effect)
            }
        )

    def _weigh_pauses(self, slot: int, operation: str) -> _Choice | None:
        found = self._offsets.get((slot, operation), {})
        return _choice(
            {offset: self._rarity(operation, effect, _RIVAL) for offset, effect in found.items()}
        )

    def _rarity(self, operation: str, effect: str, kind: str) -> float:
        return 1.0 / (1.0 + self._cells[f"{operation} | {effect} | {kind}"])


_aims: Final = st.builds(Aim, st.integers(0, _FINENESS - 1))


def _offsets(covered: Tally) -> Mapping[tuple[int, str], Mapping[int, str]]:
    """By process and operation what the effect after so many others mostly is."""
    counts: dict[tuple[int, str], dict[int, Counter[str]]] = {}
    for (operation, slot, offset, effect), count in sorted(covered.effects.items()):
        found = counts.setdefault((slot, operation), {})
        found.setdefault(offset, Counter())[effect] += count
    return {
        place: {offset: names.most_common(1)[0][0] for offset, names in found.items()}
        for place, found in counts.items()
    }


def _operations(covered: Tally) -> Mapping[str, str]:
    """By a step's signature what it mostly attempts."""
    found: dict[str, tuple[int, str]] = {}
    for (signature, operation), count in sorted(covered.operations.items()):
        found[signature] = max(found.get(signature, (0, "")), (count, operation))
    return {signature: operation for signature, (_, operation) in found.items()}
