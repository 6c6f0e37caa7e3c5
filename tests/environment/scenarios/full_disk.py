"""A disk that is full while a grove is opened, contributed to, or applied to."""

import logging
import sys
from pathlib import Path

from grove_sm import Contributed, Grove, NotFound, StoreUnavailable, compute_cid
from tests.environment.scenarios.disks import Disk
from tests.groves import CODER, Clock, Names, five_files, journal_url, open_files


def contribute(grove: Grove, summary: str) -> Contributed:
    return grove.contribute(
        kind="work",
        summary=summary,
        description="x" * 20_000,
        agent=CODER,
        created_at="2026-01-01T00:00:00Z",
    )


def during_open(folder: Path) -> None:
    """However little space there is, it opens, or says why not; and opens once there is some."""
    disk = Disk(folder, 4096)
    refused = opened = 0
    for free in (*range(0, 480, 8), *range(480, 1600, 160)):
        disk.fill(but_for=free)
        try:
            Grove.open(folder / "grove", background=False).close()
        except StoreUnavailable:
            refused += 1
        else:
            opened += 1
        disk.free()
        with Grove.open(folder / "grove", background=False) as grove:
            contribute(grove, "afterwards")
            assert grove.audit().ok
        for path in sorted((folder / "grove").iterdir()):
            path.unlink()
        (folder / "grove").rmdir()
    assert refused > 10
    assert opened > 0


def during_contribute(folder: Path) -> None:
    """What is refused has left nothing; others read on; and it goes on once there is space."""
    disk = Disk(folder, 16384)
    clock, names = Clock(), Names()
    with open_files(folder, clock, names) as grove:
        done = [contribute(grove, f"before {number}") for number in range(3)]
        disk.fill()
        refused, errors = [], []
        for number in range(60):
            try:
                done.append(contribute(grove, f"meanwhile {number}"))
            except StoreUnavailable as error:
                refused.append(f"meanwhile {number}")
                errors.append(error)
        assert len(refused) > 20
        assert all("journal.db" in e.store and "is full" in e.reason for e in errors), errors
        for summary in refused:
            assert_absent(grove, summary)
        assert grove.contributions.get(done[0].cid) == done[0].contribution
        disk.free()
        assert not grove.recover().in_doubt
        done += [contribute(grove, summary) for summary in refused]
        check(grove, done)
    with open_files(folder, clock, names) as grove:
        check(grove, done)


def after_a_crash(folder: Path) -> None:
    """A refusal stays one when the process then dies, and the log is read by the next."""
    disk = Disk(folder, 16384)
    clock, names = Clock(), Names()
    grove = open_files(folder, clock, names)
    done = [contribute(grove, "before")]
    disk.fill()
    refused = []
    for number in range(40):
        try:
            done.append(contribute(grove, f"meanwhile {number}"))
        except StoreUnavailable:
            refused.append(f"meanwhile {number}")
    assert refused
    grove.abandon()
    disk.free()
    with open_files(folder, clock, names) as again:
        for summary in refused:
            assert_absent(again, summary)
        check(again, done)


def during_apply(folder: Path) -> None:
    """The journal has space, the stores have none: acknowledged, and made visible later."""
    disk = Disk(folder / "stores", 16384)
    clock, names = Clock(), Names()
    with Grove.open(
        journal=journal_url(folder),
        stores=five_files(folder / "stores"),
        topology={"coder": ["reviewer"]},
        clock=clock,
        random=names,
        background=False,
    ) as grove:
        done = [contribute(grove, "before")]
        disk.fill()
        done += [contribute(grove, f"meanwhile {number}") for number in range(30)]
        assert all(grove.outcome(d.txid) == "committed" for d in done)
        errors = []
        for d in done:
            try:
                assert grove.contributions.get(d.cid) == d.contribution
            except StoreUnavailable as error:
                errors.append(error)
        assert errors
        assert all("contributions.db" in error.store for error in errors), errors
        report = grove.recover()
        assert len(report.in_doubt) >= len(errors)
        disk.free()
        assert set(grove.recover().rolled_forward) == set(report.in_doubt)
        check(grove, done)


def assert_absent(grove: Grove, summary: str) -> None:
    cid = compute_cid(
        {
            "manifestVersion": 1,
            "kind": "work",
            "mode": "evaluation",
            "summary": summary,
            "description": "x" * 20_000,
            "artifacts": {},
            "relations": [],
            "tags": [],
            "agent": CODER.to_document(),
            "createdAt": "2026-01-01T00:00:00.000Z",
        }
    )
    try:
        grove.contributions.get(cid)
    except NotFound:
        return
    raise AssertionError(f"{summary} was refused and is there")


def check(grove: Grove, done: list[Contributed]) -> None:
    assert {c.cid for c in grove.contributions.list()} == {d.cid for d in done}
    for d in done:
        assert {h.handoff_id for h in grove.handoffs.list(source_cid=d.cid)} == set(d.handoff_ids)
    assert grove.audit().ok, grove.audit().violations


SCENARIOS = {f.__name__: f for f in (during_open, during_contribute, after_a_crash, during_apply)}

if __name__ == "__main__":
    logging.disable()
    SCENARIOS[sys.argv[1]](Path(sys.argv[2]))
