"""What a traced grove writes down about itself, and that it is a grove like any other."""

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from grove_sm import Grove
from grove_sm.domain.errors import StoreUnavailable
from tests.groves import CODER, TOPOLOGY, five_files, journal_url


def open_traced(folder: Path, trace: Path, *, background: bool = False) -> Grove:
    """A grove over five files."""
    return Grove.open(
        journal=journal_url(folder),
        stores=five_files(folder),
        topology=TOPOLOGY,
        background=background,
        trace=trace,
    )


def lines(path: Path) -> list[dict[str, Any]]:
    """What a trace says."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def calls(path: Path) -> list[str]:
    """The calls that change something, in order."""
    told = [line for line in lines(path) if "call" in line and "ended" not in line]
    return [
        f"{line['call']} {Path(line['store']).stem}".strip() if "store" in line else line["call"]
        for line in told
    ]


def test_a_transaction_is_told_from_its_keys_to_the_end_of_its_redo(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    with open_traced(tmp_path, trace) as grove:
        done = grove.contribute(kind="work", summary="a secret", agent=CODER)
    assert calls(trace) == [
        "finish",
        "hold",
        "leave",
        "apply contributions",
        "apply handoffs",
        "release",
        "flush",
        "force handoffs",
        "force contributions",
        "finish",
        "close",
    ]
    told = lines(trace)
    (hold,) = (line for line in told if line.get("call") == "hold")
    assert [write["id"] for write in hold["writes"]] == [done.cid, *done.handoff_ids]
    assert {write["base"] for write in hold["writes"]} == {0}
    assert hold["writes"][1]["fields"]["toRole"] == "reviewer"
    assert "a secret" not in trace.read_text()
    (decided,) = (line for line in told if "decision" in line)
    assert decided["decision"] == "commit"
    votes = [line["vote"] for line in told if line.get("call") == "validate"]
    assert votes == [True, True]


def test_every_call_is_answered_in_its_turn(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    with open_traced(tmp_path, trace, background=True) as grove:
        for number in range(20):
            grove.claim(f"file:{number}", agent=CODER, intent_summary="mine")
    told = lines(trace)
    asked = [(line["thread"], line["began"]) for line in told if "call" in line]
    ended = [(line["thread"], line["began"]) for line in told if "ended" in line]
    assert sorted(asked) == sorted(ended)
    assert all(line["began"] < line["ended"] for line in told if "ended" in line)
    assert {line["thread"] for line in told} == {1, 2}, "the caller's and the housekeeping's"


def test_what_fails_is_told_by_its_error(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    grove = open_traced(tmp_path, trace)
    for store in grove.coordinator.stores.values():
        store.close()
    with pytest.raises(StoreUnavailable):
        grove.claim("file:a", agent=CODER, intent_summary="mine")
    grove.abandon()
    (failed,) = (line for line in lines(trace) if "error" in line)
    assert (failed["call"], failed["error"]) == ("read", "StoreUnavailable")


def test_without_a_trace_nothing_is_in_the_way(tmp_path: Path) -> None:
    with Grove.open(tmp_path / "grove") as grove:
        parts = [grove.coordinator.journal, *grove.coordinator.stores.values()]
        assert not [part for part in parts if "Traced" in type(part).__name__]


def test_a_trace_that_cannot_be_begun_leaves_nothing_open(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"missing/trace\.jsonl.*no trace"):
        open_traced(tmp_path, tmp_path / "missing" / "trace.jsonl")
    with open_traced(tmp_path, tmp_path / "trace.jsonl") as grove:
        assert not grove.coordinator.journal.has_company()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_trace_that_cannot_go_on_does_not_stop_the_grove(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), open_traced(tmp_path, Path("/dev/full")) as grove:
        grove.claim("file:a", agent=CODER, intent_summary="mine")
        assert grove.audit().ok
    assert [record.message for record in caplog.records] == [
        "the trace /dev/full ends here: [Errno 28] No space left on device"
    ]


def test_coordinators_that_share_a_trace_are_told_apart(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    with open_traced(tmp_path, trace) as one, open_traced(tmp_path, trace) as other:
        one.claim("file:a", agent=CODER, intent_summary="mine")
        other.claim("file:b", agent=CODER, intent_summary="mine")
    holds = [line["coordinator"] for line in lines(trace) if line.get("call") == "hold"]
    assert holds == [1, 2]


def test_what_a_killed_process_was_about_to_do_is_told(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from pathlib import Path
from grove_sm.stores.sqlite import SQLiteStore
from tests.groves import CODER
from tests.test_tracing import open_traced
SQLiteStore.apply = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
folder = Path(sys.argv[1])
open_traced(folder, folder / "trace.jsonl").claim("file:a", agent=CODER, intent_summary="mine")
"""
    killed = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        check=False,
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert killed.returncode == -signal.SIGKILL
    last = lines(tmp_path / "trace.jsonl")[-1]
    assert last["call"] == "apply"
    assert "ended" not in last
