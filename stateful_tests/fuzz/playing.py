"""Tells a history again from its steps, without Hypothesis."""

import inspect
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from hypothesis.stateful import INVARIANT_MARKER

from faults.schedule import Crash
from stateful_tests.fuzz.steps import Step
from stateful_tests.fuzz.watching import Event, Watch
from stateful_tests.machine import History
from stateful_tests.running import histories, quiet
from stateful_tests.tally import Tally
from tests.kinds.placement import LAYOUTS, Layout

PLACES: Final = {layout.name: layout for layout in LAYOUTS if not layout.missing}
"""Every layout that can be used here, by name."""

FAILURES: Final = (Exception, Crash)
"""What counts as a failure when it comes out of a step."""

_INVARIANTS: Final = [
    member for _, member in inspect.getmembers(History) if hasattr(member, INVARIANT_MARKER)
]


class Played(NamedTuple):
    """How it went: the error, if it failed; what happened in words, and effect by effect."""

    error: BaseException | None
    story: Sequence[str]
    events: Sequence[Event]


def play(
    layout: Layout,
    steps: Sequence[Step],
    tell: Callable[[str], object] | None = None,
) -> Played:
    """Have a history take these steps; `tell` is told each line as it happens.

    A step that is not possible, since something else happened before, is left out.
    """
    say = tell or _say_nothing
    watch = Watch(Tally(), is_kept=True)
    history: History | None = None
    told = 0

    def catch_up() -> None:
        nonlocal told
        if history is not None:
            ended = {event.text for event in watch.events if event.what == "end"}
            for line in history.story[told:]:
                say(f"    {line}")
                if line not in ended:
                    watch.tell(Event("note", line))
            told = len(history.story)

    error: BaseException | None = None
    with TemporaryDirectory() as folder, quiet():
        try:
            new_history: Callable[[], History] = histories(layout, Path(folder), Tally())
            history = new_history()
            history.watch(watch)
            _check(history)
            for number, step in enumerate(steps, 1):
                say(f"{number}. {step}")
                watch.tell(Event("step", f"{number}. {step}"))
                if not step.play(history):
                    say("    not possible here: left out")
                catch_up()
                _check(history)
            history.teardown()
        except FAILURES as caught:
            error = caught
            if history is not None:
                with suppress(*FAILURES):
                    _tear_down_after(history, caught)
        catch_up()
    story = () if history is None else tuple(history.story)
    return Played(error, story, tuple(watch.events))


def _say_nothing(_: str) -> None:
    pass


def _check(history: History) -> None:
    for invariant in _INVARIANTS:
        invariant(history)


def _tear_down_after(history: History, error: BaseException) -> None:
    try:
        raise error
    finally:
        # It sees that there is an error, and lets go without a last check.
        history.teardown()
