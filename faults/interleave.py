"""Several simulated processes in one, of which only one goes on at a time, in a chosen order.

Each process is a thread, with a schedule that its `Seat` is a fault of. Before every effect and
every read it stops; whoever stopped last asks which process is to go on until its own next stop.
So an execution is its sequence of choices, written `A A B crash-A B`, and the same choices are
the same execution. Nothing waits for real time: who would have to wait, for an append of another
process or for the decision of a live one, cannot be chosen before that has happened.

Works around any journal and stores that `faults.wrappers` are around. A process must not gather
transactions to apply them together, which would keep a store's lock from one step to the next.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self

from faults.footprints import NOTHING, TURN, Footprint, Footprints
from faults.schedule import Crash, Effect, When
from faults.weather import verb_of

_LONGEST: Final = 60.0
_MOST_EVENTS: Final = 5_000
_DEATHS: Final = "deaths left"
_CRASH: Final = "crash-"


class Choice(NamedTuple):
    """Which process goes on, or dies where it stands."""

    process: str
    dies: bool = False

    def __str__(self) -> str:
        return f"{_CRASH}{self.process}" if self.dies else self.process

    @classmethod
    def parse(cls, text: str) -> Self:
        """The choice that is written so."""
        return cls(text.removeprefix(_CRASH), text.startswith(_CRASH))


class Step(NamedTuple):
    """What a process does when it goes on: its name, what it touches, of which kind it is."""

    name: str
    footprint: Footprint
    is_look: bool = False
    is_wait: bool = False
    enters: bool = False
    wakes: bool = False

    def __str__(self) -> str:
        return self.name


class Situation(NamedTuple):
    """Where every process has stopped.

    Attributes:
        pending: what each process that has not ended is about to do.
        deciding: who is in the middle of an append, if anybody.
        in_vain: who would wait for something that has not changed since it looked.
        deaths_left: how many processes may still die.
    """

    pending: Mapping[str, Step]
    deciding: str | None = None
    in_vain: frozenset[str] = frozenset()
    deaths_left: int = 0

    def can_go_on(self, process: str) -> bool:
        """Whether a process would not have to wait for another one."""
        step = self.pending[process]
        if step.is_wait and process in self.in_vain:
            return False
        footprint = step.footprint
        needs_turn = TURN in footprint.writes or TURN in footprint.reads
        return self.deciding in (None, process) or not needs_turn

    def choices(self) -> dict[Choice, Footprint]:
        """Everything that may happen now, and what it touches; deaths last.

        A process dies before an effect, an answer or a wait. To die before a read is the same
        as to die after it, which is before whatever comes next: nobody else can tell.
        """
        found = {
            Choice(name): step.footprint
            for name, step in self.pending.items()
            if self.can_go_on(name)
        }
        if self.deaths_left:
            for name, step in self.pending.items():
                if not step.is_look:
                    found[Choice(name, dies=True)] = self._of_death(name)
        return found

    def after_death(self, process: str) -> "Situation":
        """Where the others stand once this one has died; nobody else has moved."""
        pending = {name: step for name, step in self.pending.items() if name != process}
        deciding = None if self.deciding == process else self.deciding
        return Situation(pending, deciding, frozenset(), self.deaths_left - 1)

    def _of_death(self, process: str) -> Footprint:
        left = {_DEATHS, TURN} if self.deciding == process else {_DEATHS}
        return Footprints.of_death(frozenset(left))


class Event(NamedTuple):
    """Something that has happened in an execution."""

    choice: Choice
    step: Step
    footprint: Footprint

    def __str__(self) -> str:
        return f"{self.choice.process}: {'dies before ' if self.choice.dies else ''}{self.step}"


@dataclass
class Execution:
    """One run of the processes together.

    Attributes:
        events: what happened, in order.
        is_whole: whether every process went on until it ended or died.
    """

    events: list[Event] = field(default_factory=list)
    is_whole: bool = False

    @property
    def choices(self) -> Sequence[Choice]:
        """What to choose to have the same again."""
        return [event.choice for event in self.events]

    @property
    def is_crashed(self) -> bool:
        """Whether a process died in it."""
        return any(event.choice.dies for event in self.events)

    def __str__(self) -> str:
        return " ".join(map(str, self.choices))


class DeadlockError(AssertionError):
    """Processes wait for each other for ever."""


Choose = Callable[[Situation], Choice | None]
"""Says what happens next; None to give the execution up."""


class Seat:
    """A process's place in an execution: a fault of its schedule, at which it stops."""

    def __init__(self, interleaving: "Interleaving", name: str) -> None:
        self._interleaving = interleaving
        self._footprints = interleaving.footprints
        self.name = name
        self.go = _closed_gate()
        self.is_dead = False
        self._is_ready = False
        self._has_decided = False

    def __str__(self) -> str:
        return f"interleaved as {self.name}"

    def ready(self) -> None:
        """The process has been prepared: from here on its steps are chosen."""
        self._interleaving.arrive(self, None)
        self._is_ready = True

    def strike(self, effect: Effect, when: When) -> None:
        """Stops before an effect. Raises Crash if the process is to die there."""
        if when == "before" and self._is_ready:
            footprint = self._footprints.of_effect(effect)
            verb = verb_of(effect)
            wakes = verb == "abort" or (verb == "leave" and self._has_decided)
            self._has_decided = verb == "decide" or (verb != "leave" and self._has_decided)
            self._stop(Step(effect.name, footprint, enters=effect.enters, wakes=wakes))

    def darken(self, place: str) -> None:
        """Stops before a read. Raises Crash if the process has died."""
        self._stop(Step(f"read {place}", self._footprints.of_look(place), is_look=True))

    def sleep(self, seconds: float) -> None:
        """In place of sleeping before another look: stops until there may be something new."""
        self._stop(Step("wait", self._footprints.of_wait(), is_wait=True))

    def answer(self) -> None:
        """The last step of a call, whose caller is about to be told. Raises Crash as `strike`."""
        self._stop(Step("answer", NOTHING))

    def _stop(self, step: Step) -> None:
        if self._is_ready:
            self._interleaving.arrive(self, step)


class Interleaving:
    """Runs processes together, once.

    Args:
        footprints: what their steps touch.
        deaths: how many of them may die.
    """

    def __init__(self, footprints: Footprints, *, deaths: int = 1) -> None:
        self.footprints = footprints
        self._situation = Situation({}, deaths_left=deaths)
        self._execution = Execution()
        self._failures: list[BaseException] = []
        self._is_given_up = False
        self._is_chosen = False
        self._back = _closed_gate()

    def run(
        self,
        bodies: Mapping[str, Callable[[Seat], None]],
        choose: Choose,
        *,
        before: Callable[[], object] = bool,
    ) -> Execution:
        """Run each body in a thread of its own, in the order that `choose` says.

        A body prepares its process, calls `Seat.ready`, does what it is there for, and lets go of
        everything when that raises Crash. They are prepared one after the other; then `before` is
        called; then each goes as far as its first step, and the choosing begins.

        Raises what a body raises, but for Crash; DeadlockError; TimeoutError if a step does not
        end.
        """
        self._choose = choose
        self._seats = {name: Seat(self, name) for name in bodies}
        threads = [
            threading.Thread(target=self._live, args=(seat, bodies[name]), daemon=True)
            for name, seat in self._seats.items()
        ]
        for thread in threads:
            thread.start()
            self._await()
        if not self._failures:
            before()
        for seat in self._seats.values():
            seat.go.release()
            self._await()
        self._is_chosen = True
        self._go_on()
        self._await()
        for thread in threads:
            thread.join(_LONGEST)
        if self._failures:
            raise self._failures[0]
        self._execution.is_whole = not self._is_given_up
        return self._execution

    def arrive(self, seat: Seat, step: Step | None) -> None:
        """Stop before a step until it is chosen, or return at once if it is the next.

        Without a step: stop until everybody is prepared. Raises Crash if the process is to die.
        """
        if seat.is_dead:
            raise Crash(f"dead, yet at {step}")
        if step is not None:
            pending = {**self._situation.pending, seat.name: step}
            ordered = {name: pending[name] for name in self._seats if name in pending}
            self._situation = self._situation._replace(pending=ordered)
        if not self._is_chosen:
            self._back.release()
            self._wait(seat)
        elif self._go_on() is not seat:
            self._wait(seat)
        else:
            seat.go.acquire()
        if seat.is_dead:
            raise Crash(f"{seat.name} dies before {step}")

    def _live(self, seat: Seat, body: Callable[[Seat], None]) -> None:
        try:
            body(seat)
        except Crash:
            pass
        except BaseException as failure:
            self._fail(failure)
        pending = {n: step for n, step in self._situation.pending.items() if n != seat.name}
        self._situation = self._situation._replace(pending=pending)
        if self._is_chosen:
            self._go_on()
        else:
            self._back.release()

    def _go_on(self) -> Seat | None:
        """Let the next one go on, whoever that is; None once all have ended."""
        if not self._situation.pending:
            self._back.release()
            return None
        choice = None if self._is_given_up else self._chosen()
        if choice is None:
            self._is_given_up = True
            choice = Choice(next(iter(self._situation.pending)), dies=True)
        else:
            self._note(choice)
        seat = self._seats[choice.process]
        if choice.dies:
            seat.is_dead = True
            self._situation = self._situation.after_death(choice.process)
        seat.go.release()
        return seat

    def _chosen(self) -> Choice | None:
        situation = self._situation
        try:
            if not any(map(situation.can_go_on, situation.pending)):
                raise DeadlockError(f"nobody can go on: {dict(situation.pending)}")
            if len(self._execution.events) >= _MOST_EVENTS:
                raise DeadlockError(f"no end after {_MOST_EVENTS} steps")
            return self._choose(situation)
        except BaseException as failure:
            self._fail(failure)
            return None

    def _note(self, choice: Choice) -> None:
        situation = self._situation
        name = choice.process
        step = situation.pending[name]
        footprint = situation.choices()[choice]
        self._execution.events.append(Event(choice, step, footprint))
        if choice.dies:
            return
        deciding, in_vain = situation.deciding, situation.in_vain
        if step.wakes:
            in_vain &= {name}
        if step.name == "hold":
            in_vain |= {name}
            deciding = name if step.enters else deciding
        elif step.name == "leave" and deciding == name:
            deciding = None
        self._situation = situation._replace(deciding=deciding, in_vain=in_vain)

    def _fail(self, failure: BaseException) -> None:
        if self._execution.events:
            failure.add_note(f"interleaved as: {self._execution}")
        self._failures.append(failure)
        self._is_given_up = True

    def _wait(self, seat: Seat) -> None:
        if not seat.go.acquire(timeout=_LONGEST):
            raise TimeoutError(f"{seat} was forgotten")

    def _await(self) -> None:
        if not self._back.acquire(timeout=_LONGEST):
            raise TimeoutError(f"a step does not end, after: {self._execution}")


def _closed_gate() -> threading.Lock:
    """What one thread waits at until another one releases it, once for each wait."""
    gate = threading.Lock()
    gate.acquire()
    return gate
