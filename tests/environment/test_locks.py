"""Files that another process has locked, and processes that fork."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from grove_sm import StoreUnavailable
from tests.groves import CODER, Clock, Names, open_files

from .programs import ROOT, run

PATIENCE = 0.2
PATIENT = 30.0


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process holds a file's write lock."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.environment.scenarios.locker", path],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield
        assert holder.stdin is not None
        holder.stdin.close()
        assert holder.wait(30) == 0


def test_a_locked_journal_is_named_after_our_patience(
    tmp_path: Path, clock: Clock, names: Names
) -> None:
    with open_files(tmp_path, clock, names, patience=PATIENCE) as grove:
        before = grove.contribute(kind="work", summary="before", agent=CODER)
        with locked(tmp_path / "journal.db"):
            with pytest.raises(StoreUnavailable) as caught:
                grove.contribute(kind="work", summary="meanwhile", agent=CODER)
            assert "journal.db" in caught.value.store
            assert "locked" in caught.value.reason
            assert grove.contributions.get(before.cid) == before.contribution
            with pytest.raises(StoreUnavailable) as caught:
                open_files(tmp_path, clock, names, patience=PATIENCE)
            assert "journal.db" in caught.value.store
        assert len(grove.contributions.list()) == 1
        grove.contribute(kind="work", summary="meanwhile", agent=CODER)
        assert len(grove.contributions.list()) == 2
        assert grove.audit().ok


def test_a_locked_store_is_caught_up_with_later(tmp_path: Path, clock: Clock, names: Names) -> None:
    with open_files(tmp_path, clock, names, patience=PATIENCE) as grove:
        with locked(tmp_path / "handoffs.db"):
            done = grove.contribute(kind="work", summary="meanwhile", agent=CODER)
            assert grove.outcome(done.txid) == "committed"
            assert grove.contributions.get(done.cid) == done.contribution
            with pytest.raises(StoreUnavailable) as caught:
                grove.handoffs.list()
            assert "handoffs.db" in caught.value.store
        assert len(grove.handoffs.list()) == 2
        assert grove.audit().ok


def test_somebody_else_is_waited_for(tmp_path: Path, clock: Clock, names: Names) -> None:
    with (
        open_files(tmp_path, clock, names, patience=PATIENT) as grove,
        ThreadPoolExecutor(1) as pool,
    ):
        with locked(tmp_path / "journal.db"):
            contributing = pool.submit(grove.contribute, kind="work", summary="a", agent=CODER)
            with pytest.raises(TimeoutError):
                contributing.result(0.3)
        assert contributing.result(PATIENT).duplicate is False


def test_a_process_may_fork_with_a_grove_open(tmp_path: Path) -> None:
    run("forked", tmp_path)


def test_a_process_may_fork_while_housekeeping_is_at_work(tmp_path: Path) -> None:
    run("forked_at_work", tmp_path)
