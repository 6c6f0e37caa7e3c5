"""Every fault at every effect of every operation, and a rival at every effect of every operation.

A row of the grid is one operation of one process in one kind of weather; its cells are the effects
at which that may strike. A row ends with the first cell in which nothing strikes.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count, product
from typing import Final, NamedTuple

from stateful_tests.deployment import HABITS
from stateful_tests.forecast import KINDS, Forecast
from stateful_tests.machine import WHENS, History, Pause
from stateful_tests.sketches import RIVALRIES, Rival, Sketch

OPERATIONS: Final = (
    Sketch("contribute", choice=1),
    Sketch("contribute", agent=2, relations=(("reviews", 0),), key=0),
    Sketch("grant", key=0),
    Sketch("create_bounty", agent=4, key=0),
    Sketch("claim", agent=1, pick=1, key=0),
    Sketch("claim", agent=1),
    Sketch("claim_bounty", agent=2, key=0),
)
_OTHER: Final = Sketch("contribute", agent=4, relations=(("responds_to", 0),))
_SECONDS: Final = 10.0


class Row(NamedTuple):
    """One row; `play` has a history go through the cell of an effect, `calm` through it again."""

    name: str
    play: Callable[[History, int], object]
    calm: Callable[[History], object]

    def run(self, new_history: Callable[[], History]) -> int:
        """Play every cell, each in a history of its own; how many there were.

        Raises what the first that fails raises.
        """
        for at in count():
            history = new_history()
            try:
                self.play(history, at)
                history.every_promise_is_kept()
                has_struck = bool(history.tally.faults)
                self.calm(history)
                history.every_promise_is_kept()
            except BaseException as error:
                error.add_note("\n".join((f"{self.name}, at {at}:", *history.story)))
                raise
            finally:
                history.teardown()
            if not has_struck:
                return at
        raise AssertionError("no row is endless")


def rows(slots: Iterable[int] = range(len(HABITS))) -> Iterator[Row]:
    """The grid, or what of it the processes in these slots do."""
    for slot, sketch in product(slots, OPERATIONS):
        calm = partial(_call, slot=slot, sketch=sketch)
        for kind in KINDS:
            name = f"{sketch}, process {slot}, {kind}"
            yield Row(name, partial(_call, slot=slot, sketch=sketch, kind=kind), calm)
        if HABITS[slot].lag == 1:
            # Who decides in one append is never seen undecided, dead or alive.
            deaths = (False,) if HABITS[slot].one_append else (False, True)
            for rivalry, when, looks_dead in product(RIVALRIES, WHENS, deaths):
                rival = Rival(rivalry, _OTHER)
                name = f"{sketch}, process {slot}, {rival}, {when}, looks dead: {looks_dead}"
                pause = Pause(0, when, _SECONDS, looks_dead)
                play = partial(_race, slot=slot, sketch=sketch, rival=rival, pause=pause)
                yield Row(name, play, calm)


def _call(
    history: History, at: int = 0, *, slot: int, sketch: Sketch, kind: str | None = None
) -> None:
    faults = [] if kind is None else [Forecast(kind, at)]
    history.call(slot=slot, sketch=sketch, faults=faults)


def _race(
    history: History, at: int, *, slot: int, sketch: Sketch, rival: Rival, pause: Pause
) -> None:
    history.race(
        slot=slot, other=1, sketch=sketch, rival=rival, pause=pause._replace(at=at), faults=[]
    )
