"""Groves whose parts can be hindered or damaged."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.groves import CODER, Clock, Names, open_files

from .damaged import Left, Opener
from .hindered import Hindered


@pytest.fixture
def hindered(tmp_path: Path, clock: Clock, names: Names) -> Iterator[Hindered]:
    """Opens groves over five files; all are closed at the end."""
    opener = Hindered(tmp_path, clock, names)
    yield opener
    for grove in opener.groves:
        grove.close()


@pytest.fixture
def opened(tmp_path: Path, clock: Clock, names: Names) -> Iterator[Opener]:
    """Five files; every grove on them is closed at the end."""
    with ExitStack() as stack:
        yield Opener(lambda: stack.enter_context(open_files(tmp_path, clock, names)), tmp_path)


@pytest.fixture
def left(opened: Opener) -> Left:
    """Three committed contributions of a dead coordinator."""
    grove = opened.open()
    grove.coordinator.applier.lag = 100
    done = [grove.contribute(kind="work", summary=s, agent=CODER) for s in ("one", "two", "three")]
    grove.abandon()
    return Left(*done)
