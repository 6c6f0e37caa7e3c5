"""From what is open to the values that a case needs."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from crosshair import NoTracing
from crosshair.tracers import is_tracing

T = TypeVar("T")


def chosen(options: Sequence[T], index: int) -> T:
    """The option at an index, each on a path of its own; of a bool, the first if it is False."""
    for number, option in enumerate(options):
        if index == number:
            return option
    raise AssertionError(f"the contract leaves {index} of {len(options)} options open")


def settled() -> AbstractContextManager[object]:
    """A block in which nothing is open any more, and which is run as usual: that is faster, and
    code in other languages needs it."""
    if not is_tracing():  # type: ignore[no-untyped-call]
        return nullcontext()
    untraced: AbstractContextManager[object] = NoTracing()  # type: ignore[no-untyped-call]
    return untraced
