"""Every test that takes `open_store` or `open_journal` runs once for each kind."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from grove_sm.commit.contract import Journal, Participant
from tests.kinds import KINDS
from tests.kinds.kind import JournalPlace, Kind, StorePlace

from .places import WRAPPED, OpenJournal, OpenStore

STORES = [*KINDS, WRAPPED]
JOURNALS = [kind for kind in STORES if kind.journal]


def _name_of(kind: Kind) -> str:
    return kind.name


@pytest.fixture(params=STORES, ids=_name_of)
def store_kind(request: pytest.FixtureRequest) -> Kind:
    """A kind of store."""
    return _available(request.param)


@pytest.fixture
def store_place(store_kind: Kind, tmp_path: Path) -> StorePlace:
    """Where the test's store is."""
    return store_kind.place(tmp_path, "store")


@pytest.fixture
def open_store(store_place: StorePlace) -> Iterator[OpenStore]:
    """Opens the test's store, once more at each call."""
    with ExitStack() as opened:

        def open_once_more() -> Participant:
            store = store_place.open()
            opened.callback(store.close)
            return store

        yield open_once_more


@pytest.fixture
def store(open_store: OpenStore) -> Participant:
    """One store."""
    return open_store()


@pytest.fixture(params=JOURNALS, ids=_name_of)
def journal_kind(request: pytest.FixtureRequest) -> Kind:
    """A kind that keeps journals."""
    return _available(request.param)


@pytest.fixture
def journal_place(journal_kind: Kind, tmp_path: Path) -> JournalPlace:
    """Where the test's journal is."""
    assert journal_kind.journal is not None
    return journal_kind.journal.place(tmp_path, "journal")


@pytest.fixture
def open_journal(journal_place: JournalPlace) -> Iterator[OpenJournal]:
    """Opens the test's journal, once more at each call; each is another coordinator."""
    with ExitStack() as opened:

        def open_once_more() -> Journal:
            journal = journal_place.open()
            opened.callback(journal.close)
            return journal

        yield open_once_more


@pytest.fixture
def journal(open_journal: OpenJournal) -> Journal:
    """One journal."""
    return open_journal()


def _available(kind: Kind) -> Kind:
    if missing := kind.missing():
        pytest.skip(missing)
    return kind
