"""No power cut loses an acknowledged operation, or leaves a part of one."""

import sqlite3
from collections.abc import Callable
from typing import Final

import pytest
from _pytest.mark import ParameterSet

from faults.power import Cut, Film, Survivors
from faults.recording import UnrecordableError, recording
from grove_sm.journal.sqlite import SQLiteJournal
from grove_sm.sqlite_file import SQLiteFile
from tests.counts import RecordProperty, counted

from .exploration import Exploration, scratch_folder
from .sessions import ONE_FILE, SEPARATE_FILES, SESSIONS, SHARED_FILE, Session

SEED: Final = 20260101
_HARM: Final = r"an operation was lost|a part of"


@pytest.fixture(scope="module", autouse=True)
def _recordable() -> None:
    try:
        with scratch_folder() as folder, recording(folder):
            pass
    except UnrecordableError as error:
        pytest.skip(f"file operations cannot be recorded here: {error}")


def _sessions(*every_time: str) -> list[ParameterSet]:
    """Every session; those that are not named are left to `make long`."""
    return [
        pytest.param(
            session,
            marks=pytest.mark.slow if session.name in every_time else pytest.mark.long,
            id=session.name,
        )
        for session in SESSIONS
    ]


@pytest.mark.parametrize("session", _sessions("opening", "shared file", "one file for all"))
def test_cuts_of_a_session(session: Session, record_property: RecordProperty) -> None:
    exploration = Exploration(session)
    with counted(record_property, lambda: len(exploration.disks)):
        exploration.cut_everywhere(SEED, draws=1)
    assert len(exploration.disks) > len(exploration.trace.events) // 2
    record_property("disks", len(exploration.disks))


@pytest.mark.parametrize("session", _sessions("separate files"))
def test_cuts_of_recoveries(session: Session, record_property: RecordProperty) -> None:
    exploration = Exploration(session)
    with counted(record_property, lambda: len(exploration.disks)):
        exploration.cut_recoveries(SEED, draws=1, recoveries=5, each=12)
    assert len(exploration.disks) > 50
    record_property("disks", len(exploration.disks))


def _journal_is_not_forced(patch: pytest.MonkeyPatch) -> None:
    """Commits of decisions are left to the system's good time."""
    connect = SQLiteFile.connect

    def unforced(file: SQLiteFile, *, forced: bool) -> sqlite3.Connection:
        return connect(file, forced=False)

    patch.setattr(SQLiteFile, "connect", unforced)


def _nothing_is_synced(patch: pytest.MonkeyPatch) -> None:
    """SQLite's own syncs are turned off on the connection that decides."""
    connect = SQLiteFile.connect

    def careless(file: SQLiteFile, *, forced: bool) -> sqlite3.Connection:
        connection = connect(file, forced=forced)
        if forced:
            connection.execute("PRAGMA synchronous=OFF")
        return connection

    patch.setattr(SQLiteFile, "connect", careless)


def _stores_are_not_forced(patch: pytest.MonkeyPatch) -> None:
    """Transactions are finished as soon as their writes can be seen."""

    def nothing(_: SQLiteFile) -> None:
        pass

    patch.setattr(SQLiteFile, "force", nothing)


def _marks_are_believed(patch: pytest.MonkeyPatch) -> None:
    """Whoever opens a journal takes what is marked applied for visible, whether anybody lives."""
    patch.setattr(SQLiteJournal, "_anybody_lives", lambda *_, **__: True)


MUTANTS: Final = {
    _journal_is_not_forced: ONE_FILE,
    _nothing_is_synced: ONE_FILE,
    _stores_are_not_forced: SHARED_FILE,
    _marks_are_believed: SHARED_FILE,
}
"""Each with the session in which it does harm soonest; in one file all is forced or nothing."""


@pytest.mark.parametrize(
    ("mutate", "session"), MUTANTS.items(), ids=[each.__name__.strip("_") for each in MUTANTS]
)
def test_a_missing_force_is_caught(
    mutate: Callable[[pytest.MonkeyPatch], None], session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch)
    exploration = Exploration(session)
    with pytest.raises(AssertionError, match=_HARM) as caught:
        exploration.cut_everywhere(SEED, draws=1)
    # What the failure prints is enough to see it again.
    schedule = next(
        line
        for note in caught.value.__notes__
        for line in note.splitlines()
        if line.startswith("Cut(")
    )
    cut = eval(schedule, {"Cut": Cut, "Survivors": Survivors})  # noqa: S307 - our own repr
    with pytest.raises(AssertionError, match=_HARM):
        exploration.examine(cut)


def test_a_session_does_the_same_each_time() -> None:
    traces = [Exploration(SEPARATE_FILES).trace for _ in range(2)]
    first, second = ([str(event) for event in trace.events] for trace in traces)
    assert first == second
    assert Film(traces[0]).cuts(SEED, 1) == Film(traces[1]).cuts(SEED, 1)
