"""Seeds for what is random, and what the tests counted, at the end of the run."""

import os
import secrets

import pytest


@pytest.fixture
def seed() -> int:
    """Where a test's choices come from; GROVE_SEED=n repeats them."""
    seed = int(os.environ.get("GROVE_SEED") or secrets.randbelow(2**32))
    print(f"GROVE_SEED={seed}")  # noqa: T201 - shown with a failure
    return seed


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "counted":
                terminalreporter.write_line(f"{report.location[2]}: {value}")
