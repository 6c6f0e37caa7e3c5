"""A grove's files may be made by several processes at once."""

import multiprocessing
from multiprocessing.synchronize import Barrier
from pathlib import Path

from tests.groves import START, Names, open_files

PROCESSES = 4
ROUNDS = 15


def open_once(folder: Path, barrier: Barrier, failures: Path) -> None:
    barrier.wait()
    try:
        open_files(folder, lambda: START, Names()).close()
    except Exception as error:
        failures.write_text(repr(error))


def test_several_processes_may_make_one_grove_at_once(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    failures = []
    for number in range(ROUNDS):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        barrier = fork.Barrier(PROCESSES)
        reports = [tmp_path / f"{number}-{process}" for process in range(PROCESSES)]
        processes = [
            fork.Process(target=open_once, args=(folder, barrier, report)) for report in reports
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        failures += [report.read_text() for report in reports if report.exists()]
    assert failures == []
