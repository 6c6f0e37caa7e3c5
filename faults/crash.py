"""The process dies between two effects."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from faults.schedule import Crash, Effect, When


class CrashPoint(NamedTuple):
    """The process dies just before an effect, or just after it."""

    effect: Effect
    when: When

    def __str__(self) -> str:
        return f"crash {self.when} {self.effect}"

    def strike(self, effect: Effect, when: When) -> None:
        """Raises Crash at the point.

        Raises AssertionError if the run had another effect there than the one that was recorded:
        it is then not repeatable, and its crash points mean nothing.
        """
        if effect.number != self.effect.number:
            return
        assert effect == self.effect, f"not repeatable: {effect} where {self.effect} was"
        if when == self.when:
            raise Crash(str(self))


def crash_points(effects: Sequence[Effect]) -> Iterator[CrashPoint]:
    """Every way in which a process with these effects can die between them."""
    for effect in effects:
        yield CrashPoint(effect, "before")
        yield CrashPoint(effect, "after")
