"""A run's effects, numbered in the order in which they happen, and the faults that meet them."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from grove_sm.domain.errors import StoreUnavailable

T = TypeVar("T")

When = Literal["before", "after"]


class Effect(NamedTuple):
    """One call that may change something outside its process: which of the run, and its name.

    With `enters`, the journal lets nobody else decide until the matching `leave`.
    """

    number: int
    name: str
    enters: bool = False

    def __str__(self) -> str:
        return f"effect {self.number}, {self.name}"


class Crash(BaseException):
    """The process died here.

    No handler of the library may catch it, as none would run after a SIGKILL. What the wrapped
    code does on its way out reaches nothing: every later effect of the schedule crashes too.
    """


class NoAnswer(StoreUnavailable):
    """A call was not answered: it took effect or it did not, and its caller cannot tell."""


class Fault(Protocol):
    """Something that goes wrong at an effect; its text says what, where and when."""

    def strike(self, effect: Effect, when: When) -> None:
        """Called before and after each effect: return, wait, or raise what the caller is to meet.

        Raises Crash for the death of the process.
        """


class Detour(Protocol):
    """A fault that decides itself what becomes of a call: dropped, kept for later, made twice."""

    def reroute(self, effect: Effect, call: Callable[[], T]) -> Callable[[], T]:
        """The call to make in place of this one, which may be this one."""


class Blackout(Protocol):
    """A fault that reads meet too, although they are no effects."""

    def darken(self, place: str) -> None:
        """Called before each read of a store, by its label, of the `journal`, or of who lives
        (`coordinators`); as `strike`."""


class Schedule:
    """The faults of one simulated process, and a record of the effects it has had.

    Without faults it only records. Threads may share one.

    Attributes:
        effects: every effect that has begun, in order.
    """

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        self.effects: list[Effect] = []
        self._is_dead = False
        self._lock = threading.Lock()

    def __str__(self) -> str:
        return "; ".join(map(str, self.faults)) or "no fault"

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What strikes, in this order."""
        return self._faults

    @faults.setter
    def faults(self, faults: tuple[Fault, ...]) -> None:
        # Asked at every effect and every read, of which there are very many.
        self._faults = faults
        self._detours: list[Detour] = _those_with("reroute", faults)
        self._blackouts: list[Blackout] = _those_with("darken", faults)

    @property
    def names(self) -> Sequence[str]:
        """The names of the effects, in order."""
        return [effect.name for effect in self.effects]

    def begin(self, name: str, *, enters: bool = False) -> Effect:
        """Number an effect that is about to happen. Raises what its faults raise."""
        with self._lock:
            effect = Effect(len(self.effects), name, enters)
            self.effects.append(effect)
        self._strike(effect, "before")
        return effect

    def end(self, effect: Effect) -> None:
        """Note that an effect has happened. Raises what its faults raise."""
        self._strike(effect, "after")

    def run(self, name: str, call: Callable[[], T]) -> T:
        """Make a call that is an effect, in the way its faults leave open."""
        effect = self.begin(name)
        for detour in self._detours:
            call = detour.reroute(effect, call)
        answer = call()
        self.end(effect)
        return answer

    def look(self, place: str) -> None:
        """Note a read of a place. Raises what its faults raise."""
        if self._is_dead:
            raise Crash(f"dead, yet reading {place}")
        for blackout in self._blackouts:
            blackout.darken(place)

    @contextmanager
    def around(self, name: str) -> Iterator[None]:
        """An effect that the block is the whole of."""
        effect = self.begin(name)
        yield
        self.end(effect)

    def _strike(self, effect: Effect, when: When) -> None:
        if self._is_dead:
            raise Crash(f"dead since before {effect}")
        try:
            for fault in self.faults:
                fault.strike(effect, when)
        except Crash:
            self._is_dead = True
            raise


def _those_with(method: str, faults: tuple[Fault, ...]) -> list[Any]:
    return [fault for fault in faults if hasattr(fault, method)]
