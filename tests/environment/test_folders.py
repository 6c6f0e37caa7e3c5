"""Folders and files that are not what they should be: a clear error each, and nothing changed."""

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from grove_sm import Corrupt, Grove, GroveError, StoreUnavailable, ValidationError
from grove_sm.journal import schema as journal_schema
from grove_sm.stores import schema as stores_schema
from tests.groves import CODER, TOPOLOGY, Clock, Names, five_files, journal_url, open_files


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.blake2b(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def refuse(folder: Path, kind: type[GroveError]) -> GroveError:
    """The error of opening a folder, which has changed nothing in it."""
    before = contents(folder) if folder.is_dir() else None
    with pytest.raises(GroveError) as caught:
        Grove.open(folder, background=False)
    assert type(caught.value) is kind, caught.value
    if before is not None:
        assert contents(folder) == before
    return caught.value


def with_settings(folder: Path, text: str) -> None:
    (folder / "grove.toml").write_text(text)


GOOD = """\
format = 1
journal = "sqlite:///journal.db"
[stores]
contributions = "sqlite:///stores.db"
handoffs = "sqlite:///stores.db"
claims = "sqlite:///stores.db"
bounties = "sqlite:///stores.db"
"""


def test_a_folder_that_is_something_else_is_not_made_a_grove(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear all")
    error = refuse(tmp_path, ValidationError)
    assert str(tmp_path) in error.message
    assert "grove.toml" in error.message
    assert "grove-sm init" in error.message


def test_a_missing_folder_is_made_only_if_asked(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        Grove.open(tmp_path / "grove", create=False)
    assert not (tmp_path / "grove").exists()
    Grove.open(tmp_path / "grove").close()
    Grove.open(tmp_path / "grove", create=False).close()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "grove"
    path.write_text("a file")
    error = refuse(path, ValidationError)
    assert str(path) in error.message
    assert path.read_text() == "a file"


def test_an_unnamed_parent_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    error = refuse(tmp_path / "file" / "grove", StoreUnavailable)
    assert str(tmp_path / "file") in error.message


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "format"),
        ("format = 'one'", "format"),
        ("format = true", "format"),
        ("format = 0", "format"),
        ("format = 2", "install a newer grove-sm"),
        (GOOD.replace("format = 1", "format = 99"), "install a newer grove-sm"),
        ("format = 1", "journal"),
        ("journal = ", "TOML"),
        (GOOD + "\n[stores]\n", "TOML"),
        (GOOD.replace('journal = "sqlite:///journal.db"\n', ""), "journal"),
        (GOOD.replace('journal = "sqlite:///journal.db"', "journal = 7"), "journal"),
        (GOOD.replace("sqlite:///journal.db", "mysql://journal"), "journal"),
        (GOOD.replace("sqlite:///journal.db", "journal.db"), "journal"),
        (GOOD.replace("sqlite:///journal.db", "sqlite:///"), "journal"),
        (GOOD.replace('claims = "sqlite:///stores.db"\n', ""), "stores.claims"),
        (GOOD.replace('claims = "sqlite:///stores.db"', "claims = []"), "stores.claims"),
        (GOOD.replace('claims = "sqlite:///', 'claims = "ftp://'), "stores.claims"),
        (GOOD + 'letters = "sqlite:///stores.db"\n', "letters"),
        (GOOD + "[topology]\ncoder = 'reviewer'\n", "topology.coder"),
        (GOOD + "[topology]\ncoder = [7]\n", "topology.coder"),
        (GOOD + "[topology]\ncoder = ['']\n", "topology.coder"),
        (GOOD + "[leases]\nclaim = 0\n", "leases.claim"),
        (GOOD + "[leases]\nclaim = nan\n", "leases.claim"),
        (GOOD + "[leases]\nheartbeat = 5\n", "leases.heartbeat"),
        (GOOD + "[colours]\nsky = 'blue'\n", "colours"),
    ],
)
def test_broken_settings_are_named(tmp_path: Path, text: str, named: str) -> None:
    with_settings(tmp_path, text)
    assert named in refuse(tmp_path, ValidationError).message


def test_settings_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "grove.toml").write_bytes(b"format = 1 \xff\xfe")
    assert "UTF-8" in refuse(tmp_path, ValidationError).message


def test_settings_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "grove.toml").mkdir()
    assert str(tmp_path) in refuse(tmp_path, StoreUnavailable).message


def test_good_settings_open(tmp_path: Path) -> None:
    with_settings(tmp_path, GOOD)
    Grove.open(tmp_path).close()


def test_a_store_in_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with_settings(tmp_path, GOOD.replace("sqlite:///stores.db", "sqlite:///there/stores.db"))
    assert str(tmp_path / "there") in refuse(tmp_path, StoreUnavailable).message


def test_a_folder_in_a_files_place_is_named(tmp_path: Path) -> None:
    with_settings(tmp_path, GOOD)
    (tmp_path / "stores.db").mkdir()
    assert "stores.db" in refuse(tmp_path, StoreUnavailable).message


FILES = ("journal.db", "contributions.db", "credits.db")


@pytest.fixture
def reopen(tmp_path: Path, clock: Clock, names: Names) -> Callable[[], Grove]:
    """Opens a grove over five files, which has a contribution."""
    with open_files(tmp_path, clock, names) as grove:
        grove.contribute(kind="work", summary="a", agent=CODER)
    return lambda: open_files(tmp_path, clock, names)


@pytest.mark.parametrize("name", FILES)
def test_a_newer_format_is_named_and_left_alone(
    tmp_path: Path, reopen: Callable[[], Grove], name: str
) -> None:
    newest = journal_schema.FORMAT if name == "journal.db" else stores_schema.FORMAT
    with closing(sqlite3.connect(tmp_path / name)) as connection, connection:
        changed = connection.execute("UPDATE grove_formats SET version = version + 1")
        assert changed.rowcount == 1
    before = contents(tmp_path)
    with pytest.raises(ValidationError) as caught:
        reopen()
    assert str(tmp_path / name) in caught.value.field
    assert "install a newer grove-sm" in caught.value.rule
    assert caught.value.value == str(newest + 1)
    after = contents(tmp_path)
    assert {n: after[n] for n in FILES if n == name} == {n: before[n] for n in FILES if n == name}
    with closing(sqlite3.connect(tmp_path / name)) as connection, connection:
        connection.execute("UPDATE grove_formats SET version = version - 1")
    with reopen() as grove:
        assert len(grove.contributions.list()) == 1
        assert grove.audit().ok


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "content", [b"This is a letter, not a database. " * 200, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_file_that_is_no_database_is_named_and_left_alone(
    tmp_path: Path, reopen: Callable[[], Grove], name: str, content: bytes
) -> None:
    good = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Corrupt) as caught:
        reopen()
    assert str(tmp_path / name) in caught.value.where
    assert (tmp_path / name).read_bytes() == content
    (tmp_path / name).write_bytes(good)
    with reopen() as grove:
        assert len(grove.contributions.list()) == 1


def test_a_failed_open_holds_no_file(tmp_path: Path, reopen: Callable[[], Grove]) -> None:
    good = (tmp_path / "journal.db").read_bytes()
    (tmp_path / "journal.db").write_bytes(b"not a database" * 100)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with pytest.raises(Corrupt):
            reopen()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
    (tmp_path / "journal.db").write_bytes(good)
    reopen().close()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


@pytest.mark.parametrize("missing", ["journal", "stores"])
def test_half_of_what_is_needed_is_named(tmp_path: Path, missing: str) -> None:
    given = {"journal": journal_url(tmp_path), "stores": five_files(tmp_path)}
    del given[missing]
    with pytest.raises(ValidationError) as caught:
        Grove.open(**given)  # type: ignore[arg-type]
    assert caught.value.field == missing
    assert list(tmp_path.iterdir()) == []


def test_a_folder_and_its_parts_are_not_given_together(tmp_path: Path) -> None:
    with pytest.raises(ValidationError) as caught:
        Grove.open(tmp_path, topology=TOPOLOGY)
    assert caught.value.field == "folder"
    assert list(tmp_path.iterdir()) == []
