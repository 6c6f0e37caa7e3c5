"""Groves for tests: a clock that is set by hand, names that count, stores in every arrangement."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from grove_sm import Agent, Grove
from grove_sm.commit.contract import Journal, Participant
from grove_sm.commit.coordinator import Coordinator
from grove_sm.connect import open_journal, open_stores
from grove_sm.domain import format_time
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.settings import Settings, routes

START: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW: Final = format_time(START)

CODER: Final = Agent(agent_id="coder-1", role="coder")
REVIEWER: Final = Agent(agent_id="reviewer-1", role="reviewer")
SPONSOR: Final = Agent(agent_id="sponsor-1")
TOPOLOGY: Final[Mapping[str, Sequence[str]]] = {
    "coder": ["reviewer", "tester"],
    "reviewer": ["coder"],
}


class Clock:
    """A clock that stands still unless it is moved, in either direction."""

    def __init__(self, time: datetime = START) -> None:
        self.time = time

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        """Move it; a negative number moves it back."""
        self.time += timedelta(seconds=seconds)


class Names:
    """Stands in for random names: they count, so that a run can be repeated."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def __call__(self) -> str:
        return f"{next(self._numbers):06x}"


def five_files(folder: Path) -> dict[str, str]:
    """Each collection in a SQLite file of its own."""
    return {name: f"sqlite:///{folder}/{name}.db" for name in COLLECTIONS}


def one_file(folder: Path) -> dict[str, str]:
    """All collections in one SQLite file."""
    return dict.fromkeys(COLLECTIONS, f"sqlite:///{folder}/stores.db")


def journal_url(folder: Path) -> str:
    """The journal that goes with either."""
    return f"sqlite:///{folder}/journal.db"


def open_files(
    folder: Path,
    clock: Callable[[], datetime],
    random: Callable[[], str],
    *,
    background: bool = False,
    patience: float = 5.0,
) -> Grove:
    """A grove over five SQLite files."""
    return Grove.open(
        journal=journal_url(folder),
        stores=five_files(folder),
        topology=TOPOLOGY,
        clock=clock,
        random=random,
        background=background,
        patience=patience,
    )


def open_parts(folder: Path) -> tuple[Journal, dict[str, Participant]]:
    """The journal and the stores of a grove over five files, without the grove."""
    stores = open_stores(five_files(folder), folder, busy_timeout=5.0)
    return open_journal(journal_url(folder), folder, opened_at=NOW, busy_timeout=5.0), stores


def build(
    journal: Journal,
    stores: Mapping[str, Participant],
    clock: Callable[[], datetime],
    random: Callable[[], str],
    *,
    background: bool = False,
    patience: float = 5.0,
) -> Grove:
    """A grove from its parts, which may be wrapped."""
    coordinator = Coordinator(journal, stores, clock=clock, random=random, patience=patience)
    settings = Settings(
        journal=journal.name,
        stores={collection: store.name for collection, store in stores.items()},
        topology=routes(TOPOLOGY),
    )
    return Grove(coordinator, settings, background=background)
