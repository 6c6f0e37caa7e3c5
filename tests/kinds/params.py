"""Layouts as parameters of tests."""

from collections.abc import Iterable
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from tests.kinds.placement import Layout


def each(layouts: Iterable[Layout]) -> list[ParameterSet]:
    """A parameter for each layout, skipped where something is missing for it."""
    return [with_layout(layout, is_long=layout.is_long) for layout in layouts]


def with_layout(layout: Layout, *more: Any, name: str = "", is_long: bool = False) -> ParameterSet:
    """A layout among the parameters of a test, which may be left to `make long`."""
    marks = [pytest.mark.skipif(bool(layout.missing), reason=layout.missing)]
    if is_long:
        marks.append(pytest.mark.long)
    return pytest.param(*more, layout, marks=marks, id="-".join(filter(None, (name, layout.name))))
