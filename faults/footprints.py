"""What each step of a process touches, and so which steps of two processes commute.

Two steps of unlike processes are independent if neither writes what the other touches: in either
order they lead to the same state, and neither lets or keeps the other from happening. It is the
independence relation that partial-order reduction rests on (Godefroid 1996, chapter 3).
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from faults.schedule import Effect
from faults.weather import place_of, verb_of
from faults.wrappers import COORDINATORS, JOURNAL

TURN: Final = "turn"
"""The right to decide in the journal: whoever is in the middle of an append has it."""


class Footprint(NamedTuple):
    """The places that a step reads, and those that it writes."""

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()

    def conflicts(self, other: "Footprint") -> bool:
        """Whether the order of this step and one of another process may matter."""
        return not (
            self.writes.isdisjoint(other.writes)
            and self.writes.isdisjoint(other.reads)
            and self.reads.isdisjoint(other.writes)
        )


NOTHING: Final = Footprint()


def reading(*places: str) -> Footprint:
    """The footprint of a step that reads these places and writes nowhere."""
    return Footprint(reads=frozenset(places))


def writing(*places: str) -> Footprint:
    """The footprint of a step that writes to these places."""
    return Footprint(writes=frozenset(places))


_WAITS: Final = frozenset({JOURNAL, COORDINATORS})
_APPENDS: Final = writing(JOURNAL, TURN)
_VERBS: Final[Mapping[str, Footprint]] = {
    # What a process has asked for is nobody else's to see before it leaves.
    "decide": NOTHING,
    **dict.fromkeys(
        ("hold", "leave", "abort", "finish", "note", "intervene", "discard", "flush", "forget"),
        _APPENDS,
    ),
}


class Footprints:
    """The footprints of the effects and reads that `faults.wrappers` tell of.

    Forcing and trimming are told as touching nothing: a process that dies, unlike a power cut,
    takes with it nothing that was written.

    Args:
        readers_wait: whether the journal's reads wait while somebody decides.
        release_is_private: whether `release` only notes in its own process that keys are free.
    """

    def __init__(self, *, readers_wait: bool, release_is_private: bool) -> None:
        turn = [TURN] if readers_wait else []
        self._looks = {JOURNAL: reading(JOURNAL, *turn)}
        self._release = (
            NOTHING if release_is_private else Footprint(frozenset(turn), frozenset({JOURNAL}))
        )
        # Who only enters has written nothing yet that a reader could see.
        only_enters = Footprint(frozenset({JOURNAL}), frozenset({TURN}))
        self._enters = _APPENDS if readers_wait else only_enters

    def of_effect(self, effect: Effect) -> Footprint:
        """What an effect touches. Raises KeyError for one that is not known."""
        verb = verb_of(effect)
        match verb:
            case "hold" if effect.enters:
                return self._enters
            case "release":
                return self._release
            case "validate":
                return reading(place_of(effect))
            case "apply" | "together":
                return writing(place_of(effect))
            case "force" | "trim":
                return NOTHING
        return _VERBS[verb]

    def of_look(self, place: str) -> Footprint:
        """What a read of a place touches."""
        return self._looks.get(place) or reading(place)

    @staticmethod
    def of_wait() -> Footprint:
        """What ends a wait for a live holder of a key: its decision, or its death."""
        return Footprint(reads=_WAITS)

    @staticmethod
    def of_death(places: frozenset[str]) -> Footprint:
        """What the death of a process touches that leaves these places in doing so."""
        return Footprint(writes=places | {COORDINATORS})
