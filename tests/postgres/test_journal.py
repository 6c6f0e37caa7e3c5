"""What a journal in PostgreSQL adds: coordinators that lose their session, many coordinators' rows,
and decisions that are told."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from grove_sm.commit.machine import Decision
from grove_sm.commit.txid import make_txid
from grove_sm.domain.errors import StoreUnavailable, ValidationError
from grove_sm.journal.postgres import PostgresJournal
from grove_sm.postgres.url import PostgresUrl
from tests.conformance.places import commit, entry, finish, idempotency_key, txids
from tests.groves import NOW, START
from tests.servers.postgres import new_schema, shared_server

from .journals import LONG, open_at, until, until_back

LATER = "2026-01-02T12:00:00.000Z"
MUCH_LATER = "2026-02-01T12:00:00.000Z"


@pytest.fixture
def url() -> str:
    """Where the journal is."""
    return new_schema()


@pytest.fixture
def schema(url: str) -> str:
    """Its schema."""
    return PostgresUrl.parse(url, setting="journal").schema


@pytest.fixture
def journal(url: str) -> Iterator[PostgresJournal]:
    """The journal."""
    with closing(open_at(url)) as journal:
        yield journal


@pytest.fixture
def other(url: str, journal: PostgresJournal) -> Iterator[PostgresJournal]:
    """Another coordinator of it."""
    with closing(open_at(url)) as other:
        yield other


def ask(query: str, *values: object) -> list[tuple[Any, ...]]:
    """Past the journal."""
    with shared_server().connect() as connection:
        return connection.execute(query.encode(), values).fetchall()


def ask_nothing(command: str) -> None:
    """As `ask`, where there is no answer."""
    with shared_server().connect() as connection:
        connection.execute(command.encode())


def sessions_of(schema: str) -> Sequence[int]:
    """The server's processes that hold a coordinator's life."""
    rows = ask(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 "
        f"AND mode = 'ExclusiveLock' AND classid = '{schema}.coordinators'::regclass ORDER BY objid"
    )
    return [pid for (pid,) in rows]


def cut_session_of(schema: str, index: int) -> None:
    """End the session of one coordinator, and return once the server has let go of its lock."""
    pid = sessions_of(schema)[index]
    ask("SELECT pg_terminate_backend(%s)", pid)
    while pid in sessions_of(schema):
        time.sleep(0.01)


# liveness


def test_who_has_lost_its_session_is_dead_and_comes_back_as_another(
    journal: PostgresJournal, other: PostgresJournal, schema: str, caplog: pytest.LogCaptureFixture
) -> None:
    number = other.coordinator
    before = entry(other, "before")
    cut_session_of(schema, 1)
    assert not journal.is_alive(number)
    until(lambda: other.coordinator != number)
    assert journal.is_alive(other.coordinator)
    assert not other.is_alive(number)
    # It would be somebody dead who decides.
    with pytest.raises(StoreUnavailable) as caught, other.hold(before, one_append=True):
        pass
    assert f"coordinator {number} has lost its session and is dead" in str(caught.value)
    commit(other, entry(other, "after"))
    assert f"coordinator {number} has lost its session" in caplog.text


@pytest.mark.parametrize("one_append", [True, False])
def test_who_loses_its_session_while_it_holds_keys_does_not_commit(
    journal: PostgresJournal, other: PostgresJournal, schema: str, one_append: bool
) -> None:
    made = entry(other, "a", keys=("k",))
    with other.hold(made, one_append=one_append) as hold:
        number = other.coordinator
        cut_session_of(schema, 1)
        until(lambda: other.coordinator != number)
        hold.decide(Decision.COMMIT)
    assert hold.decision is Decision.ABORT
    assert journal.unfinished() == ()
    commit(journal, entry(journal, "b", keys=("k",)))


@pytest.mark.parametrize("one_append", [True, False])
def test_a_zombie_that_does_not_know_it_is_dead_loses_to_whoever_decided(
    journal: PostgresJournal, other: PostgresJournal, schema: str, one_append: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """It is taken for dead, and its transaction for aborted, before it asks for a commit."""
    key = idempotency_key("k", expires_at=LATER)
    made = entry(other, "a", keys=("k",), idempotency=key)
    monkeypatch.setattr(other._life, "is_own", lambda _: True)
    with other.hold(made, one_append=one_append) as hold:
        cut_session_of(schema, 1)
        assert journal.outcome(made.txid) is (Decision.ABORT if one_append else None)
        if not one_append:
            assert not journal.is_alive(made.coordinator)
            assert journal.abort(made.txid) is Decision.ABORT
        hold.decide(Decision.COMMIT)
    assert hold.decision is Decision.ABORT
    assert journal.outcome(made.txid) is Decision.ABORT
    assert journal.recall(key.record_id, NOW) is None
    assert journal.unfinished() == ()
    commit(journal, entry(journal, "b", keys=("k",)))


def test_a_session_that_says_nothing_is_ended_by_the_server(url: str, schema: str) -> None:
    """As that of a process which is frozen, or out of reach."""
    with closing(open_at(url)) as journal, closing(open_at(url, timeout=0.25)) as frozen:
        number = frozen.coordinator
        thread = frozen._life._thread
        frozen._life._closing = True
        frozen._life._wake()
        thread.join()
        assert journal.is_alive(number)
        until(lambda: not journal.is_alive(number))


def test_a_session_that_is_used_stays(url: str) -> None:
    with closing(open_at(url, timeout=0.2)) as journal:
        number = journal.coordinator
        assert not threading.Event().wait(2.0)
        assert journal.coordinator == number


def test_marks_are_kept_while_another_lives_and_taken_back_when_nobody_does(url: str) -> None:
    with closing(open_at(url)) as journal:
        first = commit(journal, entry(journal, "a", keys=("k", "l")))
        journal.release(first.txid)
        second = commit(journal, entry(journal, "b", keys=("k",)))
        journal.release(second.txid)
        journal.flush()
        with closing(open_at(url)) as other:
            assert other.unapplied() == ()
    with closing(open_at(url)) as again:
        assert txids(again.unapplied()) == [first.txid, second.txid]
        for key, holders in (("k", [first, second]), ("l", [first]), ("m", [])):
            with again.hold(entry(again, "x", keys=(key,)), one_append=True) as hold:
                assert txids(hold.refused_by) == [e.txid for e in holders]
        finish(again, first)
        with again.hold(entry(again, "y", keys=("k",)), one_append=False) as hold:
            assert txids(hold.refused_by) == [second.txid]
        finish(again, second)
        commit(again, entry(again, "z", keys=("k", "l")))


@pytest.mark.parametrize("one_append", [True, False])
def test_what_is_damaged_holds_every_key_once_its_mark_is_taken_back(
    url: str, schema: str, one_append: bool
) -> None:
    """Nobody can tell any more which keys it held, and its writes are not known to be visible."""
    with closing(open_at(url)) as journal:
        made = commit(journal, entry(journal, "a", keys=("k",)))
        journal.release(made.txid)
        journal.flush()
    ask(f"UPDATE {schema}.transactions SET head = 'x', redo = 'x' RETURNING 1")
    with closing(open_at(url)) as again:
        for key in ("k", "never seen"):
            with again.hold(entry(again, "b", keys=(key,)), one_append=one_append) as hold:
                assert [(h.txid, h.keys) for h in hold.refused_by] == [(made.txid, None)]


# many rows


def test_nothing_that_is_done_often_looks_through_a_table(url: str, schema: str) -> None:
    """With several thousand dead coordinators, and what they have left behind."""
    # Who makes the tables, and who is alone in them, looks through them.
    with closing(open_at(url)):
        keeper = open_at(url)
    with closing(keeper):
        for table in (
            "coordinators (host, pid, opened_at) SELECT 'h', n, ''",
            "transactions (txid, coordinator, state, head) SELECT 'tx-000000000000-' || n, "
            "n %% 5000, CASE WHEN n %% 1000 = 0 THEN 'applied' ELSE 'finished' END, 'x'",
            "held_keys (digest, txid) SELECT sha256(n::text::bytea), 'tx-' || n",
            "idempotency_keys (digest, expires_at, recorded) "
            "SELECT sha256(n::text::bytea), '2027', ''",
        ):
            ask(f"INSERT INTO {schema}.{table} FROM generate_series(1, 20000) n RETURNING 1")
            ask_nothing(f"ANALYZE {schema}.{table.split()[0]}")
        before = scans_of(schema)
        with closing(open_at(url)) as one:
            use_all_of(one)
        assert scans_of(schema) == before


def use_all_of(journal: PostgresJournal) -> None:
    """Do whatever is done for each transaction, or now and then."""
    key = idempotency_key("k", expires_at=LATER)
    made = commit(journal, entry(journal, "a", keys=("k",), idempotency=key))
    for one_append in (True, False):
        again = entry(journal, f"b{one_append}", keys=("k", "l"), idempotency=key)
        with journal.hold(again, one_append=one_append) as hold:
            assert hold.refused_by
    with journal.hold(entry(journal, "c", keys=("m",)), one_append=False) as hold:
        hold.decide(Decision.COMMIT)
    with journal.hold(entry(journal, "d", keys=("n",)), one_append=False):
        pass
    assert len(journal.unapplied()) == 2
    assert journal.load(made.txid) == made
    assert journal.recall(key.record_id, NOW) is not None
    assert journal.outcome(made.txid) is Decision.COMMIT
    assert journal.outcome(make_txid(START, 7, "never")) is Decision.ABORT
    assert not journal.is_alive(7)
    assert journal.has_company()
    finish(journal, made)
    assert len(journal.unfinished()) == 21
    assert len(journal.history(10)) == 10


def scans_of(schema: str) -> dict[str, int]:
    """How often each large table was looked through, as sessions that have ended have told."""
    while len(sessions_of(schema)) > 1:
        time.sleep(0.01)
    rows = ask(
        "SELECT relname, seq_scan FROM pg_stat_user_tables WHERE schemaname = %s AND relname IN "
        "('coordinators', 'transactions', 'held_keys', 'idempotency_keys')",
        schema,
    )
    assert len(rows) == 4
    return dict(rows)


def test_dead_coordinators_are_forgotten_with_what_they_finished(
    journal: PostgresJournal, other: PostgresJournal, schema: str
) -> None:
    left = commit(other, entry(other, "left"))
    done = commit(journal, entry(journal, "done", keys=("k",)))
    finish(journal, done)
    numbers = (journal.coordinator, other.coordinator)
    ask(
        f"INSERT INTO {schema}.coordinators (host, pid, opened_at) "
        "SELECT 'h', n, '' FROM generate_series(1, 2500) n RETURNING 1"
    )
    other.close()
    for _ in range(4):
        journal.forget(MUCH_LATER)
    kept = ask(f"SELECT id FROM {schema}.coordinators ORDER BY id")
    assert [number for (number,) in kept] == [*numbers]
    assert txids(journal.unfinished()) == [left.txid]
    assert [txid for txid, _, _ in journal.history(9)] == [left.txid]


def test_several_may_forget_at_once(url: str, journal: PostgresJournal) -> None:
    made = [commit(journal, entry(journal, f"{number:03x}")) for number in range(60)]
    for done in made:
        journal.release(done.txid)
    journal.finish([done.txid for done in made])
    start = threading.Barrier(4)

    def forget(_: int) -> None:
        with closing(open_at(url)) as one:
            start.wait()
            one.forget(MUCH_LATER)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(forget, range(4)))
    journal.forget(MUCH_LATER)
    assert journal.history(99) == ()
    with pytest.raises(Exception, match="older than the outcomes"):
        journal.outcome(made[-1].txid)


# telling


def test_an_abort_is_told_too(journal: PostgresJournal, other: PostgresJournal) -> None:
    """Whoever waits for the keys may have them."""
    with journal.watch() as watch:
        with other.hold(entry(other, "a"), one_append=False):
            pass
        assert watch.wait(LONG)


def test_who_waits_while_its_session_is_lost_is_woken(
    journal: PostgresJournal, other: PostgresJournal, schema: str
) -> None:
    with other.watch() as watch:
        cut_session_of(schema, 1)
        assert watch.wait(LONG)
        until_back(other)
        while watch.wait(0.0):
            pass
        commit(journal, entry(journal, "a"))
        assert watch.wait(LONG)


def test_other_defaults_of_a_server_are_not_taken_over(url: str) -> None:
    """At another isolation, who waited for a key would not see whose it was."""
    stricter = f"{url}&options=-c%20default_transaction_isolation%3Dserializable"
    with closing(open_at(stricter)) as journal:
        shown = journal._database.run(
            lambda session: session.execute("SHOW transaction_isolation").fetchall()
        )
        assert shown == [("read committed",)]


# odd ids


def test_ids_of_any_length_and_text_are_keys(journal: PostgresJournal) -> None:
    odd = ("\0", "\0" * 3000, "x" * 20_000, "é'\"\\%s")
    made = commit(journal, entry(journal, "a", keys=odd))
    for key in odd:
        with journal.hold(entry(journal, "b", keys=(key,)), one_append=False) as hold:
            assert txids(hold.refused_by) == [made.txid]
    commit(journal, entry(journal, "c", keys=("\0\0", "x" * 19_999)))


def test_a_newer_format_is_refused(url: str, schema: str, journal: PostgresJournal) -> None:
    ask(f"UPDATE {schema}.grove_formats SET version = version + 1 RETURNING 1")
    with pytest.raises(ValidationError) as caught:
        open_at(url)
    assert "its journal format must be at most" in str(caught.value)


def test_a_number_of_another_form_lives_nowhere(journal: PostgresJournal) -> None:
    assert journal.outcome(make_txid(START, 2**31 - 1, "x")) is Decision.ABORT
    assert journal.outcome(make_txid(START, 2**40, "x")) is Decision.ABORT
