"""Many threads and processes on one journal; recoveries beside those who are at work."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from grove_sm.operations.layout import COLLECTIONS
from tests.groves import SPONSOR, TOPOLOGY

from .sight import look, missing_parts
from .work import SHARED, Load, Manner, crowd, glance, open_grove, work
from .zygote import CONTEXT, Worker

OPERATIONS = 150
MANNERS = [Manner(True, True), Manner(False, False), Manner(True, False)]

PROCESSES = 3
LOAD = Load(threads=4, grants=10, shared_keys=20, contributions=20)


def test_recoveries_leave_live_coordinators_alone(
    tmp_path: Path, seed: int, record_property: Callable[[str, object], None]
) -> None:
    with open_grove(tmp_path) as grove:
        grove.grant_credits(SPONSOR.agent_id, 10**9)
    openings = 0
    with ExitStack() as stack:
        workers = [
            stack.enter_context(Worker(work, tmp_path, manner, f"{seed} {manner}", OPERATIONS))
            for manner in MANNERS
        ]
        while openings == 0 or not all(worker.has_told() for worker in workers):
            with open_grove(tmp_path, MANNERS[openings % len(MANNERS)]) as grove:
                report = grove.recovery
                assert report.rolled_back == report.rolled_forward == report.in_doubt == []
                # Reading is not at one moment here, auditing is.
                assert grove.audit().violations == ()
            openings += 1
        acknowledged = [records for worker in workers for records in worker.receive()]
        for worker in workers:
            worker.send("close")
            worker.process.join()
    assert len(acknowledged) == OPERATIONS * len(MANNERS)
    with open_grove(tmp_path) as grove:
        ids, missing = glance(look(grove.coordinator, COLLECTIONS[0]))
        assert missing == ()
        assert grove.audit().violations == ()
        assert grove.coordinator.journal.unfinished() == ()
    for records in acknowledged:
        for collection, record_id in records.items():
            assert record_id in ids[collection]
    record_property("counted", f"seed {seed}: {openings} openings beside {len(MANNERS)} workers")


def test_threads_and_processes_share_a_journal(tmp_path: Path) -> None:
    barrier = CONTEXT.Barrier(PROCESSES)
    open_grove(tmp_path).close()
    with ExitStack() as stack:
        workers = [
            stack.enter_context(Worker(crowd, tmp_path, LOAD, barrier)) for _ in range(PROCESSES)
        ]
        cids = [cid for worker in workers for cid in worker.receive()]
        for worker in workers:
            worker.send("close")
            worker.process.join()
    everybody = PROCESSES * LOAD.threads
    assert len(cids) == len(set(cids)) == everybody * LOAD.contributions
    with open_grove(tmp_path) as grove:
        sight = look(grove.coordinator, COLLECTIONS[0])
        assert missing_parts(sight) == []
        assert set(sight["contributions"]) == set(cids)
        assert len(sight["handoffs"]) == len(cids) * len(TOPOLOGY["coder"])
        granted = everybody * LOAD.grants + LOAD.shared_keys
        assert grove.credits.balance(SHARED).available == granted
        assert grove.audit().violations == ()
