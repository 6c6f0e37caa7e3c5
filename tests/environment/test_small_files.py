"""Files that may grow no more, as on a full disk, wherever SQLite needs another page."""

from collections.abc import Callable
from pathlib import Path

import pytest

from grove_sm import Contributed, Grove, StoreUnavailable
from grove_sm.sqlite_file import SQLiteFile
from tests.groves import CODER, Clock, Names, open_files

LARGE = "x" * 20_000


def contribute(grove: Grove, summary: str, size: int = len(LARGE)) -> Contributed:
    return grove.contribute(kind="work", summary=summary, description=LARGE[:size], agent=CODER)


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int | None], None]:
    """Sets how many pages the files of some name may have, from their next statement on."""
    limits: dict[str, int] = {}
    connections: list[tuple[str, object]] = []
    connect = SQLiteFile.connect

    def connect_limited(file: SQLiteFile, *, forced: bool) -> object:
        connection = connect(file, forced=forced)
        connections.append((file.path.name, connection))
        if file.path.name in limits:
            connection.execute(f"PRAGMA max_page_count={limits[file.path.name]}")
        return connection

    def set_limit(name: str, extra: int | None) -> None:
        for found, connection in connections:
            if found == name:
                pages = 1 << 30
                if extra is not None:
                    pages = connection.execute("PRAGMA page_count").fetchone()[0] + extra  # type: ignore[attr-defined]
                    limits[name] = pages
                else:
                    limits.pop(name, None)
                connection.execute(f"PRAGMA max_page_count={pages}")  # type: ignore[attr-defined]

    monkeypatch.setattr(SQLiteFile, "connect", connect_limited)
    return set_limit


@pytest.mark.parametrize("extra", range(6))
def test_a_journal_that_cannot_grow_refuses_and_goes_on_later(
    tmp_path: Path,
    clock: Clock,
    names: Names,
    limit: Callable[[str, int | None], None],
    extra: int,
) -> None:
    with open_files(tmp_path, clock, names) as grove:
        done = [contribute(grove, "before")]
        limit("journal.db", extra)
        refused, errors = [], []
        for number in range(8):
            try:
                done.append(contribute(grove, f"meanwhile {number}", size=5000 * (number % 4)))
            except StoreUnavailable as error:
                refused.append(number)
                errors.append(error)
        assert errors
        assert all("journal.db" in e.store and "is full" in e.reason for e in errors), errors
        assert {c.cid for c in grove.contributions.list()} == {d.cid for d in done}
        limit("journal.db", None)
        assert grove.audit().ok
        done += [contribute(grove, f"meanwhile {number}") for number in refused]
        assert {c.cid for c in grove.contributions.list()} == {d.cid for d in done}
        assert grove.audit().ok
    with open_files(tmp_path, clock, names) as grove:
        assert {c.cid for c in grove.contributions.list()} == {d.cid for d in done}


@pytest.mark.parametrize("name", ["contributions.db", "handoffs.db"])
@pytest.mark.parametrize("extra", range(3))
def test_a_store_that_cannot_grow_is_caught_up_with_later(
    limit: Callable[[str, int | None], None], file_grove: Grove, name: str, extra: int
) -> None:
    with file_grove as grove:
        done = [contribute(grove, "before")]
        limit(name, extra)
        done += [contribute(grove, f"meanwhile {number}") for number in range(30)]
        in_doubt = grove.recover().in_doubt
        assert in_doubt
        with pytest.raises(StoreUnavailable) as caught:
            grove.audit()
        assert name in caught.value.store
        limit(name, None)
        assert set(grove.recover().rolled_forward) == set(in_doubt)
        assert {c.cid for c in grove.contributions.list()} == {d.cid for d in done}
        assert len(grove.handoffs.list()) == 2 * len(done)
        assert grove.audit().ok
