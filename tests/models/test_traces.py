"""Recorded runs are allowed by the specification; runs of a library with a defect are not."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from faults.mutants.copies import copied
from faults.mutants.mutant import usable
from grove_sm import Grove
from grove_sm.tracing import Line
from models.traces.calls import read_lines
from models.traces.counts import COUNTED
from models.traces.report import check_batch, named
from models.traces.runs import TOLD, Batch, Draw, Run, batches, record
from models.traces.verdict import judge
from stateful_tests.walks import walks
from tests.groves import CODER, REVIEWER, TOPOLOGY, five_files, journal_url

ROOT: Final = Path(__file__).parents[2]
SEED: Final = int(os.environ.get("TRACES_SEED", "1"))
NUMBER: Final = 50

RecordProperty = Callable[[str, object], None]


@pytest.mark.parametrize(
    "batch",
    [
        pytest.param(batch, marks=pytest.mark.long if number else pytest.mark.slow)
        for number, batch in enumerate(batches(NUMBER, SEED))
    ],
    ids=named,
)
def test_every_recorded_run_is_allowed(batch: Batch, record_property: RecordProperty) -> None:
    print(f"TRACES_SEED={SEED}")  # noqa: T201 - shown if the test fails
    report = check_batch(batch)
    record_property("runs", report.counts["runs"])
    assert report.status == 0, "\n".join(report.lines())
    assert report.counts["runs"] == sum(draw.size for draw in batch)


@pytest.mark.long
def test_traces_show_crashes_recoveries_and_zombies() -> None:
    report = check_batch((Draw(TOLD, SEED, len([*walks()])), Draw("memory", SEED, 15)))
    assert report.status == 0, "\n".join(report.lines())
    assert [words for name, words in COUNTED.items() if not report.counts[name]] == []


def test_a_seed_gives_the_same_traces_again() -> None:
    draw = Draw("memory", 7, 3)
    assert record(draw) == record(draw)
    assert record(draw) != record(draw._replace(seed=8))


# Defects of the code that the reference model cannot see in these runs, and TLC can.


@pytest.mark.long
@pytest.mark.parametrize(
    ("mutant", "refused"),
    [
        ("stores-not-forced-before-finish", "drops the redo"),
        ("committed-after-one-vote", "commits"),
        ("live-holder-aborted", "aborts what another has left"),
    ],
)
def test_a_defect_is_seen_in_traces_alone(mutant: str, refused: str) -> None:
    with copied(usable(mutant)) as root:
        done = subprocess.run(
            [sys.executable, "-m", "models.traces", "--json", f"--seed={SEED}", "--number=30"],
            check=False,
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert report["failed"] == [], "the reference model has seen it"
    steps = {run["step"] for run in report["refused"] if "step" in run}
    assert any(refused in step for step in steps), steps


# A trace that tells of a wrong step is refused at that step.


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    """The trace of a grove over five files that somebody has left, and somebody else recovered."""
    folder = tmp_path_factory.mktemp("told")
    trace = folder / "trace.jsonl"
    for _ in range(2):
        grove = Grove.open(
            journal=journal_url(folder),
            stores=five_files(folder),
            topology=TOPOLOGY,
            background=False,
            trace=trace,
        )
        grove.claim("file:a", agent=CODER, intent_summary="mine")
        done = grove.contribute(kind="work", summary="a kernel", agent=CODER)
        grove.review(done.cid, summary="right", agent=REVIEWER)
        grove.abandon()
    Grove.open(
        journal=journal_url(folder), stores=five_files(folder), background=False, trace=trace
    ).close()
    with trace.open() as lines:
        return list(read_lines(lines, str(trace)))


def test_what_a_grove_writes_down_is_allowed(told: list[Line]) -> None:
    (verdict,) = judge([Run("a grove", told)])
    assert verdict.is_allowed
    names = {step.name for step in verdict.story.steps}
    assert {"HoldAndDecide", "Applied", "Crash", "TakeUp", "DropRedo"} <= names


Tamper = Callable[[list[Line]], Iterator[Line]]


def without(call: str, **facts: Any) -> Tamper:
    """Without the first such call, and its answer."""

    def tamper(lines: list[Line]) -> Iterator[Line]:
        found = next(line for line in lines if _is(line, call, facts))
        yield from (line for line in lines if _name(line) != _name(found))

    return tamper


def changed(call: str, answer: Mapping[str, Any], **facts: Any) -> Tamper:
    """With another answer to the last such call that was answered so far."""

    def tamper(lines: list[Line]) -> Iterator[Line]:
        found = [_name(line) for line in lines if _is(line, call, facts)]
        for line in lines:
            is_answer = "ended" in line and _name(line) == found[-1]
            yield {**line, **answer} if is_answer else line

    return tamper


def swapped(first: str, second: str) -> Tamper:
    """With the first of two kinds of calls and what follows of the other in each other's place."""

    def tamper(lines: list[Line]) -> Iterator[Line]:
        one = next(_name(line) for line in lines if _is(line, first, {}))
        other = next(
            _name(line) for line in lines if _is(line, second, {}) and line["began"] > one[2]
        )
        spans = {line["began"]: line["ended"] for line in lines if "ended" in line}
        place = {one: other[2], other: one[2]}
        for line in lines:
            began = place.get(_name(line))
            if began is None:
                yield line
            else:
                ended = {"ended": spans[began]} if "ended" in line else {}
                yield {**line, "began": began, **ended}

    return tamper


def unseen(lines: list[Line]) -> Iterator[Line]:
    """With a read of a record that does not find it."""
    found = next(line for line in lines if "id" in line.get("read", {}) and line["found"])
    for line in lines:
        yield {**line, "found": []} if line is found else line


def _is(line: Line, call: str, facts: Mapping[str, Any]) -> bool:
    return line.get("call") == call and facts.items() <= line.items()


def _name(line: Line) -> tuple[int, int, int]:
    return line["coordinator"], line["thread"], line["began"]


TAMPERED: Final[Mapping[str, tuple[Tamper, str]]] = {
    "a vote that nobody asked for": (without("validate"), "HoldAndDecide"),
    "a vote that is not right": (changed("validate", {"vote": False}), "HoldAndDecide"),
    "a store that was not written to": (without("apply"), "ReleaseKeys"),
    "a store that was not forced": (without("force"), "DropRedo"),
    "keys released before the writes": (swapped("apply", "release"), "ReleaseKeys"),
    "a decision after the writes": (swapped("leave", "apply"), "Applied"),
    "what is committed is not met": (changed("unfinished", {"found": []}), "Unfinished"),
    "a record that is there is not read": (unseen, "Read"),
    "one that is alive is taken for dead by who asks": (
        changed("is_alive", {"alive": True}),
        "Alive",
    ),
}


def test_a_tampered_trace_is_refused_where_it_is_wrong(told: list[Line]) -> None:
    runs = [Run(name, list(tamper(told))) for name, (tamper, _) in TAMPERED.items()]
    for verdict in judge(runs):
        _, refused = TAMPERED[verdict.run.name]
        assert not verdict.is_allowed, verdict.run.name
        assert refused in {step.name for step in verdict.refused}, verdict.run.name
