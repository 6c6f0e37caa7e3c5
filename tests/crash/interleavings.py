"""Interleave two processes in every way that makes a difference, with one death anywhere.

What the callers were told, and what the stores hold in the end, has to be what some serial order
of whole operations gives on the same code, a process that died having done the operation that it
died in, or not.
"""

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Final, NamedTuple

from faults.crash import CrashPoint
from faults.interleave import Choose, Execution, Interleaving, Seat
from faults.partial_order import Search
from faults.schedule import Crash, Schedule
from grove_sm import Grove
from grove_sm.commit.txid import coordinator_of
from grove_sm.domain.errors import GroveError, InDoubt
from tests.kinds.placement import Placement

from .life import READERS, Life, Records
from .pairs import Operation, Pair
from .scenarios import PREPARED_AT

_READ: Final = READERS[0]
_READ_AT_ONCE: Final = READERS[-1]
_NAMES: Final = ("A", "B")


class Variant(NamedTuple):
    """How processes work: whether keys and decision are one append, and whether they wait."""

    name: str
    one_append: bool
    is_patient: bool = True


VARIANTS: Final = (
    Variant("one append", one_append=True),
    Variant("two steps", one_append=False),
    Variant("two steps, impatient", one_append=False, is_patient=False),
)

Heard = Any
"""What a caller was told, so that it can be compared: a result, or a refusal."""

Call = tuple[str, int]
"""Which process's operation, and which of them."""


@dataclass(frozen=True)
class _Refusal:
    kind: type[GroveError]
    text: str


@dataclass(frozen=True)
class _Outcome:
    """What each call was told, and what is there in the end."""

    heard: Mapping[Call, Heard]
    records: Records


class Interleavings:
    """One pair, on one placement, by one variant of the protocol.

    Args:
        pair: what meets.
        placement: where.
        variant: how.
        deaths: how many processes may die.
        reduced: whether to leave out equivalent interleavings.

    Attributes:
        search: counts what was run.
        outcomes: what was seen to come of it, in the end.
    """

    def __init__(
        self,
        pair: Pair,
        placement: Placement,
        variant: Variant,
        *,
        deaths: int = 1,
        reduced: bool = True,
    ) -> None:
        self._pair = pair
        self._placement = placement
        self._variant = variant
        self._deaths = deaths
        self._operations: Mapping[str, Sequence[Operation]] = dict(
            zip(_NAMES, (pair.first, pair.second), strict=True)
        )
        self._examined: dict[Hashable, Records] = {}
        self._prepare()
        self._serially = cache(self._run_serially)
        self.search = Search(self._run, reduced=reduced)
        self.outcomes: set[Hashable] = set()

    def run(self) -> None:
        """Run everything. Raises AssertionError, with the choices that led there."""
        for execution in self.search:
            try:
                self._check()
            except Exception as error:
                error.add_note(f"interleaved as: {execution}")
                raise

    def replay(self, choices: Sequence[Any]) -> Execution:
        """Run one execution, as its choices say, and check it."""
        left = iter(choices)
        execution = self._run(lambda _: next(left, None))
        self._check()
        return execution

    def _prepare(self) -> None:
        life = Life(self._placement, PREPARED_AT, names="before")
        grove = life.open()
        self._prepared = self._pair.prepare(grove)
        grove.close()
        self._start = self._placement.save()
        self._leftover: CrashPoint | None = None
        if self._pair.leftover is not None:
            call, died_before = self._pair.leftover
            life = self._life("left")
            grove = life.open()
            call(grove, self._prepared)
            life.kill()
            effects = life.schedule.effects
            effect = next(e for e in reversed(effects) if e.name.startswith(died_before))
            self._leftover = CrashPoint(effect, "before")

    def _run(self, choose: Choose) -> Execution:
        self._placement.restore(self._start)
        self._heard: dict[Call, Heard] = {}
        self._begun: dict[str, int] = {}
        self._died: set[str] = set()
        self._lives: list[Life] = []
        interleaving = Interleaving(self._placement.footprints, deaths=self._deaths)
        bodies = {name: self._body(name) for name in _NAMES}
        execution = interleaving.run(bodies, choose, before=self._leave_over)
        for life in self._lives:
            life.kill()
        return execution

    def _body(self, name: str) -> Callable[[Seat], None]:
        def body(seat: Seat) -> None:
            life = self._life(name, Schedule(seat), sleep=seat.sleep)
            grove = life.open()
            try:
                seat.ready()
                for number in range(len(self._operations[name])):
                    self._begun[name] = number
                    heard = self._call(life, grove, (name, number))
                    seat.answer()
                    self._heard[name, number] = heard
            except Crash:
                self._died.add(name)
                life.kill()
                raise
            self._lives.append(life)

        return body

    def _leave_over(self) -> None:
        if self._leftover is not None and self._pair.leftover is not None:
            life = self._life("left", Schedule(self._leftover))
            try:
                self._pair.leftover.call(life.open(), self._prepared)
            except Crash:
                life.kill()
            else:
                raise AssertionError("it was not crashed")

    def _call(self, life: Life, grove: Grove, call: Call) -> Heard:
        name, number = call
        life.restart_names(number)
        try:
            return _comparable(self._operations[name][number](grove, self._prepared))
        except GroveError as refusal:
            return _Refusal(type(refusal), str(refusal))

    def _check(self) -> None:
        records = self._examine()
        heard = self._heard
        if self._variant.is_patient:
            assert not any(map(_is_in_doubt, heard.values())), heard
        self.outcomes.add(repr((sorted(heard.items()), sorted(self._died), records)))
        explanations = [self._serially(order) for order in self._orders()]
        assert any(
            records == serial.records and all(serial.heard[call] == heard[call] for call in order)
            for serial in explanations
            for order in [serial.heard.keys() & heard.keys()]
        ), f"no serial order of {list(self._orders())} tells {heard} and leaves {records}"

    def _orders(self) -> Iterator[tuple[Call, ...]]:
        """Every serial order of what has happened; what somebody died in did so, or did not."""
        certain = [
            [
                call
                for call in self._heard
                if call[0] == name and not _is_in_doubt(self._heard[call])
            ]
            for name in _NAMES
        ]
        yield from _merges(*certain)
        for index, name in enumerate(_NAMES):
            if name in self._died:
                more = list(certain)
                more[index] = [*certain[index], (name, self._begun[name])]
                yield from _merges(*more)

    def _run_serially(self, order: tuple[Call, ...]) -> _Outcome:
        self._placement.restore(self._start)
        lives = {name: self._life(name) for name in _NAMES}
        groves = {name: life.open() for name, life in lives.items()}
        self._leave_over()
        heard = {call: self._call(lives[call[0]], groves[call[0]], call) for call in order}
        for life in lives.values():
            life.kill()
        return _Outcome(heard, self._examine())

    def _examine(self) -> Records:
        """What is there, which no reader sees in part, and which recovery leaves as it is."""
        state = self._placement.fingerprint()
        if state not in self._examined:
            saved = self._placement.save()
            seen = []
            for read in (_READ, _READ_AT_ONCE):
                self._placement.restore(saved)
                reader = self._life("reader")
                seen.append(read(reader.coordinator))
                reader.kill()
            self._placement.restore(saved)
            for _ in range(2):
                life = self._life("heir")
                grove = life.open()
                seen.append(_READ(life.coordinator))
                journal = life.coordinator.journal
                assert journal.unfinished() == journal.unapplied() == ()
                assert journal.heuristics() == ()
                assert grove.audit().violations == ()
                life.kill()
            report = grove.recovery
            assert report.rolled_forward == report.rolled_back == report.in_doubt == []
            assert all(records == seen[0] for records in seen), "readers or recovery disagree"
            self._examined[state] = seen[0]
        return self._examined[state]

    def _life(
        self,
        name: str,
        schedule: Schedule | None = None,
        sleep: Callable[[float], object] = bool,
    ) -> Life:
        return Life(
            self._placement,
            PREPARED_AT + self._pair.after,
            schedule,
            names=name.lower(),
            one_append=self._variant.one_append,
            patience=math.inf if self._variant.is_patient else 0.0,
            sleep=sleep,
        )


def _merges(first: Sequence[Call], second: Sequence[Call]) -> Iterator[tuple[Call, ...]]:
    """Every order of both that keeps the order of each."""
    if not first or not second:
        yield (*first, *second)
        return
    yield from ((first[0], *rest) for rest in _merges(first[1:], second))
    yield from ((second[0], *rest) for rest in _merges(first, second[1:]))


def _is_in_doubt(heard: Heard) -> bool:
    return isinstance(heard, _Refusal) and issubclass(heard.kind, InDoubt)


def _comparable(result: Any) -> Any:
    """A result without the names of transactions, but for whose they are."""
    if isinstance(result, tuple):
        return [(stored.record_id, stored.revision, stored.document) for stored in result]
    if not is_dataclass(result):
        return result
    facts = {field.name: getattr(result, field.name) for field in fields(result)}
    if facts.get("txid", "None") != "None":
        facts["txid"] = coordinator_of(facts["txid"])
    return facts
