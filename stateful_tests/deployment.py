"""A deployment under test: its processes, its clock, and what became of every call."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from hypothesis import currently_in_test_context, note

from faults.schedule import Crash, Fault
from faults.weather import Outage, Post, Struck
from grove_sm.domain import format_time
from grove_sm.domain.errors import GroveError, InDoubt, OutcomeUnknown, StoreUnavailable
from grove_sm.results import NotSwept, SweepReport
from models.possible import Heard, Nothing, Unknown
from models.requests import Call, Expire, Forget, Request
from stateful_tests.forecast import Drawn, Forecast
from stateful_tests.observing import answer_of, steps_of
from stateful_tests.process import Clock, Habits, Process, ask
from stateful_tests.tally import Tally
from stateful_tests.tape import Tape
from tests.kinds.placement import Placement
from tests.kinds.unforced import Unforced

HABITS: Final = (Habits(True, lag=1), Habits(False, lag=1), Habits(True, lag=4))
"""How the process in each slot works: in one append or two steps, at once or in batches."""


@dataclass
class Ended:
    """How an action of a process ended.

    `disturbed` tells that something may have gone wrong in it; `raced`, that another process was
    in the middle of a call.
    """

    result: Any = None
    error: GroveError | Crash | None = None
    disturbed: bool = False
    raced: bool = False

    def is_excused(self, error: GroveError | Crash) -> bool:
        """Whether it may have failed so, for want of a store, or of a decision by another."""
        return self.disturbed or (self.raced and isinstance(error, InDoubt))


@dataclass
class Asked(Ended):
    """How a call of the process in a slot ended.

    `repeats` tells that it was a retry of one that had been answered.
    """

    slot: int = 0
    call: Call | None = None
    repeats: bool = False

    def heard(self) -> Sequence[tuple[Call, Heard]]:
        """What its caller has heard, of each atomic step that it knows of.

        Raises AssertionError if it heard what it may not.
        """
        assert self.call is not None
        if not isinstance(self.result, SweepReport):
            return [(self.call, self._told(self.error))]
        steps: list[tuple[Call, Heard]] = list(steps_of(self.result, self.call))
        for failure in self.result.failures:
            heard = self._told(failure.error)
            if isinstance(heard, Unknown):
                step = _step_of(failure, self.call.request)
                steps.append((replace(self.call, request=step), heard))
            else:
                assert isinstance(heard, Nothing), f"not swept: {failure}"
        return steps

    def _told(self, error: GroveError | Crash | None) -> Heard:
        match error:
            case None:
                return answer_of(self.result)
            case Crash():
                return Unknown()
            case OutcomeUnknown(txid=txid):
                assert self.disturbed, f"unknown in good weather: {error}"
                return Unknown(txid)
            case StoreUnavailable() | InDoubt():
                assert self.is_excused(error), f"failed in good weather: {error!r}"
                return Nothing()
        return error


def _step_of(failure: NotSwept, sweep: Any) -> Expire | Forget:
    """The step of a sweep whose outcome is unknown."""
    *old, collection, _, record_id = failure.record.split()
    kind: Any = Forget if old else Expire
    step: Expire | Forget = kind(sweep, collection, record_id)
    return step


class Watcher(Protocol):
    """Is told what processes do, as they do it, and changes nothing of it."""

    def begin(self, slot: int, operation: str, first: int) -> Fault:
        """An attempt begins; its process numbers its effects from `first` on.

        What is returned meets each of them before any other fault of this attempt does.
        """

    def end(self, slot: int, line: str, struck: Sequence[Struck]) -> None:
        """It has ended, as `line` says; `struck` are the faults that have struck in it."""


class Deployment:
    """Processes on one placement, whose random names begin with `names`.

    Attributes:
        watcher: who is told what they do, if anybody.
        tape: where a trace is kept of what they do, if anywhere.
        clock: the time of all of them.
        post: what was sent to stores and has not arrived.
        tally: what has happened, in numbers.
        story: and in words, a line for each.
    """

    def __init__(self, placement: Placement, names: str) -> None:
        self._prefix = names
        self.placement = placement
        self.watcher: Watcher | None = None
        self.tape: Tape | None = None
        self.clock = Clock()
        self.post = Post()
        self.tally = Tally()
        self.story: list[str] = []
        self._processes: list[Process | None] = [None] * len(HABITS)
        self._dead: list[Process] = []
        self._steps = 0
        self._unforced = Unforced(placement) if placement.is_in_memory else None
        self._coming: list[Outage] = []

    @property
    def may_lose_power(self) -> bool:
        """Whether a cut is worth it now: somebody lives, and no trace would have to tell of it.

        Kinds in files lose power for real (`tests/power/`).
        """
        return self._unforced is not None and self.tape is None and any(self._processes)

    def process(self, slot: int) -> Process:
        """The live process of a slot; opened, if there is none."""
        process = self._processes[slot]
        if process is None:
            ended = self.start(slot, ())
            if ended.disturbed and ended.error is not None:
                ended = self.start(slot, ())
            assert ended.error is None, f"does not open in good weather: {ended.error!r}"
            process = self._processes[slot]
            assert process is not None
        return process

    def start(self, slot: int, faults: Sequence[Forecast]) -> Ended:
        """Open a process in an empty slot, with recovery."""
        watchers = [self._unforced.watch()] if self._unforced and self.tape is None else []
        process = Process(self.placement, self.clock, HABITS[slot], self.tape, *watchers)
        process.outages, self._coming = self._coming, []
        self._processes[slot] = process
        self._restart_names(process)
        ended = self.attempt(slot, "open", Process.open, faults)
        if ended.error is not None:
            self.kill(slot)
        return ended

    def kill(self, slot: int) -> None:
        """The process of a slot dies, if there is one."""
        process, self._processes[slot] = self._processes[slot], None
        if process is not None:
            process.die(keep_stores=bool(self.post.calls))
            self._dead.append(process)

    def calm(self) -> None:
        """All die, and whoever is opened from now on is in no trouble."""
        for slot in range(len(HABITS)):
            self.kill(slot)
        self._coming.clear()

    def cut_power(self, survivors: Sequence[int], outage: Outage | None) -> None:
        """All processes die at once, and what was not forced is lost, but for what survives.

        Args:
            survivors: of each part, the journal first, how much: 0 for everything; 1 for nothing
                that was not forced, 2 for that and one apply more, and so on.
            outage: what the process that is opened next is in trouble with.
        """
        assert self._unforced is not None, "it is only in memory that power is lost here"
        self.calm()
        self._let_go()
        self.post.calls.clear()
        parts = zip(self.placement.parts, survivors, strict=False)
        lost = {label: left - 1 for label, left in parts if left}
        self._unforced.cut(lost)
        self._coming = [outage] if outage else []
        self.tally.counts["power cuts"] += 1
        self.tell(f"the power is cut; of what was not forced, so many applies are left: {lost}")

    def ask(
        self,
        slot: int,
        request: Request,
        key: str | None,
        faults: Sequence[Forecast] = (),
        more: Sequence[Drawn] = (),
    ) -> Asked:
        """Make a request in a process."""
        process = self.process(slot)
        ids = self._restart_names(process)
        call = Call(request, format_time(self.clock()), ids, key)
        name = type(request).__name__
        ended = self.attempt(
            slot, name, lambda process: ask(process.grove, request, key), faults, more
        )
        self.tally.counts["calls"] += 1
        return Asked(ended.result, ended.error, ended.disturbed, slot=slot, call=call)

    def attempt(
        self,
        slot: int,
        operation: str,
        action: Callable[[Process], Any],
        faults: Sequence[Forecast] = (),
        more: Sequence[Drawn] = (),
    ) -> Ended:
        """Do something in the process of a slot while faults strike; it may die of them.

        What is in `more` happens too, and excuses nothing.
        """
        process = self._processes[slot] or self.process(slot)
        begun = len(process.schedule.effects)
        weather = [each.fault(begun, self.post, self.clock) for each in faults]
        drawn = [*more, *weather]
        for outage in process.outages:
            # Where it strikes is asked of each attempt anew.
            outage.struck = None
        watching = [self.watcher.begin(slot, operation, begun)] if self.watcher else []
        process.beset([*watching, *drawn])
        troubled = bool(process.outages)
        ended = Ended()
        try:
            ended.result = action(process)
        except (Crash, GroveError) as error:
            ended.error = error
        process.beset(())
        ended.disturbed = troubled or any(fault.struck for fault in weather)
        self._note(slot, operation, process, drawn, ended)
        if isinstance(ended.error, Crash):
            self.kill(slot)
        return ended

    def close(self) -> None:
        """Let go of everything."""
        self.calm()
        self._let_go()

    def _let_go(self) -> None:
        """Close what the dead have left open."""
        for process in self._dead:
            process.let_go()
        self._dead.clear()

    def _restart_names(self, process: Process) -> tuple[str, str]:
        self._steps += 1
        return process.names.restart(f"{self._prefix}-{self._steps:x}")

    def _note(
        self,
        slot: int,
        operation: str,
        process: Process,
        drawn: Sequence[Drawn],
        ended: Ended,
    ) -> None:
        struck = [fault for fault in drawn if fault.struck]
        for fault in (*struck, *(outage for outage in process.outages if outage.struck)):
            assert fault.struck is not None
            self.tally.strike(operation, fault.struck.name, fault.kind)
        told = "done" if ended.error is None else repr(ended.error)
        self.tally.counts[type(ended.error).__name__ if ended.error else "done"] += 1
        weather = "".join(f"; {fault}" for fault in (*struck, *process.outages))
        line = f"process {slot}: {operation}{weather} -> {told}"
        self.tell(line)
        if self.watcher is not None:
            self.watcher.end(slot, line, (*struck, *process.outages))

    def tell(self, line: str) -> None:
        """Have it said, if this fails, that this has happened."""
        self.story.append(line)
        if currently_in_test_context():
            note(f"  {line}")
