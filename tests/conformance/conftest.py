"""Every test that takes `open_store` or `open_journal` runs once for each kind."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from grove_sm.commit.contract import Journal, Participant

from .places import JOURNAL_KINDS, STORE_KINDS, JournalPlace, StorePlace


@pytest.fixture(params=STORE_KINDS)
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StorePlace]:
    """Opens the test's store, once more at each call."""
    place = STORE_KINDS[request.param](tmp_path)
    with ExitStack() as opened:

        def open_once_more() -> Participant:
            store = place()
            opened.callback(store.close)
            return store

        yield open_once_more


@pytest.fixture
def store(open_store: StorePlace) -> Participant:
    """One store."""
    return open_store()


@pytest.fixture(params=JOURNAL_KINDS)
def open_journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JournalPlace]:
    """Opens the test's journal, once more at each call; each is another coordinator."""
    place = JOURNAL_KINDS[request.param](tmp_path)
    with ExitStack() as opened:

        def open_once_more() -> Journal:
            journal = place()
            opened.callback(journal.close)
            return journal

        yield open_once_more


@pytest.fixture
def journal(open_journal: JournalPlace) -> Journal:
    """One journal."""
    return open_journal()
