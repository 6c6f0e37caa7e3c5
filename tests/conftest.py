"""Small fixtures that many tests share."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from grove_sm import Grove
from tests import counts
from tests.groves import TOPOLOGY, Clock, Names, open_files

# A shell starts what it puts into the background deaf to SIGINT, and so would be what tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("grove", deadline=None, print_blob=True)
settings.register_profile(
    "crosshair",
    backend="crosshair",
    deadline=None,
    max_examples=int(os.environ.get("GROVE_EXAMPLES", "100")),
    suppress_health_check=list(HealthCheck),
)
settings.load_profile(os.environ.get("GROVE_PROPERTIES", "grove"))


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores, for tests that wait for a process, a server or a disk."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture
def clock() -> Clock:
    """A clock set by hand."""
    return Clock()


@pytest.fixture
def names() -> Names:
    """Names that count."""
    return Names()


@pytest.fixture
def memory_grove(clock: Clock, names: Names) -> Iterator[Grove]:
    """A grove in memory, each collection in a store of its own."""
    stores = dict.fromkeys(
        ("contributions", "handoffs", "claims", "bounties", "credits"), "memory://"
    )
    with Grove.open(
        journal="memory://",
        stores=stores,
        topology=TOPOLOGY,
        clock=clock,
        random=names,
        background=False,
    ) as grove:
        yield grove


@pytest.fixture
def file_grove(tmp_path: Path, clock: Clock, names: Names) -> Iterator[Grove]:
    """A grove over five SQLite files in `tmp_path`, which finishes nothing by itself."""
    with open_files(tmp_path, clock, names) as grove:
        yield grove


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for tell in (
        counts.tell_crashes,
        counts.tell_placements,
        counts.tell_processes,
        counts.tell_disks,
    ):
        tell(terminalreporter)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-transcripts",
        action="store_true",
        help="write down what the transcripts' commands put out now",
    )
