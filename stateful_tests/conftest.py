"""Histories for tests, and what the random ones have covered, at the end of the test run."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from stateful_tests.machine import History
from stateful_tests.profiles import chosen_name
from stateful_tests.running import histories, quiet
from stateful_tests.tally import Tally
from tests.kinds.placement import IN_MEMORY

# No power is cut here, so that nothing needs a disk.
_IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder, on no disk if there is such a place."""
    with TemporaryDirectory(dir=_IN_MEMORY if _IN_MEMORY.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
def new_history(folder: Path) -> Iterator[Callable[[], History]]:
    """Makes histories in memory, to be told step by step."""
    with quiet():
        yield histories(IN_MEMORY, folder, Tally())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    total = Tally()
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "histories":
                total.add(Tally.from_document(json.loads(str(value))))
    if total.counts:
        terminalreporter.section(f"random histories (profile {chosen_name()})", sep="-")
        for line in total.lines():
            terminalreporter.write_line(line)
