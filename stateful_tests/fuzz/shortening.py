"""Makes a failing history shorter, step by step, without Hypothesis.

Hypothesis shrinks the failure that it met first. What else it met on the way, and what it had no
time for, is shortened here: steps, and the faults in them, are left out as long as what is left
fails in the same way.
"""

from collections.abc import Callable, Iterator, Sequence

from stateful_tests.fuzz.failures import signature_of
from stateful_tests.fuzz.playing import play
from stateful_tests.fuzz.steps import Step
from tests.kinds.placement import Layout


def shorten(
    layout: Layout, steps: Sequence[Step], is_over: Callable[[], bool]
) -> tuple[list[Step], bool]:
    """A shorter history that fails like this one, and whether none of its parts can be left out.

    `is_over` tells that there is no more time. A history that does not fail is returned as it is.
    """
    shortest = list(steps)
    error = play(layout, shortest).error
    if error is None:
        return shortest, False
    wanted = signature_of(error)
    is_shorter = True
    while is_shorter:
        is_shorter = False
        for shorter in _shorter(shortest):
            if is_over():
                return shortest, False
            error = play(layout, shorter).error
            if error is not None and signature_of(error) == wanted:
                shortest, is_shorter = shorter, True
                break
    return shortest, True


def _shorter(steps: list[Step]) -> Iterator[list[Step]]:
    """Histories with a part left out, large parts first."""
    size = len(steps) // 2
    while size:
        # What comes last is what fails, so the beginning is more likely not to be needed.
        for first in range(0, len(steps) - size + 1, size):
            yield steps[:first] + steps[first + size :]
        size //= 2
    for index, step in enumerate(steps):
        faults = step.arguments.get("faults", ())
        for number in range(len(faults)):
            fewer = [fault for at, fault in enumerate(faults) if at != number]
            calmer = Step(step.rule, {**step.arguments, "faults": fewer})
            yield [*steps[:index], calmer, *steps[index + 1 :]]
