"""The demo as a whole, in small: real workers, real kills."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from grove_sm.demo import run_demo
from grove_sm.demo.run import OWN_HISTORY
from grove_sm.demo.storm import make_schedule
from grove_sm.domain.errors import StoreUnavailable, ValidationError

KILLS = 16
SEED = int(os.environ.get("GROVE_SEED", "7"))
RUN = """
import sys
from pathlib import Path
from grove_sm.demo import run_demo
sys.exit(run_demo({}))
"""


def start(folder: Path, arguments: str) -> subprocess.Popen[str]:
    """The demo in a process group of its own, with its temporary files in `folder`."""
    return subprocess.Popen(
        [sys.executable, "-c", RUN.format(arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
        start_new_session=True,
    )


def is_anybody_left(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    sys.stdout.write(f"seed {SEED}\n")
    folder = tmp_path_factory.mktemp("demo")
    process = start(folder, f"seed={SEED}, kills={KILLS}, workers=3, as_json=True")
    output, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert list(folder.iterdir()) == [], "temporary files are removed"
    assert not is_anybody_left(process.pid)
    document: dict[str, Any] = json.loads(output)
    return document


def test_with_the_journal_every_operation_is_whole_or_absent(outcome: dict[str, Any]) -> None:
    safe = outcome["safe"]
    assert safe["violations"] == []
    assert safe["inPart"] == 0
    assert safe["rolledForward"] + safe["rolledBack"] == safe["cutOff"] > 0
    assert safe["acknowledged"] > 0


def test_without_it_records_are_left_dangling(outcome: dict[str, Any]) -> None:
    unsafe = outcome["unsafe"]
    assert unsafe["inPart"] > 0
    assert len(unsafe["violations"]) >= unsafe["inPart"]
    assert {violation["rule"] for violation in unsafe["violations"]} <= {
        "a contribution has its handoffs",
        "a claim has its bounty",
        "an unsettled bounty's amount is reserved",
    }


def test_outcome_tells_what_was_run(outcome: dict[str, Any]) -> None:
    told = {name: outcome[name] for name in ("seed", "kills", "workers", "imported")}
    lines = OWN_HISTORY.read_text().splitlines()
    assert told == {"seed": SEED, "kills": KILLS, "workers": 3, "imported": len(lines)}


def test_table_has_both_sides_and_the_files_are_kept(tmp_path: Path) -> None:
    keep = tmp_path / "kept"
    process = start(
        tmp_path, f"seed=1, kills=3, workers=2, keep=__import__('pathlib').Path({str(keep)!r})"
    )
    output, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert "with the journal" in output
    assert "--seed 1" in output
    names = {path.name for path in keep.iterdir()}
    assert names == {"safe", "unsafe"}
    assert (keep / "safe" / "journal.db").exists()


def test_interrupt_leaves_no_worker_and_no_file(tmp_path: Path) -> None:
    process = start(tmp_path, "seed=1, kills=10_000, workers=3")
    while not list(tmp_path.glob("*/safe/worker-*-life-1.log")):
        assert process.poll() is None
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate()
    assert "KeyboardInterrupt" in errors
    assert not is_anybody_left(process.pid)
    assert list(tmp_path.iterdir()) == []


def test_workers_end_when_the_demo_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path, "seed=1, kills=10_000, workers=3")
    while not list(tmp_path.glob("*/safe/worker-*-life-1.log")):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    while is_anybody_left(process.pid):
        time.sleep(0.01)
    process.communicate()


@pytest.mark.parametrize("seed", range(20))
def test_same_seed_makes_the_same_choices(seed: int) -> None:
    schedule = make_schedule(seed, 40, 4)
    assert schedule == make_schedule(seed, 40, 4)
    assert schedule != make_schedule(seed + 1, 40, 4)


def test_schedule_ends_every_worker_once() -> None:
    schedule = make_schedule(SEED, 40, 4)
    assert len(schedule) == 40
    assert not any(kill.is_last for kill in schedule[:-4])
    assert Counter(kill.worker for kill in schedule if kill.is_last) == Counter(range(4))


@pytest.mark.parametrize(("kills", "workers"), [(3, 4), (0, 0), (5, 0), (5, -1)])
def test_every_worker_needs_a_kill(kills: int, workers: int) -> None:
    with pytest.raises(ValidationError, match=r"^workers must be at least 1 and at most"):
        run_demo(kills=kills, workers=workers)


def test_folder_to_keep_files_in_must_be_free(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValidationError, match=r"^keep must be a new or empty folder"):
        run_demo(kills=1, workers=1, keep=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_bad_history_is_refused_by_line(tmp_path: Path) -> None:
    lines = OWN_HISTORY.read_text().splitlines()
    document = json.loads(lines[0])
    history = tmp_path / "history.jsonl"
    history.write_text("\n".join([lines[0], json.dumps({**document, "summary": ""})]))
    with pytest.raises(ValidationError, match=r"line 2 must be a contribution: summary must have"):
        run_demo(file=history, kills=1, workers=1)
    with pytest.raises(StoreUnavailable, match="nowhere"):
        run_demo(file=tmp_path / "nowhere", kills=1, workers=1)
