"""What a journal in a SQLite file adds: decisions that share a forced write share nothing else."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from grove_sm.commit.machine import Decision
from grove_sm.commit.record import Entry
from grove_sm.domain.errors import GroveError, OutcomeUnknown, StoreUnavailable
from grove_sm.journal.append import Appender
from grove_sm.journal.sqlite import SQLiteJournal
from tests.groves import NOW

from .places import entry, idempotency_key

BROKEN = "bbbb"
LATER = "2026-01-02T12:00:00.000Z"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SQLiteJournal]:
    """The journal."""
    with closing(SQLiteJournal(path, opened_at=NOW)) as journal:
        yield journal


def decide(journal: SQLiteJournal, made: Entry) -> Decision:
    with journal.hold(made, one_append=True) as hold:
        assert hold.refused_by == ()
        hold.decide(Decision.COMMIT)
    return hold.decision


def committed(journal: SQLiteJournal) -> set[str]:
    return {holder.txid for holder in journal.unapplied()}


def in_one_batch(journal: SQLiteJournal, work: list[Callable[[], object]]) -> list[Future[object]]:
    """Start each piece of work while the turn is taken, so that all queue up behind it."""
    with (
        ThreadPoolExecutor(len(work)) as pool,
        journal.hold(entry(journal, "first"), one_append=True),
    ):
        futures = [pool.submit(piece) for piece in work]
        while journal._appender._waiting < len(work):
            threading.Event().wait(0.001)
    return futures


def test_those_who_wait_share_one_commit(journal: SQLiteJournal) -> None:
    commits: list[str] = []
    journal._appender.connection.set_trace_callback(
        lambda statement: commits.append(statement) if statement == "COMMIT" else None
    )
    made = [entry(journal, f"{number}x") for number in range(8)]
    futures = in_one_batch(journal, [partial(decide, journal, m) for m in made])
    assert {future.result() for future in futures} == {Decision.COMMIT}
    assert committed(journal) >= {m.txid for m in made}
    assert len(commits) < len(made)


def test_a_refused_one_in_the_middle_spoils_nothing(journal: SQLiteJournal) -> None:
    made = [entry(journal, f"{number}x", keys=(f"k{number // 2}",)) for number in range(8)]

    def try_to_decide(made: Entry) -> Decision:
        with journal.hold(made, one_append=True) as hold:
            if not hold.refused_by:
                hold.decide(Decision.COMMIT)
        return hold.decision

    futures = in_one_batch(journal, [partial(try_to_decide, m) for m in made])
    won = {m.txid for m, future in zip(made, futures, strict=True)
           if future.result() is Decision.COMMIT}  # fmt: skip
    assert len(won) == len(made) // 2
    assert committed(journal) >= won
    assert not committed(journal) & ({m.txid for m in made} - won)


def test_one_that_raises_before_it_decided_spoils_nothing(journal: SQLiteJournal) -> None:
    made = [entry(journal, f"{number}x") for number in range(4)]

    def hold_and_raise() -> None:
        with journal.hold(entry(journal, "raises"), one_append=True) as hold:
            hold.decide(Decision.COMMIT)
            raise ZeroDivisionError

    work: list[Callable[[], object]] = [partial(decide, journal, m) for m in made]
    *futures, raising = in_one_batch(journal, [*work, hold_and_raise])
    assert isinstance(raising.exception(), ZeroDivisionError)
    assert {future.result() for future in futures} == {Decision.COMMIT}
    assert committed(journal) >= {m.txid for m in made}


@pytest.mark.parametrize(
    ("table", "column"), [("transactions", "txid"), ("idempotency_keys", "record_id")]
)
def test_one_whose_append_fails_is_in_no_part_committed(
    path: Path, journal: SQLiteJournal, table: str, column: str
) -> None:
    """Whether it fails at its first write or at its second."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            f"CREATE TRIGGER broken BEFORE INSERT ON {table} "
            f"WHEN new.{column} LIKE '%{BROKEN}' BEGIN SELECT RAISE(ABORT, 'broken'); END"
        )
    made = [
        entry(journal, name, idempotency=idempotency_key(name, expires_at=LATER))
        for name in ("aaaa", BROKEN, "cccc", "dddd")
    ]
    futures = in_one_batch(journal, [partial(decide_or_fail, journal, m) for m in made])
    outcomes = [future.result() for future in futures]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TRIGGER broken")
    assert isinstance(outcomes[1], StoreUnavailable)
    for m, outcome in zip(made, outcomes, strict=True):
        assert m.idempotency is not None
        recorded = journal.recall(m.idempotency.record_id, NOW)
        if outcome is Decision.COMMIT:
            assert m.txid in committed(journal)
            assert recorded is not None
        else:
            assert isinstance(outcome, StoreUnavailable)
            assert m.txid not in committed(journal)
            assert journal.outcome(m.txid) is Decision.ABORT
            assert recorded is None
    assert decide(journal, entry(journal, "afterwards")) is Decision.COMMIT


class Unwilling(sqlite3.Connection):
    """A connection whose next commits fail, as on a disk that has just filled up.

    With `takes_place` they fail once they have taken place, as where only the sync has failed.
    """

    failures = 0
    takes_place = False

    def execute(self, sql: str, *args: object) -> sqlite3.Cursor:
        if sql == "COMMIT" and type(self).failures:
            type(self).failures -= 1
            if self.takes_place:
                super().execute(sql)
            raise sqlite3.OperationalError("the disk is full")
        return super().execute(sql, *args)  # type: ignore[arg-type]


@pytest.fixture
def _unwilling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection is an unwilling one."""
    connect = sqlite3.connect

    def connect_unwilling(*args: object, **kwargs: object) -> sqlite3.Connection:
        return connect(*args, **{**kwargs, "factory": Unwilling})  # type: ignore[no-any-return, call-overload]

    monkeypatch.setattr(sqlite3, "connect", connect_unwilling)


@pytest.mark.usefixtures("_unwilling")
def test_all_in_a_batch_whose_commit_fails_are_told_so(path: Path) -> None:
    with closing(SQLiteJournal(path, opened_at=NOW)) as journal:
        made = [entry(journal, f"{number}x") for number in range(4)]
        Unwilling.failures = 1
        futures = in_one_batch(journal, [partial(decide_or_fail, journal, m) for m in made])
        results = [future.result() for future in futures]
        assert any(isinstance(result, StoreUnavailable) for result in results)
        for m, result in zip(made, results, strict=True):
            assert (m.txid in committed(journal)) is (result is Decision.COMMIT)
            if result is not Decision.COMMIT:
                assert journal.outcome(m.txid) is Decision.ABORT
        assert decide(journal, entry(journal, "afterwards")) is Decision.COMMIT
    with closing(SQLiteJournal(path, opened_at=NOW)) as again:
        for m, result in zip(made, results, strict=True):
            assert (m.txid in committed(again)) is (result is Decision.COMMIT)


@pytest.mark.usefixtures("_unwilling")
def test_an_outcome_that_cannot_be_found_out_is_said_to_be_unknown(path: Path) -> None:
    with closing(SQLiteJournal(path, opened_at=NOW)) as journal:
        made = entry(journal, "a")
        # The commit fails, and so does the one that was to settle what became of it.
        Unwilling.failures = 2
        with pytest.raises(OutcomeUnknown) as caught:
            decide(journal, made)
        assert caught.value.txid == made.txid
        assert decide(journal, entry(journal, "b")) is Decision.COMMIT
        outcome = journal.outcome(made.txid)
        assert (made.txid in committed(journal)) is (outcome is Decision.COMMIT)
    with closing(SQLiteJournal(path, opened_at=NOW)) as again:
        assert again.outcome(made.txid) is outcome


@pytest.mark.usefixtures("_unwilling")
def test_a_commit_that_failed_but_took_place_is_not_told_as_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(SQLiteJournal(path, opened_at=NOW)) as journal:
        made = entry(journal, "a")
        Unwilling.failures = 1
        monkeypatch.setattr(Unwilling, "takes_place", True)
        with pytest.raises(OutcomeUnknown) as caught:
            decide(journal, made)
        assert caught.value.txid == made.txid
        assert journal.outcome(made.txid) is Decision.COMMIT
        assert made.txid in committed(journal)


def decide_or_fail(journal: SQLiteJournal, made: Entry) -> Decision | GroveError:
    try:
        return decide(journal, made)
    except GroveError as error:
        return error


def test_who_was_to_follow_may_go_away(path: Path) -> None:
    """A thread that has joined commits by itself if nobody else does."""
    with closing(SQLiteJournal(path, opened_at=NOW)) as journal:
        appender: Appender = journal._appender
        appender._waiting += 1
        try:
            assert decide(journal, entry(journal, "a")) is Decision.COMMIT
        finally:
            appender._waiting -= 1
