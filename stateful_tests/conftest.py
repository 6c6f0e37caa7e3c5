"""What the random histories have covered, at the end of the test run."""

import json

import pytest

from stateful_tests.profiles import chosen_name
from stateful_tests.tally import Tally


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
