"""Journals in PostgreSQL as the tests open them, and waiting for what happens to them."""

import time
from collections.abc import Callable
from typing import Final

from grove_sm.commit.contract import Journal
from grove_sm.domain.errors import StoreUnavailable
from grove_sm.journal.postgres import PostgresJournal
from grove_sm.postgres.url import PostgresUrl
from tests.groves import NOW

LONG: Final = 60.0
"""Nobody waits so long, unless something is broken."""


def open_at(url: str, timeout: float = 5.0) -> PostgresJournal:
    """The journal that is there, as one more coordinator."""
    place = PostgresUrl.parse(url, setting="journal")
    return PostgresJournal(place, opened_at=NOW, timeout=timeout)


def until(condition: Callable[[], object]) -> None:
    """Return once a condition holds."""
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def until_back(journal: Journal) -> None:
    """Return once a journal's coordinator has been entered anew."""

    def is_back() -> bool:
        try:
            return journal.is_alive(journal.coordinator)
        except StoreUnavailable:
            return False

    until(is_back)
