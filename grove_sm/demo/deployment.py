"""The two groves of the demo: five SQLite files each, with and without a journal."""

from pathlib import Path
from typing import Final

from grove_sm.commit.coordinator import Coordinator
from grove_sm.connect import open_stores
from grove_sm.demo.unsafe import UnsafeCoordinator
from grove_sm.grove import Grove
from grove_sm.journal.memory import MemoryJournal, MemoryJournalData
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.settings import Settings, routes

TOPOLOGY: Final = {"coder": ["reviewer", "tester"], "reviewer": ["coder"]}
PATIENCE: Final = 30.0


def open_safe(folder: Path) -> Grove:
    """The grove of a folder as a user would open it; recovery runs first."""
    return Grove.open(
        journal=_url(folder, "journal"),
        stores=_stores(folder),
        topology=TOPOLOGY,
        patience=PATIENCE,
    )


def open_unsafe(folder: Path) -> Grove:
    """The stores of a folder with the same operations, but written one after the other."""
    return Grove(_without_journal(folder), _settings(folder), background=False)


def _without_journal(folder: Path) -> Coordinator:
    participants = open_stores(_stores(folder), folder, busy_timeout=PATIENCE)
    return UnsafeCoordinator(
        MemoryJournal("memory://", MemoryJournalData()), participants, locks=folder / "locks"
    )


def _settings(folder: Path) -> Settings:
    return Settings(
        journal="memory://",
        stores=_stores(folder),
        topology=routes(TOPOLOGY),
    )


def _stores(folder: Path) -> dict[str, str]:
    return {collection: _url(folder, collection) for collection in COLLECTIONS}


def _url(folder: Path, name: str) -> str:
    return f"sqlite:///{folder.absolute() / name}.db"
