"""How many executions were crashed, at the end of the test run."""

from collections import Counter

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts = Counter[str]()
    deepest = 0
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "deepest":
                deepest = max(deepest, int(str(value)))
            elif name in ("crashes", "states"):
                counts[name] += int(str(value))
    if counts:
        terminalreporter.write_line(
            f"crash enumeration: {counts['crashes']} crashed executions left {counts['states']} "
            f"distinct states, each read, recovered and retried; up to {deepest} crashes in a row"
        )
