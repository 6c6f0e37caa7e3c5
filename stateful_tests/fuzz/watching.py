"""What processes do, effect by effect, as a deployment's watcher is told it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from faults.schedule import Effect, Fault, When
from faults.weather import Struck, place_of, verb_of
from stateful_tests.tally import Tally

What = Literal["step", "begin", "effect", "done", "fault", "end", "note"]


class Event(NamedTuple):
    """One thing that happened, as sequence diagrams show it.

    `slot` is the process, None for the world around them; `place` is where an effect is; `number`
    tells effects of one process apart.
    """

    what: What
    text: str
    slot: int | None = None
    place: str = ""
    number: int = 0


@dataclass
class _Eye:
    """Sees every effect of one attempt."""

    watch: "Watch"
    slot: int
    operation: str
    first: int

    def strike(self, effect: Effect, when: When) -> None:
        """Notes it. Raises nothing."""
        self.watch.see(self, effect, when)


class Watch:
    """A `Watcher` that counts what each operation does, and can keep all that happens.

    Args:
        tally: where effects are counted.
        is_kept: whether `events` are kept.

    Attributes:
        events: everything that happened, in order.
        operation: what was attempted last, but for what a rival did meanwhile and for openings.
    """

    def __init__(self, tally: Tally, *, is_kept: bool = False) -> None:
        self._tally = tally
        self._is_kept = is_kept
        self._under_way: list[_Eye] = []
        self.events: list[Event] = []
        self.operation: str | None = None

    def begin(self, slot: int, operation: str, first: int) -> Fault:
        """As `Watcher.begin`."""
        if not self._under_way:
            self.operation = operation
        self._under_way.append(_Eye(self, slot, operation, first))
        self._keep(Event("begin", operation, slot))
        return self._under_way[-1]

    def see(self, eye: _Eye, effect: Effect, when: When) -> None:
        """An effect is about to happen, or has happened."""
        if when == "before":
            self._tally.effects[
                eye.operation, eye.slot, effect.number - eye.first, effect.name
            ] += 1
            name = verb_of(effect) if place_of(effect) in effect.name else effect.name
            self._keep(Event("effect", name, eye.slot, place_of(effect), effect.number))
        else:
            self._keep(Event("done", "", eye.slot, place_of(effect), effect.number))

    def end(self, slot: int, line: str, struck: Sequence[Struck]) -> None:
        """As `Watcher.end`."""
        self._under_way.pop()
        for fault in struck:
            if fault.struck is not None:
                kind = getattr(fault, "kind", str(fault))
                where = place_of(fault.struck)
                self._keep(Event("fault", kind, slot, where, fault.struck.number))
        self._keep(Event("end", line, slot))

    def tell(self, event: Event) -> None:
        """Keep what happened outside the processes."""
        self._keep(event)

    def _keep(self, event: Event) -> None:
        if self._is_kept:
            self.events.append(event)
