"""How many disks were examined, at the end of the test run."""

from collections import Counter

import pytest

_COUNTED = {
    "disks": "power cuts: {} distinct disks, each recovered, read, audited and retried",
    "damages": "damage: {} damaged disks, each opened, read, audited and written to",
}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts = Counter[str]()
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name in _COUNTED:
                counts[name] += int(str(value))
    for name, count in counts.items():
        terminalreporter.write_line(_COUNTED[name].format(count))
