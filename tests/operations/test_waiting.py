"""Waiting for a handoff: who waits sleeps until there may be one, and is told at once."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from math import inf
from pathlib import Path
from typing import Final

import pytest

from grove_sm import Grove, blocking
from grove_sm.calls import waiting
from grove_sm.calls.waiting import Waiting
from grove_sm.journal import watching
from tests.groves import CODER, REVIEWER, Clock, Names, open_files

LONG: Final = 60.0


class Time:
    """Stands in for the time module; sleeping is the only thing that lets time pass."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Told:
    """A watch that notices something when a moment of a time comes."""

    def __init__(self, time: Time, *moments: float) -> None:
        self._time = time
        self._moments = list(moments)
        self.waited: list[float] = []

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        if self._moments and self._moments[0] <= self._time.now + seconds:
            self._time.now = max(self._time.now, self._moments.pop(0))
            return True
        self._time.now += seconds
        return False


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """The time that waiting goes by."""
    made = Time()
    monkeypatch.setattr(waiting, "time", made)
    monkeypatch.setattr(blocking, "time", made)
    return made


def looks(waits: Waiting, time: Time, at_most: float = inf) -> Iterator[float]:
    """When it is time for another look."""
    while waits.sleep(at_most):
        yield time.now


def test_without_a_watch_looks_are_ever_further_apart(time: Time) -> None:
    found = list(looks(Waiting(None, 10.0), time))
    assert found[0] == 0.001
    assert max(time.slept) == 0.5
    assert found[-1] == pytest.approx(10.0)
    assert len(found) < 35


def test_with_a_watch_nobody_looks_more_than_now_and_then(time: Time) -> None:
    found = list(looks(Waiting(Told(time), 1000.0), time))
    assert len([moment for moment in found if moment > 10.0]) < 201
    assert found[-1] == pytest.approx(1000.0)
    assert time.slept == []


def test_a_decision_is_followed_by_looks_at_once_and_for_a_while(time: Time) -> None:
    found = list(looks(Waiting(Told(time, 100.0), 200.0), time))
    after = [moment - 100.0 for moment in found if moment >= 100.0]
    assert after[0] == pytest.approx(0.001)
    assert [moment for moment in after if moment < 0.1] == pytest.approx(
        [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064]
    )


def test_many_decisions_are_one_look(time: Time) -> None:
    told = Told(time, *(100.0 + number / 10_000 for number in range(10_000)))
    found = [moment for moment in looks(Waiting(told, 101.0), time) if moment >= 100.0]
    assert 50 < len(found) < 100


def test_nobody_sleeps_past_what_comes_by_itself(time: Time) -> None:
    told = Told(time)
    waits = Waiting(told, LONG)
    for _ in range(20):
        assert waits.sleep(2.5)
    assert max(told.waited) == 2.5
    assert waits.sleep(0.0)
    assert told.waited[-1] == 0.001


def test_the_time_is_up_when_it_is_up(time: Time) -> None:
    waits = Waiting(Told(time, *([0.0] * 100)), 0.01)
    assert len(list(looks(waits, time))) < 10
    assert not waits.sleep(inf)
    assert not Waiting(None, 0.0).sleep(inf)


@pytest.fixture(params=["watched", "looked at"])
def grove(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    clock: Clock,
    names: Names,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Grove]:
    """A grove on files, which are watched or not."""
    if request.param == "looked at":
        monkeypatch.setattr(watching, "_IS_TOLD", False)
    with open_files(tmp_path, clock, names) as grove:
        yield grove


@pytest.mark.parametrize("where", ["the same grove", "another process's"])
def test_who_waits_gets_what_comes(
    grove: Grove, tmp_path: Path, clock: Clock, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = threading.Event()
    sleep = Waiting.sleep

    def sleep_and_tell(waits: Waiting, at_most: float) -> bool:
        looked.set()
        return sleep(waits, at_most)

    monkeypatch.setattr(Waiting, "sleep", sleep_and_tell)
    with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
        other = grove
        if where != "the same grove":
            other = stack.enter_context(open_files(tmp_path, clock, lambda: f"other{id(stack)}"))
        waits = pool.submit(grove.pick_up, agent=REVIEWER, wait=LONG)
        assert looked.wait(LONG)
        done = other.contribute(kind="work", summary="w", agent=CODER)
        picked = waits.result(LONG)
        assert picked is not None
        assert picked.contribution.cid == done.cid


def test_who_waits_knows_when_a_delivery_runs_out(
    grove: Grove, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        grove.contribute(kind="work", summary=f"w{number}", agent=CODER)
        assert grove.pick_up(agent=REVIEWER, visibility_seconds=300.0 - number) is not None
    asked = []

    def let_time_pass(_: Waiting, at_most: float) -> bool:
        asked.append(at_most)
        clock.advance(at_most)
        return True

    monkeypatch.setattr(Waiting, "sleep", let_time_pass)
    again = grove.pick_up(agent=REVIEWER, wait=LONG)
    assert asked == [299.0]
    assert again is not None
    assert again.contribution.summary == "w1"
    assert again.claim.attempt_count == 1


def test_who_does_not_wait_watches_nothing(grove: Grove, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(type(grove.coordinator.journal), "watch", fail)
    assert grove.pick_up(agent=REVIEWER) is None


def test_a_watch_leaves_no_file_open(tmp_path: Path, clock: Clock, names: Names) -> None:
    with open_files(tmp_path, clock, names) as grove:
        assert grove.pick_up(agent=REVIEWER, wait=0.001) is None
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            assert grove.pick_up(agent=REVIEWER, wait=0.001) is None
        assert len(os.listdir("/proc/self/fd")) == before
