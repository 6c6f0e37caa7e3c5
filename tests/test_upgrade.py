"""A grove made by an earlier version is brought up to date as it is opened, and loses nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from grove_sm import Corrupt, Grove
from grove_sm.journal import schema as journal_schema
from grove_sm.settings import write_template
from grove_sm.stores.schema import FORMAT
from tests.groves import CODER

FORMATS = (1, 2)
"""The stores' formats of which `tests/data/format-N` is a grove, as SQLite's `.dump` tells it.

It has records in every state; one transaction is committed and applied nowhere.
"""

LEFT = "Committed, and applied nowhere"


@pytest.fixture(params=FORMATS)
def earlier(request: pytest.FixtureRequest) -> int:
    """A format."""
    found: int = request.param
    return found


@pytest.fixture
def folder(tmp_path: Path, earlier: int) -> Path:
    """The folder of a grove of that format."""
    folder = tmp_path / "grove"
    make_earlier(folder, earlier)
    return folder


def make_earlier(folder: Path, earlier: int) -> None:
    """Make a folder the grove of an earlier format."""
    data = Path(__file__).parent / "data" / f"format-{earlier}"
    write_template(folder)
    for name in ("journal", "stores"):
        with closing(sqlite3.connect(folder / f"{name}.db")) as connection:
            connection.executescript((data / f"{name}.sql").read_text())
            connection.execute("PRAGMA journal_mode=WAL")


def rows(folder: Path, collection: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "stores.db")) as connection:
        return connection.execute(
            "SELECT record_id, revision, txid, members, document, checksum "
            f"FROM {collection} ORDER BY record_id"
        ).fetchall()


def formats(folder: Path) -> dict[str, int]:
    with closing(sqlite3.connect(folder / "stores.db")) as connection:
        return dict(connection.execute("SELECT component, version FROM grove_formats"))


def test_every_record_is_kept_as_it_was(folder: Path, earlier: int) -> None:
    before = {name: rows(folder, name) for name in ("handoffs", "claims", "bounties", "credits")}
    contributions = rows(folder, "contributions")
    assert formats(folder) == {"stores": earlier}
    for _ in range(2):
        with Grove.open(folder) as grove:
            assert grove.audit().ok
            assert [c.summary for c in grove.contributions.list()][-1] == LEFT
        assert formats(folder) == {"stores": FORMAT}
        for name, found in before.items():
            assert set(found) <= set(rows(folder, name))
        assert set(contributions) < set(rows(folder, "contributions"))


def test_contributions_are_in_the_order_of_their_times_whatever_their_zone(folder: Path) -> None:
    with Grove.open(folder) as grove:
        first, second, *_ = [c.summary for c in grove.contributions.list()]
    assert (first, second) == ("From elsewhere", "From elsewhere, later")


def test_what_was_decided_before_is_still_told(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "journal.db")) as connection:
        before = connection.execute("SELECT txid, state FROM transactions ORDER BY seq").fetchall()
    with Grove.open(folder) as grove:
        told = [(each.txid, each.state) for each in grove.transactions.list(limit=len(before))]
        assert told[:0:-1] == before[:-1]
        story = grove.transactions.get(before[0][0])
        assert [reached.state for reached in story.times] == ["planned"]
        assert all(part.shows for part in story.writes)
        assert grove.transactions.heuristics() == ()
    with closing(sqlite3.connect(folder / "journal.db")) as connection:
        formats = dict(connection.execute("SELECT component, version FROM grove_formats"))
    assert formats == {"journal": journal_schema.FORMAT}


def test_work_goes_on(folder: Path) -> None:
    with Grove.open(folder) as grove:
        done = grove.contribute(kind="work", summary="After the upgrade", agent=CODER)
        assert done.handoff_ids
        assert grove.audit().ok
    with Grove.open(folder) as grove:
        assert grove.contributions.get(done.cid) == done.contribution


def test_a_document_that_is_no_json_is_named_and_nothing_is_changed(
    folder: Path, earlier: int
) -> None:
    path = folder / "stores.db"
    with closing(sqlite3.connect(path)) as connection:
        (cid,) = connection.execute("SELECT min(record_id) FROM contributions").fetchone()
    content = path.read_bytes()
    document = f'{{"cid":"{cid}"'.encode()
    assert content.count(document) == 1
    path.write_bytes(content.replace(document, b"[" + document[1:]))
    with pytest.raises(Corrupt) as caught:
        Grove.open(folder)
    assert caught.value.what == f"contributions record {cid}"
    assert f"{path}, table contributions" in caught.value.where
    assert caught.value.reason == (
        "its document is no JSON, so the file cannot be brought up to date; "
        "take the record from a backup first"
    )
    assert formats(folder) == {"stores": earlier}
