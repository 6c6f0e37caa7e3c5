"""A pytest plugin that tells whoever started pytest how far it has come, test by test."""

import json
from pathlib import Path
from typing import Any

import pytest

import grove_sm

RUNS = "runs"
"""The property by which a test tells how many executions it has made; it may be recorded late."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--follow FILE`: write a line of JSON for each test that has ended."""
    parser.addoption("--follow", type=Path, required=True)


def pytest_configure(config: pytest.Config) -> None:
    """Refuses to run if it is not the code in pytest's folder that would be tested."""
    library = Path(grove_sm.__file__)
    if not library.is_relative_to(config.rootpath):
        raise pytest.UsageError(f"{library} would be tested, not {config.rootpath}")
    config.pluginmanager.register(_Following(config.getoption("--follow")))


class _Following:
    def __init__(self, path: Path) -> None:
        self._path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed or (report.when == "call" and report.passed):
            ended = {"test": report.nodeid, "runs": _runs(report), "error": _error(report)}
            with self._path.open("a") as file:
                file.write(json.dumps(ended) + "\n")


def _runs(report: pytest.TestReport) -> int:
    counts = [int(str(value)) for name, value in report.user_properties if name == RUNS]
    return max(1, sum(counts))


def _error(report: pytest.TestReport) -> str | None:
    if not report.failed:
        return None
    crash: Any = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message if crash else report.longrepr)
    return text.strip().partition("\n")[0]
