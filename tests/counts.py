"""What the longer suites counted, told at the end of a test run."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import pytest

_CRASHES: Final = ("crashes", "states", "interleavings", "interleaved crashes", "pruned")
_DISKS: Final = {
    "disks": "power cuts: {} distinct disks, each recovered, read, audited and retried",
    "damages": "damage: {} damaged disks, each opened, read, audited and written to",
}

RecordProperty = Callable[[str, object], None]


@contextmanager
def counted(
    record_property: RecordProperty, count: Callable[[], int], *, omits_failed: bool = False
) -> Iterator[None]:
    """Record how many executions a test has made in the block, even if one of them fails.

    `faults.mutants` counts them, as the property `runs`, until a planted defect is noticed.

    Args:
        record_property: the test's.
        count: how many there were so far.
        omits_failed: whether the one that fails is not among them.
    """
    failed = int(omits_failed)
    try:
        yield
        failed = 0
    finally:
        record_property("runs", count() + failed)


def tell_crashes(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how many executions were crashed, of single operations and of interleaved ones."""
    counts = Counter[str]()
    deepest = 0
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "deepest":
                deepest = max(deepest, int(str(value)))
            elif name in _CRASHES:
                counts[name] += int(str(value))
    if counts["crashes"]:
        terminalreporter.write_line(
            f"crash enumeration: {counts['crashes']} crashed executions left {counts['states']} "
            f"distinct states, each read, recovered and retried; up to {deepest} crashes in a row"
        )
    if counts["interleavings"]:
        crashed, pruned = counts["interleaved crashes"], counts["pruned"]
        terminalreporter.write_line(
            f"interleavings: {counts['interleavings']} executions ({crashed} crashed), "
            f"{pruned:.2e} pruned, each equivalent to one of them"
        )
    total = counts["crashes"] + counts["interleaved crashes"]
    if total:
        terminalreporter.write_line(f"distinct crash executions in all: {total}")


def tell_placements(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how many executions each placement of journal and stores had."""
    table: dict[str, Counter[str]] = {}
    for report in terminalreporter.getreports("passed"):
        properties = dict(report.user_properties)
        if "placement" not in properties:
            continue
        row = table.setdefault(str(properties["placement"]), Counter())
        for name in ("crashes", "interleavings"):
            row[name] += int(str(properties.get(name, 0)))
        if "histories" in properties:
            counts = json.loads(str(properties["histories"]))["counts"]
            row["histories"] += dict(counts)["histories"]
    if table:
        terminalreporter.section("by placement of journal and stores", sep="-")
    for placement, row in table.items():
        told = ", ".join(f"{number} {name}" for name, number in row.items() if number)
        terminalreporter.write_line(f"{placement}: {told}")


def tell_processes(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what each test with real processes counted."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "counted":
                terminalreporter.write_line(f"{report.location[2]}: {value}")


def tell_disks(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how many disks were examined."""
    counts = Counter[str]()
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name in _DISKS:
                counts[name] += int(str(value))
    for name, count in counts.items():
        terminalreporter.write_line(_DISKS[name].format(count))
