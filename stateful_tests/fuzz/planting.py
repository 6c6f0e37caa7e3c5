"""Plants a defect while a search runs, to see whether it is found."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from stateful_tests.teeth import DEFECTS


@contextmanager
def planted(name: str | None) -> Iterator[None]:
    """The library has the defect of this name within the block, or none."""
    if name is None:
        yield
        return
    (defect,) = (each for each in DEFECTS if each.name == name)
    with defect.planted():
        yield


def plantable() -> Sequence[str]:
    """The names of the defects that can be planted."""
    return [defect.name for defect in DEFECTS]
