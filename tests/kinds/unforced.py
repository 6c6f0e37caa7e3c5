"""What a power cut may take of a placement: everything that was not forced (F2).

Power cuts of real files are another matter (`tests/power/`); here any kind can lose what its
contract lets it lose, in the middle of anything, between calls whose meaning is known.
"""

from collections.abc import Mapping
from typing import Any

from faults.schedule import Effect, When
from faults.weather import place_of, verb_of
from tests.kinds.placement import JOURNAL, Placement


class Unforced:
    """Follows what is forced, and has what is not lost.

    A store may lose all that was applied since it was forced, or all from some apply on; the
    journal may lose what followed its last decision to commit.
    """

    def __init__(self, placement: Placement) -> None:
        self._placement = placement
        self.forget()

    def forget(self) -> None:
        """Take all that there is for forced."""
        self._states: dict[str, list[Any]] = {
            label: [part.save()] for label, part in self._placement.parts.items()
        }

    def watch(self) -> "Watching":
        """What is to see the effects of one process, before any fault does."""
        return Watching(self)

    def cut(self, survivors: Mapping[str, int]) -> None:
        """Everybody has died. Of each part named here so many applies since a force are left."""
        for label, count in survivors.items():
            states = self._states[label]
            self._placement.parts[label].restore(states[min(count, len(states) - 1)])
        self.forget()

    def force(self, label: str) -> None:
        """A part is forced now."""
        self._states[label] = [self._placement.parts[label].save()]

    def apply(self, label: str) -> None:
        """Something has been applied to a store."""
        self._states[label].append(self._placement.parts[label].save())


class Watching:
    """One process's effects (the `Fault` protocol; nothing goes wrong)."""

    def __init__(self, unforced: Unforced) -> None:
        self._unforced = unforced
        self._commits = False

    def strike(self, effect: Effect, when: When) -> None:
        """Notes it."""
        if when == "before":
            return
        match verb_of(effect):
            case "decide":
                self._commits = effect.name == "decide commit"
            case "leave" if self._commits:
                self._unforced.force(JOURNAL)
                self._commits = False
            case "force":
                self._unforced.force(place_of(effect))
            case "apply" | "redo":
                self._unforced.apply(place_of(effect))
