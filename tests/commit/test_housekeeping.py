"""What is done behind the callers' backs: durable, bounded, and never in anybody's way."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from grove_sm import Grove, StoreUnavailable
from grove_sm.commit import housekeeping
from grove_sm.commit.housekeeping import finish, forget
from grove_sm.journal.sqlite import SQLiteJournal
from tests.groves import CODER, NOW, Clock, Names, open_files

from .hindered import Hindered

PATIENCE = 30.0


def wait_until(holds: Callable[[], bool]) -> None:
    """Returns once something holds that happens by itself; fails if it never does."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


def unfinished(folder: Path) -> list[str]:
    """What the journal still keeps, asked by somebody who changes nothing by asking."""
    journal = SQLiteJournal(folder / "journal.db", opened_at=NOW)
    try:
        return [holder.txid for holder in journal.unfinished()]
    finally:
        journal.close()


def test_the_redo_is_kept_until_every_store_is_durable(hindered: Hindered, tmp_path: Path) -> None:
    grove = hindered.open()
    done = grove.contribute(kind="work", summary="a", agent=CODER)
    granted = grove.grant_credits("sponsor-1", 5)
    assert granted.available == 5
    hindered.stores["handoffs"].cannot_force = True
    assert finish(grove.coordinator) == 1
    assert unfinished(tmp_path) == [done.txid]
    assert grove.coordinator.journal.load(done.txid) is not None
    grove.flush()
    assert unfinished(tmp_path) == [done.txid]
    hindered.stores["handoffs"].cannot_force = False
    assert finish(grove.coordinator) == 1
    assert unfinished(tmp_path) == []
    assert grove.coordinator.applier.backlog == 0


def test_nothing_is_lost_when_the_journal_cannot_be_written(
    hindered: Hindered, tmp_path: Path
) -> None:
    grove = hindered.open()
    done = grove.contribute(kind="work", summary="a", agent=CODER)
    hindered.journal.cannot_finish = True
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            finish(grove.coordinator)
    hindered.journal.cannot_finish = False
    assert unfinished(tmp_path) == [done.txid]
    assert finish(grove.coordinator) == 1
    assert unfinished(tmp_path) == []


def test_finishing_with_nothing_to_finish_does_nothing(file_grove: Grove) -> None:
    assert finish(file_grove.coordinator) == 0


@pytest.mark.parametrize("store", ["contributions", "handoffs"])
def test_a_store_down_during_the_apply_is_caught_up_by_itself(
    hindered: Hindered, tmp_path: Path, store: str
) -> None:
    grove = hindered.open(background=True)
    hindered.stores[store].goes_down = True
    done = grove.contribute(kind="work", summary="a", agent=CODER)
    # Acknowledged, as it is decided; whoever needs the store is told, others go on.
    assert grove.outcome(done.txid) == "committed"
    assert grove.grant_credits("sponsor-1", 5).available == 5
    reader = grove.contributions.list if store == "contributions" else grove.handoffs.list
    with pytest.raises(StoreUnavailable):
        reader()
    assert done.txid in unfinished(tmp_path)
    hindered.stores[store].goes_down = hindered.stores[store].down = False
    wait_until(lambda: unfinished(tmp_path) == [])
    assert grove.contributions.get(done.cid) == done.contribution
    assert len(grove.handoffs.list(source_cid=done.cid)) == 2
    assert grove.audit().ok


def test_what_was_given_up_undecided_is_aborted_by_itself(
    hindered: Hindered, tmp_path: Path
) -> None:
    grove = hindered.open(background=True)
    hindered.stores["claims"].local = False
    hindered.journal.cannot_decide = True
    with pytest.raises(StoreUnavailable):
        grove.claim("file:a", agent=CODER, intent_summary="mine")
    assert len(unfinished(tmp_path)) == 1
    hindered.journal.cannot_decide = False
    wait_until(lambda: unfinished(tmp_path) == [])


def test_what_is_committed_is_finished_by_itself(
    tmp_path: Path, clock: Clock, names: Names
) -> None:
    with open_files(tmp_path, clock, names, background=True) as grove:
        for number in range(20):
            grove.contribute(kind="work", summary=f"{number}", agent=CODER)
        wait_until(lambda: unfinished(tmp_path) == [])


def test_what_a_dying_neighbour_leaves_is_ended_by_itself(
    tmp_path: Path, clock: Clock, names: Names
) -> None:
    with open_files(tmp_path, clock, names, background=True) as grove:
        neighbour = open_files(tmp_path, clock, names)
        neighbour.coordinator.applier.lag = 100
        left = neighbour.contribute(kind="work", summary="left", agent=CODER)
        neighbour.abandon()
        grove.contribute(kind="work", summary="own", agent=CODER)
        wait_until(lambda: unfinished(tmp_path) == [])
        assert grove.contributions.get(left.cid) == left.contribution


def test_closing_finishes_and_leaves_no_thread(tmp_path: Path, clock: Clock, names: Names) -> None:
    before = threading.active_count()
    grove = open_files(tmp_path, clock, names, background=True)
    assert threading.active_count() == before + 1
    grove.contribute(kind="work", summary="a", agent=CODER)
    grove.close()
    assert threading.active_count() == before
    assert unfinished(tmp_path) == []


def test_abandoning_finishes_nothing_and_leaves_no_thread(
    tmp_path: Path, clock: Clock, names: Names
) -> None:
    before = threading.active_count()
    grove = open_files(tmp_path, clock, names)
    done = grove.contribute(kind="work", summary="a", agent=CODER)
    grove.abandon()
    grove.close()
    assert threading.active_count() == before
    assert unfinished(tmp_path) == [done.txid]


def test_the_backlog_is_bounded_even_if_the_thread_never_gets_its_turn(
    tmp_path: Path, clock: Clock, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "_BACKLOG_LIMIT", 10)
    monkeypatch.setattr(housekeeping, "_INTERVAL", 3600.0)
    with open_files(tmp_path, clock, names, background=True) as grove:
        for number in range(45):
            grove.contribute(kind="work", summary=f"{number}", agent=CODER)
            assert grove.coordinator.applier.backlog <= 10
        assert len(unfinished(tmp_path)) <= 11


def test_transactions_gather_only_while_nobody_else_is_there(
    tmp_path: Path, clock: Clock, names: Names
) -> None:
    with open_files(tmp_path, clock, names, background=True) as grove:
        assert grove.coordinator.applier.lag > 1
        with open_files(tmp_path, clock, names, background=True) as other:
            assert other.coordinator.applier.lag == 1
            wait_until(
                lambda: (
                    bool(grove.contribute(kind="work", summary=names(), agent=CODER))
                    and grove.coordinator.applier.lag == 1
                )
            )
        wait_until(
            lambda: (
                bool(grove.contribute(kind="work", summary=names(), agent=CODER))
                and grove.coordinator.applier.lag > 1
            )
        )


def test_the_journal_stops_growing(tmp_path: Path, clock: Clock, names: Names) -> None:
    """Redo is dropped, what is older than is kept is forgotten, and their space is used again."""
    keep = timedelta(days=7)
    sizes = []
    with open_files(tmp_path, clock, names) as grove:
        coordinator = grove.coordinator
        for day in range(30):
            for number in range(25):
                grove.contribute(
                    kind="work", summary=f"{day}-{number}", agent=CODER, idempotency_key=names()
                )
            grove.flush()
            assert coordinator.journal.unfinished() == ()
            forget(coordinator, keep)
            coordinator.journal.trim()
            files = (tmp_path / "journal.db", tmp_path / "journal.db-wal")
            sizes.append(sum(path.stat().st_size for path in files))
            clock.advance(86400)
        kept = coordinator.journal.history(10_000)
    assert len(kept) <= 25 * (keep.days + 2)
    assert max(sizes[20:]) <= max(sizes[:20])


def test_the_log_of_a_store_stops_growing(tmp_path: Path, clock: Clock, names: Names) -> None:
    sizes = []
    with open_files(tmp_path, clock, names) as grove:
        grove.claim("file:a", agent=CODER, intent_summary="mine")
        for _ in range(6):
            for _ in range(60):
                grove.claim("file:a", agent=CODER, intent_summary="mine")
            grove.flush()
            for store in grove.coordinator.stores.values():
                store.trim()
            sizes.append((tmp_path / "claims.db-wal").stat().st_size)
    assert len(set(sizes[1:])) == 1


def test_a_foreign_write_is_recorded_and_reported(hindered: Hindered) -> None:
    grove = hindered.open()
    hindered.stores["claims"].goes_down = True
    claimed = grove.claim("file:a", agent=CODER, intent_summary="mine")
    store = hindered.stores["claims"]
    store.goes_down = store.down = False
    connection = store._file.connection
    connection.execute(
        "INSERT INTO claims (record_id, revision, txid, members, document, checksum) "
        "VALUES (?, 1, 'somebody', '[]', '{}', 'x')",
        (claimed.claim.claim_id,),
    )
    grove.recover()
    (heuristic,) = grove.coordinator.journal.heuristics()
    assert heuristic.txid == claimed.txid
    assert heuristic.record_id == claimed.claim.claim_id
    assert heuristic.found == "revision 1 by somebody"
    report = grove.audit()
    assert "no other software writes here" in {violation.rule for violation in report.violations}
    # It is settled as far as it can be, and stands in nobody's way.
    assert grove.recover().in_doubt == []
