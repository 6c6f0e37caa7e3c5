"""A grove whose files other software writes to."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.groves import Clock, Names, open_files

from .outside import Outside


@pytest.fixture
def outside(tmp_path: Path, clock: Clock, names: Names) -> Iterator[Outside]:
    """Every grove that it opens is closed at the end."""
    with ExitStack() as stack:
        yield Outside(lambda: stack.enter_context(open_files(tmp_path, clock, names)), tmp_path)
