"""What a store in a SQLite file adds: damage is noticed, named, and loses nothing else."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from grove_sm.domain.errors import Corrupt, GroveError
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.operations.plan import Expectation, Find, Get, Stored, Write
from grove_sm.stores.sqlite import SQLiteStore
from tests.groves import NOW

from .places import write

TARGET = write("c2", targetRef="file:target", status="active")
DOCUMENT = TARGET.document or ""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed store with three claims and a bounty, all of it in the file itself."""
    path = tmp_path / "store.db"
    store = SQLiteStore(path)
    store.apply("tx-1", "[]", (write("c1", status="active"), TARGET, write("c3", status="active")))
    store.apply("tx-2", "[]", (write("b1", collection="bounties"),))
    store.trim()
    store.close()
    assert not path.with_name("store.db-wal").exists()
    return path


@pytest.fixture
def opened(path: Path) -> Iterator[SQLiteStore]:
    """That store, opened after the test's damage."""
    with closing(SQLiteStore(path)) as store:
        yield store


def damage_row(path: Path, change: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE claims SET {change} WHERE record_id = 'c2'")


def damage_bytes(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert content.count(old) >= 1
    assert len(old) == len(new)
    path.write_bytes(content.replace(old, new))


def scan(store: SQLiteStore, collection: str) -> tuple[list[str], list[Exception]]:
    with store.snapshot() as snapshot:
        found = snapshot.scan(collection)
    whole = [record.record_id for record in found if isinstance(record, Stored)]
    return whole, [record for record in found if isinstance(record, Exception)]


def assert_only_c2_is_lost(store: SQLiteStore, path: Path) -> None:
    whole, damaged = scan(store, "claims")
    assert whole == ["c1", "c3"]
    (error,) = damaged
    assert isinstance(error, Corrupt)
    assert "c2" in error.what
    assert str(path) in error.where
    for read in (Get("claims", "c2"), Find("claims", ())):
        with pytest.raises(Corrupt) as caught:
            store.read(read)
        assert "c2" in caught.value.what
        assert str(path) in caught.value.where
    for record_id in ("c1", "c3"):
        assert store.validate([Expectation(Get("claims", record_id), ((record_id, 1),))])
        assert [r.record_id for r in store.read(Get("claims", record_id))] == [record_id]
    assert scan(store, "bounties") == (["b1"], [])


@pytest.mark.parametrize(
    "change",
    [
        "revision = revision + 1",
        "txid = 'tx-9'",
        "members = '[[]]'",
        "document = replace(document, 'target', 'tarxet')",
        "checksum = '0000000000000000'",
        "checksum = ''",
    ],
)
def test_a_damaged_column_is_noticed(path: Path, change: str) -> None:
    damage_row(path, change)
    with closing(SQLiteStore(path)) as store:
        assert_only_c2_is_lost(store, path)


def test_a_damaged_id_is_noticed_where_it_is_listed(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE claims SET record_id = 'c9' WHERE record_id = 'c2'")
    with closing(SQLiteStore(path)) as store:
        whole, (error,) = scan(store, "claims")
        assert whole == ["c1", "c3"]
        assert isinstance(error, Corrupt)
        with pytest.raises(Corrupt):
            store.read(Get("claims", "c9"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (DOCUMENT.encode(), DOCUMENT.replace('"active"', '"actixe"').encode()),
        (DOCUMENT.encode(), DOCUMENT.replace("file:", "file;").encode()),
        (DOCUMENT.encode(), DOCUMENT.replace("{", "[").encode()),
        (DOCUMENT.encode(), DOCUMENT.replace("}", " ").encode()),
        (DOCUMENT.encode(), DOCUMENT.replace("file", "\x80\x80\x80\x80").encode(
            "latin-1")),
    ],
    ids=["a value", "an indexed value", "no object", "no end", "no text"],
)  # fmt: skip
def test_a_damaged_byte_of_a_document_is_noticed(path: Path, old: bytes, new: bytes) -> None:
    damage_bytes(path, old, new)
    with closing(SQLiteStore(path)) as store:
        assert_only_c2_is_lost(store, path)
        if "{" not in new.decode("latin-1") or "}" not in new.decode("latin-1"):
            with pytest.raises(Corrupt):
                # No index answers this, so that every document is looked into.
                store.validate([Expectation(Find("claims", (("leaseExpiresAt", NOW),)), ())])


def test_damage_to_what_is_left_of_a_deleted_record_is_noticed(path: Path) -> None:
    with closing(SQLiteStore(path)) as store:
        assert store.apply("tx-3", "[]", (Write("claims", "c2", 1, None),)) == ()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE deleted_records SET revision = 1")
    with closing(SQLiteStore(path)) as store:
        whole, (error,) = scan(store, "claims")
        assert whole == ["c1", "c3"]
        assert isinstance(error, Corrupt)
        assert error.what == "deleted claims record c2"
        assert scan(store, "bounties") == (["b1"], [])


def test_a_file_that_is_not_sqlite_is_named(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"This is a letter, not a database.\n" * 100)
    before = path.read_bytes()
    with pytest.raises(Corrupt) as caught:
        SQLiteStore(path)
    assert str(path) in caught.value.where
    assert path.read_bytes() == before


def test_a_file_cut_short_is_an_error_of_ours(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 + 100)

    def read_everything() -> None:
        with closing(SQLiteStore(path)) as store:
            for collection in COLLECTIONS:
                store.read(Find(collection, ()))

    with pytest.raises(GroveError):
        read_everything()


def test_threads_that_have_ended_keep_no_file_open(opened: SQLiteStore) -> None:
    opened.read(Get("claims", "c1"))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        thread = threading.Thread(target=opened.read, args=(Get("claims", "c1"),))
        thread.start()
        thread.join()
    assert len(os.listdir("/proc/self/fd")) <= before + 3
