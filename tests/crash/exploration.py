"""Crash an operation at each of its effects, and every recovery from that at each of its own.

The states that crashes leave are explored like a graph. What can follow from a state depends on
nothing but what journal and stores hold, so each distinct state is examined once, however many
crashes lead to it, and recoveries are crashed until no crash leaves a state that is new.
"""

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from itertools import pairwise
from typing import Any, Final

from faults.crash import CrashPoint, crash_points
from faults.schedule import Crash, Effect, Schedule
from grove_sm import Grove
from grove_sm.operations.layout import COLLECTIONS
from tests.kinds.placement import Placement

from .life import Life, read_at_once, read_from
from .scenarios import PREPARED_AT, Scenario

_READ: Final = read_from("contributions")
_UNSTABLE: Final = {"txid", "duplicate", "already_there"}


@dataclass
class Tally:
    """How much was run.

    Attributes:
        crashes: executions that were crashed, of operations and of recoveries.
        states: distinct states that crashes left, each examined by every reader, by a recovery,
            by a retry and by a second recovery.
        deepest: crashes in a row behind the state that took most.
    """

    crashes: int = 0
    states: int = 0
    deepest: int = 0


class Exploration:
    """One scenario, on one placement, by one path of the protocol.

    With n operations there are n + 1 states that a reader may see: the one after each.
    """

    def __init__(self, scenario: Scenario, placement: Placement, *, one_append: bool) -> None:
        self._scenario = scenario
        self._placement = placement
        self._one_append = one_append
        self._now = PREPARED_AT + scenario.after
        self._outcomes: dict[Hashable, int] = {}
        self.tally = Tally()
        self._prepare()
        self._record()

    def run(self) -> None:
        """Crash everything. Raises AssertionError, with the crashes that led there."""
        for point in crash_points(self.effects):
            with _told((point,)):
                self._crash_operation(point)
        self.tally.states = len(self._outcomes)

    def _prepare(self) -> None:
        life = Life(self._placement, PREPARED_AT, names="before")
        grove = life.open()
        self._scenario.prepare(grove)
        grove.close()
        self._start = self._placement.save()

    def _record(self) -> None:
        """What the operations do when nothing goes wrong."""
        reader, victim = self._reader(), self._life(lag=self._scenario.lag)
        grove = victim.open()
        self._results = list(self._call_all(victim, grove))
        grove.flush()
        self.effects: Sequence[Effect] = tuple(victim.schedule.effects)
        victim.kill()
        reader.kill()

        self._placement.restore(self._start)
        reader, victim = self._reader(), self._life()
        grove = victim.open()
        self._whole = [_READ(reader.coordinator)]
        for _ in self._call_all(victim, grove):
            self._whole.append(_READ(reader.coordinator))
        assert all(after != before for before, after in pairwise(self._whole))
        # What is not written to can be read first or last: there is nothing to settle.
        written = (c for c in COLLECTIONS if len({whole[c] for whole in self._whole}) > 1)
        self._readers = (*map(read_from, written), read_at_once)
        victim.kill()
        reader.kill()

    def _crash_operation(self, point: CrashPoint) -> None:
        self._placement.restore(self._start)
        reader, victim = self._reader(), self._life(Schedule(point), lag=self._scenario.lag)
        acknowledged = 0
        try:
            grove = victim.open()
            for _ in self._call_all(victim, grove):
                acknowledged += 1
            grove.flush()
        except Crash:
            self.tally.crashes += 1
        else:
            raise AssertionError("it was not crashed")
        victim.kill()
        state, saved = self._placement.fingerprint(), self._placement.save()
        seen = _READ(reader.coordinator)
        reader.kill()
        self._examine(state, saved, (point,))
        happened = self._outcomes[state]
        assert seen == self._whole[happened], "the reader before recovery saw something else"
        assert happened in (acknowledged, acknowledged + 1), f"{acknowledged} were acknowledged"

    def _crash_recovery(self, saved: Any, crashes: tuple[CrashPoint, ...]) -> Hashable:
        self._placement.restore(saved)
        life = self._life(Schedule(crashes[-1]))
        try:
            life.open()
        except Crash:
            self.tally.crashes += 1
        else:
            raise AssertionError("it was not crashed")
        life.kill()
        state = self._placement.fingerprint()
        self._examine(state, self._placement.save(), crashes)
        return state

    def _examine(self, state: Hashable, saved: Any, crashes: tuple[CrashPoint, ...]) -> None:
        """Check all that can follow from a state, unless that has been done."""
        if state in self._outcomes:
            return
        self.tally.deepest = max(self.tally.deepest, len(crashes))
        happened = self._outcomes[state] = self._check_readers(saved)
        recovery = self._check_recovery(saved, happened)
        for point in crash_points(recovery):
            with _told((*crashes, point)):
                left = self._crash_recovery(saved, (*crashes, point))
                assert self._outcomes[left] == happened, "a crash in recovery changed the outcome"

    def _check_readers(self, saved: Any) -> int:
        """No reader, however it reads, is shown a part; and all are shown the same.

        Returns how many of the operations they see.
        """
        seen = []
        for read in self._readers:
            self._placement.restore(saved)
            life = self._life()
            seen.append(read(life.coordinator))
            life.kill()
        assert seen[0] in self._whole, "a reader before recovery saw a part"
        assert all(records == seen[0] for records in seen), "readers disagree"
        return self._whole.index(seen[0])

    def _check_recovery(self, saved: Any, happened: int) -> Sequence[Effect]:
        """Recovery leaves what was seen; a retry makes it once; nothing is left to recover."""
        self._placement.restore(saved)
        life = self._life()
        grove = life.open()
        effects = tuple(life.schedule.effects)
        self._check_finished(life)
        assert _READ(life.coordinator) == self._whole[happened], "recovery shows something else"
        assert grove.audit().violations == ()
        if self._scenario.is_repeatable:
            retried = list(self._call_all(life, grove))
            assert retried == self._results, "a retry has another result"
            assert _READ(life.coordinator) == self._whole[-1], "a retry has another effect"
            assert grove.audit().violations == ()
            grove.flush()
        life.kill()
        again = self._life()
        report = again.open().recovery
        assert report.rolled_forward == report.rolled_back == report.in_doubt == []
        self._check_finished(again)
        again.kill()
        return effects

    def _call_all(self, life: Life, grove: Grove) -> Iterator[Any]:
        """Call the operations one by one: what each returns, in a form that a retry's equals."""
        for number, call in enumerate(self._scenario.operations):
            life.restart_names(number)
            yield _comparable(call(grove))

    @staticmethod
    def _check_finished(life: Life) -> None:
        journal = life.coordinator.journal
        assert journal.unfinished() == journal.unapplied() == ()
        assert journal.heuristics() == ()

    def _reader(self) -> Life:
        life = self._life()
        life.open()
        return life

    def _life(self, schedule: Schedule | None = None, *, lag: int = 1) -> Life:
        return Life(self._placement, self._now, schedule, one_append=self._one_append, lag=lag)


@contextmanager
def _told(crashes: Sequence[CrashPoint]) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # The innermost has the whole story.
        if not getattr(error, "__notes__", ()):
            error.add_note("after " + ", then in recovery ".join(map(str, crashes)))
        raise


def _comparable(result: Any) -> Any:
    """A result without what differs between a first request and its retry."""
    if not is_dataclass(result):
        return result
    names = {field.name for field in fields(result)} - _UNSTABLE
    return {name: getattr(result, name) for name in names}
