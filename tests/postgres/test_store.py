"""What a store in PostgreSQL adds: a server that restarts, is gone, crashes and loses what was not
forced; processes that make one schema at once; indexes that serve what is asked."""

import multiprocessing
import os
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from grove_sm import Grove
from grove_sm.commit.contract import AppliesLost
from grove_sm.domain.errors import Corrupt, StoreUnavailable, ValidationError
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.operations.plan import Expectation, Find, Get, Stored, Write
from grove_sm.postgres.database import PostgresDatabase
from grove_sm.postgres.url import PostgresUrl
from grove_sm.stores.postgres import PostgresStore
from grove_sm.stores.postgres_schema import THERE
from tests.conformance.places import write
from tests.groves import CODER, TOPOLOGY, Clock, Names, journal_url
from tests.servers.postgres import Address, PostgresServer, new_schema, shared_server

ALL: Find = Find("claims", ())
A_LONG_TEXT = "x" * 20_000


def parse(url: str) -> PostgresUrl:
    return PostgresUrl.parse(url, setting="store")


def put(store: PostgresStore, *writes: Write, txid: str = "tx-1") -> None:
    assert store.apply(txid, "[]", writes) == ()


def ids(found: tuple[Stored, ...]) -> list[str]:
    return [stored.record_id for stored in found]


@pytest.fixture
def schema() -> str:
    """A schema that is not there yet."""
    return parse(new_schema()).schema


@pytest.fixture
def url(schema: str) -> PostgresUrl:
    """Where it will be."""
    return parse(shared_server().url(schema))


@pytest.fixture
def store(url: PostgresUrl) -> Iterator[PostgresStore]:
    """A store there."""
    with closing(PostgresStore(url)) as store:
        yield store


# one schema, many groves and processes


def test_schemas_are_told_apart(store: PostgresStore) -> None:
    with closing(PostgresStore(parse(new_schema()))) as other:
        put(store, write("a"))
        assert other.read(ALL) == ()
        put(other, write("b"))
        assert ids(store.read(ALL)) == ["a"]


def test_a_schema_may_have_any_name() -> None:
    server = shared_server()
    odd = f"O'dd \"näme%s {os.getpid()}"
    url = server.url(quote(odd))
    with closing(PostgresStore(parse(url))) as store:
        put(store, write("a"))
    with server.connect() as connection:
        found = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (odd,))
        assert found.fetchone()
        connection.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(odd)))


def test_those_who_make_a_schema_at_once_make_one(url: PostgresUrl) -> None:
    start = threading.Barrier(6)

    def make(number: int) -> list[str]:
        start.wait()
        with closing(PostgresStore(url)) as store:
            put(store, write(f"r{number}"), txid=f"tx-{number}")
            return ids(store.read(Get("claims", f"r{number}")))

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(make, range(6))) == [[f"r{number}"] for number in range(6)]


def test_a_newer_format_is_refused(url: PostgresUrl, schema: str, store: PostgresStore) -> None:
    with shared_server().connect() as connection:
        connection.execute(f"UPDATE {schema}.grove_formats SET version = version + 1")
    with pytest.raises(ValidationError) as caught:
        PostgresStore(url)
    assert "install a newer grove-sm" in str(caught.value)
    assert url.name in str(caught.value)


def test_a_database_that_cannot_hold_every_text_is_refused(schema: str) -> None:
    name = f"ascii_{os.getpid()}"
    with shared_server().connect() as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING SQL_ASCII TEMPLATE template0")
    try:
        with pytest.raises(ValidationError) as caught:
            PostgresStore(parse(shared_server().url(schema).replace("/postgres?", f"/{name}?")))
        assert "must have the encoding UTF8" in str(caught.value)
    finally:
        with shared_server().connect() as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_user_who_may_not_make_the_schema_is_told(schema: str) -> None:
    role = f"poor_{os.getpid()}"
    with shared_server().connect() as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN")
    with pytest.raises(StoreUnavailable) as caught:
        PostgresStore(parse(shared_server().url(schema, user=role)))
    assert "the user lacks a right; grant it" in str(caught.value)


# what is stored


def test_long_ids_and_targets_are_kept_and_found(store: PostgresStore) -> None:
    """Though no entry of an index is as long."""
    for name in (A_LONG_TEXT, A_LONG_TEXT + "y", "\0" * 5000):
        put(store, write(name, targetRef=name))
    for name in (A_LONG_TEXT, A_LONG_TEXT + "y", "\0" * 5000):
        assert ids(store.read(Get("claims", name))) == [name]
        assert ids(store.read(Find("claims", (("targetRef", name),)))) == [name]
        assert store.validate([Expectation(Get("claims", name), ((name, 1),))])


@pytest.mark.parametrize(
    "damage",
    [
        "document = document || ' '",
        "revision = 7",
        "txid = 'tx-2'",
        "members = '[1]'",
        "record_id = 'b'::bytea",
        r"record_id = '\xff'::bytea",
        "checksum = ''",
    ],
)
def test_a_damaged_record_is_reported_and_never_returned(
    store: PostgresStore, schema: str, damage: str
) -> None:
    put(store, write("a", status="active"), write("c", status="active"))
    with shared_server().connect() as connection:
        connection.execute(
            f"UPDATE {schema}.claims SET {damage} WHERE record_id = 'a'::bytea".encode()
        )
    with pytest.raises(Corrupt) as caught:
        store.read(Find("claims", (("status", "active"),)))
    assert caught.value.where == f"{store.name}, table claims"
    assert ids(store.read(Get("claims", "c"))) == ["c"]
    with store.snapshot() as snapshot:
        found = snapshot.scan("claims")
    assert len(found) == 2
    assert sum(isinstance(record, Corrupt) for record in found) == 1


def test_a_record_that_is_listed_wrongly_is_found_by_a_scan(
    store: PostgresStore, schema: str
) -> None:
    put(store, write("a", status="active"))
    with shared_server().connect() as connection:
        connection.execute(f"UPDATE {schema}.claims SET field_status = '\"expired\"'")
    with store.snapshot() as snapshot:
        (found,) = snapshot.scan("claims")
    assert isinstance(found, Corrupt)
    assert "listed under other fields" in str(found)


def test_a_missing_table_is_damage(store: PostgresStore, schema: str) -> None:
    with shared_server().connect() as connection:
        connection.execute(f"DROP TABLE {schema}.claims")
    with pytest.raises(Corrupt):
        store.read(ALL)


def a_record(collection: str, number: int) -> Write:
    """One of many, with a value of its own in every field but its status."""
    return write(
        f"r{number}",
        collection=collection,
        status=f"s{number % 3}",
        agent={"agentId": f"a{number}"},
        toRole=f"r{number}",
        sourceCid=f"c{number}",
        targetRef=f"t{number}",
    )


@pytest.mark.parametrize(
    ("collection", "where"),
    [
        ("contributions", {"agentId": "a5"}),
        ("handoffs", {"toRole": "r5", "status": "s1"}),
        ("handoffs", {"sourceCid": "c5"}),
        ("claims", {"targetRef": "t5"}),
        ("claims", {"agentId": "a5"}),
    ],
)
def test_what_is_asked_for_is_found_by_an_index(
    store: PostgresStore, schema: str, collection: str, where: dict[str, str]
) -> None:
    for start in range(0, 2000, 500):
        put(store, *(a_record(collection, number) for number in range(start, start + 500)))
    with shared_server().connect() as connection:
        connection.execute(f"ANALYZE {schema}.{collection}")
        connection.execute(f"SET search_path = {schema}")
        conditions = " AND ".join((THERE, *(f"field_{field} = %s" for field in where)))
        plan = connection.execute(
            f"EXPLAIN SELECT * FROM {collection} WHERE {conditions} "
            "ORDER BY field_createdAt, record_id LIMIT 100",
            [f'"{value}"' for value in where.values()],
        ).fetchall()
        by_id = connection.execute(
            f"EXPLAIN SELECT * FROM {collection} WHERE sha256(record_id) = sha256('r5'::bytea)"
        ).fetchall()
    assert "Seq Scan" not in str(plan)
    assert "Index Scan" in str(by_id)


# the server


def test_a_store_goes_on_after_its_server_was_restarted(server: PostgresServer) -> None:
    with closing(PostgresStore(parse(server.address.url("s")))) as store:
        in_parallel = ThreadPoolExecutor(4)
        list(in_parallel.map(lambda n: put(store, write(f"r{n}"), txid=f"tx-{n}"), range(8)))
        server.stop()
        server.start()
        # Every connection that it has is one to the old server.
        assert len(store.read(ALL)) == 8
        put(store, write("more"), txid="tx-more")
        assert store.validate([Expectation(Get("claims", "more"), (("more", 1),))])
        in_parallel.shutdown()


def test_a_server_that_is_gone_is_told_at_once(server: PostgresServer) -> None:
    with closing(PostgresStore(parse(server.address.url("s")), timeout=30)) as store:
        put(store, write("a"))
        server.stop()
        start = time.monotonic()
        for use in (lambda: store.read(ALL), lambda: put(store, write("b")), store.force):
            with pytest.raises(StoreUnavailable) as caught:
                use()
            # The system may have given the port to somebody who says nothing of PostgreSQL.
            assert re.search("no server listens there|closed the connection", caught.value.reason)
        assert time.monotonic() - start < 30, "it waited for its time-out"
        server.start()
        assert ids(store.read(ALL)) == ["a"]


def test_what_is_locked_for_long_is_given_up(url: PostgresUrl, schema: str) -> None:
    with closing(PostgresStore(url, timeout=0.2)) as store:
        put(store, write("a"))
        with shared_server().connect() as connection, connection.transaction():
            connection.execute(f"LOCK TABLE {schema}.claims")
            with pytest.raises(StoreUnavailable) as caught:
                store.read(ALL)
            assert "it is locked by another session" in caught.value.reason
        put(store, write("a", 1), txid="tx-2")


def test_more_threads_than_connections_take_turns(store: PostgresStore) -> None:
    def work(number: int) -> None:
        for base in range(5):
            put(store, write(f"r{number}", base), txid=f"tx-{number}-{base}")

    with ThreadPoolExecutor(24) as pool:
        list(pool.map(work, range(24)))
    assert {record.revision for record in store.read(ALL)} == {5}
    with shared_server().connect() as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'grove-sm' "
            "AND query LIKE %s", (f"%{'claims'}%",)
        ).fetchone()  # fmt: skip
    assert found is not None


def test_a_forked_child_leaves_its_parents_connections_alone(store: PostgresStore) -> None:
    put(store, write("a"))

    def use(answers: "multiprocessing.SimpleQueue[str]") -> None:
        try:
            store.read(ALL)
        except StoreUnavailable as error:
            answers.put(error.reason)

    context = multiprocessing.get_context("fork")
    answers: multiprocessing.SimpleQueue[str] = context.SimpleQueue()
    child = context.Process(target=use, args=(answers,))
    child.start()
    child.join()
    assert "before this process was forked" in answers.get()
    assert ids(store.read(ALL)) == ["a"]


# force


def survivors(server: PostgresServer) -> set[str]:
    """What is there after a crash, by whoever does not ask whether it is all."""
    server.crash()
    server.start()
    with server.address.connect() as connection:
        return {
            bytes(row[0]).decode() for row in connection.execute("SELECT record_id FROM s.claims")
        }


def test_what_was_forced_survives_a_crash_of_the_server(server: PostgresServer) -> None:
    names = (f"r{number}" for number in count())
    with (
        closing(PostgresStore(parse(server.address.url("s")))) as store,
        closing(PostgresStore(parse(server.address.url("s")))) as other,
    ):
        forced = {next(names) for _ in range(5)}
        for name in sorted(forced):
            put(store, write(name), txid=name)
        # Whoever forces, forces what anybody applied.
        other.force()
        lost = {next(names) for _ in range(5)}
        for name in sorted(lost):
            put(store, write(name), txid=name)
        found = survivors(server)
    assert found >= forced
    assert found < forced | lost, "nothing was lost, so this shows nothing"


def test_a_clean_stop_loses_nothing(server: PostgresServer) -> None:
    with closing(PostgresStore(parse(server.address.url("s")))) as store:
        put(store, write("a"))
        server.stop()
        server.start()
        assert ids(store.read(ALL)) == ["a"]
        store.force()


@pytest.mark.parametrize("how", ["server", "backend"])
def test_after_a_crash_a_store_is_not_itself_until_it_is_redone(
    server: PostgresServer, how: str
) -> None:
    with (
        closing(PostgresStore(parse(server.address.url("s")))) as store,
        closing(PostgresStore(parse(server.address.url("s")))) as other,
    ):
        put(store, write("a"), txid="tx-1")
        store.force()
        put(store, write("a", 1), txid="tx-2")
        if how == "server":
            server.crash()
            server.start()
        else:
            kill_a_backend(server.address)
        for anyone in (store, other):
            for use in (
                lambda anyone=anyone: anyone.read(ALL),
                lambda anyone=anyone: anyone.validate([Expectation(ALL, ())]),
                lambda anyone=anyone: put(anyone, write("b")),
                anyone.force,
                lambda anyone=anyone: anyone.snapshot().__enter__(),
                lambda anyone=anyone: anyone.together().__enter__(),
            ):
                with pytest.raises(AppliesLost) as caught:
                    use()
                assert caught.value.store == store.name
        with pytest.raises(ZeroDivisionError), other.redo():  # noqa: PT012
            put(other, write("a", 1), txid="tx-2")
            raise ZeroDivisionError
        with pytest.raises(AppliesLost):
            store.read(ALL)
        with other.redo():
            put(other, write("a"), txid="tx-1")
            put(other, write("a", 1), txid="tx-2")
        for anyone in (store, other):
            (found,) = anyone.read(ALL)
            assert (found.revision, found.txid) == (2, "tx-2")
        store.force()


def kill_a_backend(server: Address) -> None:
    """SIGKILL one of the server's processes: it ends all sessions and recovers as from a crash."""
    with server.connect() as killed, server.connect() as another:
        os.kill(killed.info.backend_pid, 9)
        # New sessions begin until the server has noticed.
        for connection in (killed, another):
            while not connection.broken:
                with suppress(psycopg.OperationalError):
                    connection.execute("SELECT pg_sleep(0.01)")
    while True:
        try:
            server.connect().close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return


def open_grove(server: PostgresServer, folder: Path, clock: Clock, names: Names) -> Grove:
    """A grove with its journal in a file and every collection on a server."""
    return Grove.open(
        journal=journal_url(folder),
        stores=dict.fromkeys(COLLECTIONS, server.address.url("s")),
        topology=TOPOLOGY,
        clock=clock,
        random=names,
        background=False,
    )


def test_acknowledged_operations_outlive_a_crash_of_the_stores_server(
    server: PostgresServer, tmp_path: Path, clock: Clock, names: Names
) -> None:
    """Though their coordinators live, and have let go of the keys."""
    with (
        open_grove(server, tmp_path, clock, names) as grove,
        open_grove(server, tmp_path, clock, names) as other,
    ):
        done = [grove.contribute(kind="work", summary=f"s{n}", agent=CODER) for n in range(3)]
        grove.flush()
        done += [other.contribute(kind="work", summary=f"t{n}", agent=CODER) for n in range(3)]
        cids = {made.cid for made in done}
        lost = len(survivors_of(server, "contributions"))
        assert lost < len(done), "nothing was lost, so this shows nothing"
        assert {c.cid for c in grove.contributions.list()} == cids
        assert len(other.handoffs.list()) == 2 * len(done)
        for anyone in (grove, other):
            assert anyone.audit().violations == ()
            anyone.flush()
        assert grove.coordinator.journal.unfinished() == ()
        assert survivors_of(server, "contributions") == cids


def survivors_of(server: PostgresServer, table: str) -> set[str]:
    server.crash()
    server.start()
    with server.address.connect() as connection:
        return {
            bytes(row[0]).decode()
            for row in connection.execute(f"SELECT record_id FROM s.{table}".encode())
        }


def test_a_database_waits_for_no_longer_than_it_is_told(url: PostgresUrl) -> None:
    with closing(
        PostgresDatabase(url, component="x", migrations=(), timeout=0.2, connections=1)
    ) as database:
        with database.connection(), pytest.raises(StoreUnavailable) as caught:
            database.run(lambda session: session.execute("SELECT 1"))
        assert "all 1 are in use" in caught.value.reason
        with pytest.raises(StoreUnavailable) as caught:
            database.run(lambda session: session.execute("SELECT pg_sleep(5)"))
        assert "it did not answer in time" in caught.value.reason
