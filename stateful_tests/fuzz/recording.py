"""Histories that Hypothesis draws and shrinks, and whose steps are kept as data."""

import inspect
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from hypothesis import reject
from hypothesis.errors import HypothesisException
from hypothesis.stateful import (
    INVARIANT_MARKER,
    Invariant,
    invariant,
    precondition,
    rule,
)

from stateful_tests.fuzz.failures import Signature, signature_of
from stateful_tests.fuzz.playing import FAILURES
from stateful_tests.fuzz.steps import RULES, Step
from stateful_tests.fuzz.watching import Watch
from stateful_tests.machine import History

Strategies = Mapping[str, Any]
"""By an argument's name what it is drawn from."""


class Guide(Protocol):
    """Decides what is drawn.

    What it decides by may not change while a class of histories is in use: the same draws have to
    be the same history again.
    """

    more: Mapping[str, str]
    """Rules that there are in addition, by a name of their own: the rules that they are."""

    def strategies(self, name: str, strategies: Strategies) -> Strategies:
        """What the arguments of a rule are drawn from, instead of these."""

    def settle(
        self, history: History, name: str, arguments: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """The arguments that a rule gets, for what was drawn."""


class Blind:
    """Draws as the rules say."""

    more: Mapping[str, str] = {}

    def strategies(self, name: str, strategies: Strategies) -> Strategies:
        """As `Guide.strategies`: the same."""
        return strategies

    def settle(
        self, history: History, name: str, arguments: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """As `Guide.settle`: the same."""
        return arguments


class Follower(Protocol):
    """Is told of every history, as it goes on."""

    def begins(self) -> None:
        """A history begins. May raise what keeps it from doing so."""

    def takes(self, step: Step) -> None:
        """It is about to take this step."""

    def took(self, step: Step, operation: str) -> None:
        """It has attempted this in that step."""

    def met(self, signature: Signature) -> None:
        """It has failed in a way that is not known."""

    def ends(self, history: History) -> None:
        """It has ended, well or not."""


class Recorder:
    """Keeps the steps of histories that fail.

    Args:
        guide: what decides what is drawn.
        follower: who is told.
        known: failures that need not be found again; a history that meets one does not count.

    Attributes:
        found: by signature the shortest history that failed so, its error's text, and how many
            histories had begun when it was met first.
        met: how often known failures were met.
    """

    def __init__(self, guide: Guide, follower: Follower, known: Collection[Signature] = ()) -> None:
        self.guide = guide
        self._follower = follower
        self._known = frozenset(known)
        self._steps: list[Step] = []
        self._begun = 0
        self.found: dict[Signature, tuple[list[Step], str, int]] = {}
        self.met = 0

    def begin(self) -> None:
        """A history begins."""
        self._steps = []
        self._begun += 1
        self._follower.begins()

    def play(
        self,
        history: History,
        watch: Watch,
        name: str,
        function: Callable[..., object],
        drawn: Mapping[str, Any],
    ) -> None:
        """Have a rule run, with the arguments that the guide makes of what was drawn."""
        step = Step(name, self.guide.settle(history, name, drawn))
        self._steps.append(step)
        self._follower.takes(step)
        watch.operation = None
        with self.judge():
            function(history, **step.arguments)
        if watch.operation is not None:
            self._follower.took(step, watch.operation)

    def end(self, history: History) -> None:
        """A history has ended."""
        self._follower.ends(history)

    @contextmanager
    def judge(self) -> Iterator[None]:
        """Note a failure in the block. One that is known makes the history not count."""
        try:
            yield
        except HypothesisException:
            raise
        except FAILURES as error:
            signature = signature_of(error)
            if signature in self._known:
                self.met += 1
                reject()
            message = str(error) or _line(error)
            if signature not in self.found:
                self._follower.met(signature)
            shortest, _, first = self.found.get(signature, (None, "", self._begun))
            if shortest is None or _size(self._steps) <= _size(shortest):
                self.found[signature] = list(self._steps), message, first
            raise


def _line(error: BaseException) -> str:
    """The line of code that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    return frames[-1].line if frames and frames[-1].line else type(error).__name__


def _size(steps: list[Step]) -> tuple[int, int]:
    return len(steps), sum(len(str(step)) for step in steps)


def recorded(here: type[History], recorder: Recorder) -> type[History]:
    """A class of histories like those of `here` that a recorder keeps."""

    class Recorded(here):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            recorder.begin()
            super().__init__()
            self._watch = Watch(self.tally)
            self.watch(self._watch)

        def teardown(self) -> None:
            try:
                with recorder.judge():
                    super().teardown()
            finally:
                recorder.end(self)

    for name, of in {**{name: name for name in RULES}, **recorder.guide.more}.items():
        setattr(Recorded, name, _recorded_rule(recorder, name, of))
    for name, member in inspect.getmembers(here):
        if hasattr(member, INVARIANT_MARKER):
            setattr(Recorded, name, _judged(recorder, getattr(member, INVARIANT_MARKER)))
    return Recorded


def _recorded_rule(recorder: Recorder, name: str, of: str) -> Any:
    original = RULES[of]

    def play(self: Any, **drawn: Any) -> None:
        recorder.play(self, self._watch, of, original.function, drawn)

    play.__name__ = name
    made: Any = play
    for allows in original.preconditions:
        made = precondition(allows)(made)
    decorate: Callable[[Any], Any] = rule(**recorder.guide.strategies(name, original.arguments))
    return decorate(made)


def _judged(recorder: Recorder, original: Invariant) -> Any:
    def check(self: Any) -> None:
        with recorder.judge():
            original.function(self)

    check.__name__ = original.function.__name__
    made: Any = check
    for allows in original.preconditions:
        made = precondition(allows)(made)
    decorate: Callable[[Any], Any] = invariant()
    return decorate(made)
