"""What work SQLite does, counted."""

import sqlite3
from collections.abc import Callable
from typing import Final

import pytest

from grove_sm.sqlite_file import SQLiteFile

Steps = Callable[[], int]

GRAIN: Final = 10
"""SQLite's steps between two counts; a look-up takes some twenty."""


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    """How many steps SQLite's virtual machine has taken, in grains, on every connection."""
    taken = 0
    connect = SQLiteFile.connect

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    def connect_counted(file: SQLiteFile, *, forced: bool) -> sqlite3.Connection:
        connection = connect(file, forced=forced)
        connection.set_progress_handler(count, GRAIN)
        return connection

    monkeypatch.setattr(SQLiteFile, "connect", connect_counted)
    return lambda: taken
