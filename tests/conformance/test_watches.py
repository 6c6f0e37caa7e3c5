"""What every kind of journal keeps of `Watch`: a decision is noticed, whoever makes it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest

from grove_sm.commit.machine import Decision
from grove_sm.journal import watching

from .places import OpenJournal, commit, entry

LONG: Final = 60.0
"""Nobody waits so long, unless something is broken."""


@pytest.mark.parametrize("is_own", [True, False], ids=["its own", "another's"])
def test_a_decision_is_noticed(open_journal: OpenJournal, is_own: bool) -> None:
    journal, other = open_journal(), open_journal()
    with journal.watch() as watch:
        assert watch is not None
        for name in "abc":
            assert not watch.wait(0.0)
            commit(journal if is_own else other, entry(journal if is_own else other, name))
            assert watch.wait(LONG)
            while watch.wait(0.0):
                pass


def test_who_waits_is_woken(open_journal: OpenJournal) -> None:
    journal, other = open_journal(), open_journal()
    waiting = threading.Event()

    def wait() -> bool:
        with journal.watch() as watch:
            assert watch is not None
            waiting.set()
            return watch.wait(LONG)

    with ThreadPoolExecutor(1) as pool:
        woken = pool.submit(wait)
        assert waiting.wait(LONG)
        commit(other, entry(other, "a"))
        assert woken.result(LONG)


def test_a_decision_of_two_steps_is_noticed(open_journal: OpenJournal) -> None:
    journal, other = open_journal(), open_journal()
    with journal.watch() as watch:
        assert watch is not None
        with other.hold(entry(other, "a"), one_append=False) as hold:
            while watch.wait(0.0):
                pass
            hold.decide(Decision.COMMIT)
        assert watch.wait(LONG)


def test_every_watch_notices(open_journal: OpenJournal) -> None:
    journals = [open_journal() for _ in range(3)]
    with journals[0].watch() as first, journals[0].watch() as second, journals[1].watch() as third:
        commit(journals[2], entry(journals[2], "a"))
        for watch in (first, second, third):
            assert watch is not None
            assert watch.wait(LONG)


def test_what_is_read_is_no_decision(open_journal: OpenJournal) -> None:
    journal, other = open_journal(), open_journal()
    with journal.watch() as watch:
        assert watch is not None
        made = commit(journal, entry(journal, "a"))
        assert watch.wait(LONG)
        while watch.wait(0.0):
            pass
        for reader in (journal, other):
            reader.unapplied()
            reader.load(made.txid)
            reader.history(9)
            reader.is_alive(journal.coordinator)
        assert not watch.wait(0.0)


@pytest.mark.parametrize("hindrance", ["another system", "too many watches"])
def test_where_the_system_does_not_tell_there_is_no_watch(
    open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch, hindrance: str
) -> None:
    def fail(_: object) -> None:
        raise OSError(24, "Too many open files")

    if hindrance == "another system":
        monkeypatch.setattr(watching, "_IS_TOLD", False)
    else:
        monkeypatch.setattr(watching, "_open", fail)
    journal = open_journal()
    with journal.watch() as watch:
        assert watch is None or not watch.wait(0.0)
        commit(journal, entry(journal, "a"))
