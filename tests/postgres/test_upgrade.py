"""A schema made by an earlier version is brought up to date as it is opened, and loses nothing."""

import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from grove_sm.commit.record import record_checksum
from grove_sm.domain.errors import Corrupt, StoreUnavailable, ValidationError
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.operations.plan import Find, Stored
from grove_sm.operations.query import Query
from grove_sm.operations.words import parse_search
from grove_sm.postgres.database import Migration, PostgresDatabase
from grove_sm.postgres.url import PostgresUrl
from grove_sm.stores.indexing import json_text
from grove_sm.stores.postgres import PostgresStore
from grove_sm.stores.postgres_reading import FIELDS
from grove_sm.stores.postgres_schema import MIGRATIONS, column
from grove_sm.stores.schema import FIELDS_OF_FORMAT_1
from tests.servers.postgres import new_schema, shared_server

from .journals import until

DOCUMENTS = {
    "cid-late": {"createdAt": "2026-01-01T00:00:00.000Z", "summary": "Größe", "tags": ["a", "b"]},
    "cid-early": {"createdAt": "2026-01-01T01:00:00+05:30", "summary": "kernel", "tags": []},
}


@pytest.fixture
def first_format() -> Iterator[PostgresDatabase]:
    """A schema of the first format with two contributions, of which the earlier is written last."""
    url = PostgresUrl.parse(new_schema(), setting="store")
    database = PostgresDatabase(
        url, component="stores", migrations=MIGRATIONS[:1], timeout=5.0, connections=1
    )
    with closing(database):
        for number, (record_id, document) in enumerate(DOCUMENTS.items()):
            put(database, Stored(record_id, 1, f"tx-{number}", "[]", json.dumps(document)))
        yield database


def put(database: PostgresDatabase, stored: Stored) -> None:
    """Write a contribution as the first format has it."""
    document = json.loads(stored.document)
    fields = FIELDS_OF_FORMAT_1["contributions"]
    beside = [
        json_text(document[field]) if isinstance(document.get(field), str) else ""
        for field in fields
    ]
    row = (stored.record_id.encode(), *stored[1:], record_checksum(stored), *beside)
    columns = ", ".join((FIELDS, *map(column, fields)))
    marks = ", ".join("%s" for _ in row)
    database.run(
        lambda session: session.execute(
            f"INSERT INTO contributions ({columns}) VALUES ({marks})", row
        )
    )


def test_what_was_there_is_found(first_format: PostgresDatabase) -> None:
    first_format.close()
    for _ in range(2):
        with closing(PostgresStore(first_format.url)) as store:
            found = store.read(Find("contributions", ()))
            assert [(r.record_id, json.loads(r.document)) for r in found] == [
                (name, DOCUMENTS[name]) for name in ("cid-early", "cid-late")
            ]
            for asked in (
                Query("contributions", (("tag", "b"),)),
                Query("contributions", terms=parse_search("grosse")),
            ):
                assert [r.record_id for r in store.page(asked, None)] == ["cid-late"]
            with store.snapshot() as snapshot:
                for collection in COLLECTIONS:
                    assert all(isinstance(r, Stored) for r in snapshot.scan(collection))


def test_a_document_that_is_no_json_is_named_and_nothing_is_changed(
    first_format: PostgresDatabase,
) -> None:
    first_format.run(
        lambda session: session.execute(
            "UPDATE contributions SET document = 'no JSON' WHERE record_id = 'cid-late'"
        )
    )
    with pytest.raises(Corrupt) as caught:
        PostgresStore(first_format.url)
    assert caught.value.what == "contributions record cid-late"
    version = first_format.run(
        lambda session: session.execute("SELECT version FROM grove_formats").fetchone()
    )
    assert version == (1,)


# several versions at once


LOCK = "hashtextextended('grove_sm.formats.' || %s, 0)"
WAITING = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
    f"AND objid::bigint = {LOCK} & 4294967295"
)
NEWER: Sequence[Migration] = ("CREATE TABLE a (x int)", "CREATE TABLE b (x int)")


def open_with(
    url: PostgresUrl, migrations: Sequence[Migration], timeout: float = 30.0
) -> PostgresDatabase:
    return PostgresDatabase(
        url, component="x", migrations=migrations, timeout=timeout, connections=1
    )


def test_of_two_versions_that_begin_at_once_the_older_is_refused() -> None:
    """Even if it was let in after the newer one had been."""
    url = PostgresUrl.parse(new_schema(), setting="store")
    with shared_server().connect() as gate, ThreadPoolExecutor(2) as pool:

        def wait_for(number: int) -> None:
            until(lambda: gate.execute(WAITING.encode(), (url.schema,)).fetchone() == (number,))

        gate.execute(f"SELECT pg_advisory_lock({LOCK})".encode(), (url.schema,))
        newer = pool.submit(open_with, url, NEWER)
        wait_for(1)
        older = pool.submit(open_with, url, NEWER[:1])
        wait_for(2)
        gate.execute("SELECT pg_advisory_unlock_all()")
        with closing(newer.result()) as database:
            with pytest.raises(ValidationError) as caught:
                older.result()
            assert "install a newer grove-sm" in str(caught.value)
            (version,) = database.run(
                lambda session: session.execute("SELECT version FROM grove_formats").fetchall()
            )
            assert version == (2,)


def test_several_of_one_version_begin_at_once() -> None:
    url = PostgresUrl.parse(new_schema(), setting="store")
    start = threading.Barrier(6)

    def open_it(_: int) -> None:
        start.wait()
        open_with(url, NEWER).close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(open_it, range(6)))


def test_an_upgrade_may_take_longer_than_anything_else() -> None:
    url = PostgresUrl.parse(new_schema(), setting="store")
    with closing(open_with(url, ["SELECT pg_sleep(2)"], timeout=0.3)):
        pass


def test_who_meets_an_upgrade_is_told_so() -> None:
    url = PostgresUrl.parse(new_schema(), setting="store")
    with shared_server().connect() as upgrading:
        upgrading.execute(f"SELECT pg_advisory_lock({LOCK})".encode(), (url.schema,))
        with pytest.raises(StoreUnavailable) as caught:
            open_with(url, NEWER, timeout=0.3)
    assert "another process is bringing it up to date" in str(caught.value)
    open_with(url, NEWER).close()
