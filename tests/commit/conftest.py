"""Groves whose parts can be hindered."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.groves import Clock, Names

from .hindered import Hindered


@pytest.fixture
def hindered(tmp_path: Path, clock: Clock, names: Names) -> Iterator[Hindered]:
    """Opens groves over five files; all are closed at the end."""
    opener = Hindered(tmp_path, clock, names)
    yield opener
    for grove in opener.groves:
        grove.close()
