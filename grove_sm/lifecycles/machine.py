"""Runs the tables. The moves are made by `transitions`; each distinct one only once."""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from transitions import Machine, MachineError

from grove_sm.domain.errors import StateConflict
from grove_sm.lifecycles.tables import Lifecycle

S = TypeVar("S", bound=str)

Observer = Callable[[Lifecycle[str], str, str, str], None]
"""Is told of each move: lifecycle, source, trigger, destination."""

_observers: tuple[Observer, ...] = ()


class _Model:
    """What `transitions` moves about; it gives it a `state` and a `trigger` method."""

    state: str
    trigger: Callable[[str], bool]


@cache
def _destinations(lifecycle: Lifecycle[str]) -> dict[tuple[str, str], Any]:
    """Where each (state, trigger) leads: one machine, put into each state, given each trigger.

    A table does not change, so neither does this; firing a trigger costs a hundred times a look-up.
    """
    model = _Model()
    machine = Machine(
        model,
        states=list(lifecycle.states),
        initial=lifecycle.initial,
        transitions=[
            {"trigger": trigger, "source": source, "dest": to}
            for trigger, source, to in lifecycle.moves
        ],
        auto_transitions=False,
    )
    triggers = {trigger for trigger, _, _ in lifecycle.moves}
    found = {}
    for state in lifecycle.states:
        for trigger in triggers:
            machine.set_state(state)
            try:
                model.trigger(trigger)
            except MachineError:
                continue
            found[state, trigger] = model.state
    return found


def advance(lifecycle: Lifecycle[S], state: str, trigger: str, *, record: str = "") -> S:
    """The state that a trigger leads to from this one.

    Raises StateConflict, on `record`, if the lifecycle has no such move.
    """
    destination: S | None = _destinations(lifecycle).get((state, trigger))
    if destination is None:
        raise StateConflict(
            record=record or f"a {lifecycle.name}", reason=_explain(lifecycle, state, trigger)
        )
    for observer in _observers:
        observer(lifecycle, state, trigger, destination)
    return destination


def _explain(lifecycle: Lifecycle[str], state: str, trigger: str) -> str:
    if state not in lifecycle.states:
        return f"{state!r} is not a state of the {lifecycle.name} lifecycle"
    legal = legal_triggers(lifecycle, state)
    return f"the {lifecycle.name} lifecycle has no move {trigger!r} from {state!r}; " + (
        f"from there it has {', '.join(legal)}" if legal else "that state is final"
    )


def legal_triggers(lifecycle: Lifecycle[str], state: str) -> tuple[str, ...]:
    """What can happen in a state, in the table's order; nothing in a final one."""
    return tuple(trigger for trigger, source, _ in lifecycle.moves if source == state)


def observe(observer: Observer) -> Callable[[], None]:
    """Have `observer` told of every move made from now on. Returns what ends that."""
    global _observers  # noqa: PLW0603 - replaced as a whole, so that `advance` needs no lock
    _observers = (*_observers, observer)

    def unsubscribe() -> None:
        global _observers  # noqa: PLW0603
        _observers = tuple(kept for kept in _observers if kept is not observer)

    return unsubscribe
