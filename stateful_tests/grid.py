"""Every fault at every effect of every operation, and a rival at every effect of every operation.

A row of the grid is one operation of one process in one kind of weather; its cells are the effects
at which that may strike. A row ends with the first cell in which nothing strikes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import count, product
from typing import Final, NamedTuple

from stateful_tests.deployment import HABITS
from stateful_tests.forecast import KINDS, Forecast
from stateful_tests.machine import WHENS, History, Pause
from stateful_tests.sketches import RIVALRIES, Rival, Sketch


class Operation(NamedTuple):
    """An operation of the grid, `hours` after the beginning and so many sweeps.

    In the beginning there are, by name, a bounty completed, one claimed, one open and a draft, a
    handoff that waits for a reviewer and one that is delivered to a tester.
    """

    sketch: Sketch
    hours: float = 0.0
    sweeps: int = 0


_EVERYWHERE: Final = (
    Operation(Sketch("contribute", choice=1)),
    Operation(Sketch("contribute", agent=2, relations=(("reviews", 0),), key=0)),
    Operation(Sketch("grant", key=0)),
    Operation(Sketch("create_bounty", agent=4, key=0)),
    Operation(Sketch("claim", agent=1, pick=1, key=0)),
    Operation(Sketch("claim", agent=1)),
    Operation(Sketch("claim_bounty", agent=2, key=0)),
)
"""Operations that processes of all habits make."""

_SOMEWHERE: Final = (
    Operation(Sketch("settle_bounty", agent=4)),
    Operation(Sketch("settle_bounty", agent=4, pick=1, key=0)),
    Operation(Sketch("cancel_bounty", pick=1)),
    Operation(Sketch("cancel_bounty", pick=2, key=0)),
    Operation(Sketch("release_bounty", key=0)),
    Operation(Sketch("complete_bounty", key=0)),
    Operation(Sketch("open_bounty", key=0)),
    Operation(Sketch("draft_bounty", agent=4, key=0)),
    Operation(Sketch("transfer", key=0)),
    Operation(Sketch("heartbeat")),
    Operation(Sketch("release", key=0)),
    Operation(Sketch("complete", pick=1, key=0)),
    Operation(Sketch("pick_up", agent=2, key=0)),
    Operation(Sketch("pick_up", agent=3), hours=0.2),
    Operation(Sketch("acknowledge", key=0)),
    Operation(Sketch("dead_letter", key=0)),
    Operation(Sketch("contribute", agent=3, relations=(("reviews", 0),))),
    Operation(Sketch("sweep"), hours=0.9),
    Operation(Sketch("sweep"), hours=30.5),
    Operation(Sketch("sweep"), hours=30.5, sweeps=1),
    Operation(Sketch("sweep"), hours=2.0, sweeps=3),
    Operation(Sketch("sweep", choice=3), hours=2.0, sweeps=5),
)
"""Operations that differ from these in what they plan alone: each with one process."""

_UNLIKE_KINDS: Final = (
    "dies before",
    "dies after",
    "unreachable",
    "disk full",
    "time-out without effect",
    "time-out with effect",
    "late",
    "duplicate",
)
_UNLIKE_RIVALRIES: Final = ("the same", "by another")

_OTHER: Final = Sketch("contribute", agent=4, relations=(("responds_to", 0),))
_SECONDS: Final = 10.0
_STOPPABLE: Final = [slot for slot, habits in enumerate(HABITS) if habits.lag == 1]


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
            history.meets_foreigner = False
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
    for slot in slots:
        for operation in _EVERYWHERE:
            yield from _in_weather(slot, operation, KINDS)
        for operation in _SOMEWHERE[slot :: len(HABITS)]:
            yield from _in_weather(slot, operation, _UNLIKE_KINDS)
        if slot in _STOPPABLE:
            for operation in _EVERYWHERE:
                yield from _with_rivals(slot, operation, RIVALRIES)
            for operation in _SOMEWHERE[slot :: len(_STOPPABLE)]:
                yield from _with_rivals(slot, operation, _UNLIKE_RIVALRIES)


def _in_weather(slot: int, operation: Operation, kinds: Sequence[str]) -> Iterator[Row]:
    for kind in kinds:
        name = f"{operation}, process {slot}, {kind}"
        yield Row(
            name,
            partial(_call, slot=slot, operation=operation, kind=kind),
            partial(_call_again, slot=slot),
        )


def _with_rivals(slot: int, operation: Operation, rivalries: Sequence[str]) -> Iterator[Row]:
    # Who decides in one append is never seen undecided, dead or alive.
    deaths = (False,) if HABITS[slot].one_append else (False, True)
    for rivalry, when, looks_dead in product(rivalries, WHENS, deaths):
        rival = Rival(rivalry, _OTHER)
        name = f"{operation}, process {slot}, {rival}, {when}, looks dead: {looks_dead}"
        pause = Pause(0, when, _SECONDS, looks_dead)
        yield Row(
            name,
            partial(_race, slot=slot, operation=operation, rival=rival, pause=pause),
            partial(_call_again, slot=slot),
        )


def _call(history: History, at: int, *, slot: int, operation: Operation, kind: str) -> None:
    _prepare(history, slot, operation)
    history.call(slot=slot, sketch=operation.sketch, faults=[Forecast(kind, at)])


def _race(
    history: History, at: int, *, slot: int, operation: Operation, rival: Rival, pause: Pause
) -> None:
    _prepare(history, slot, operation)
    pause = pause._replace(at=at)
    history.race(slot=slot, other=1, sketch=operation.sketch, rival=rival, pause=pause, faults=[])


def _prepare(history: History, slot: int, operation: Operation) -> None:
    if operation.hours:
        history.pass_time(operation.hours * 3600)
    for _ in range(operation.sweeps):
        history.call(slot=slot, sketch=Sketch("sweep"), faults=[])
        history.every_promise_is_kept()


def _call_again(history: History, *, slot: int) -> None:
    if history.is_in_doubt:
        history.ask_outcome(slot=slot, nth=0)
    history.ask_again(slot=slot, nth=0, faults=[])
