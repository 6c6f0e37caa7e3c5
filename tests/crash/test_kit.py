"""The fault kit itself."""

import threading

import pytest

from faults.crash import CrashPoint, crash_points
from faults.freeze import Freeze
from faults.schedule import Crash, Effect, Schedule, When


def run(schedule: Schedule) -> list[str]:
    """Three effects; those that took place."""
    done = []
    for name in ("hold", "apply claims", "apply claims"):
        with schedule.around(name):
            done.append(name)
    return done


def test_a_schedule_without_faults_records() -> None:
    schedule = Schedule()
    assert run(schedule) == ["hold", "apply claims", "apply claims"]
    assert schedule.effects == [
        Effect(0, "hold"),
        Effect(1, "apply claims"),
        Effect(2, "apply claims"),
    ]
    assert str(schedule) == "no fault"


def test_crash_points_are_before_and_after_each_effect() -> None:
    points = list(crash_points([Effect(0, "hold"), Effect(1, "apply claims")]))
    assert [str(point) for point in points] == [
        "crash before effect 0, hold",
        "crash after effect 0, hold",
        "crash before effect 1, apply claims",
        "crash after effect 1, apply claims",
    ]


@pytest.mark.parametrize(("when", "done"), [("before", ["hold"]), ("after", ["hold", "apply"])])
def test_nothing_takes_effect_after_a_crash(when: When, done: list[str]) -> None:
    schedule = Schedule(CrashPoint(Effect(1, "apply"), when))
    happened = []

    def effect(name: str) -> None:
        with schedule.around(name):
            happened.append(name)

    effect("hold")
    with pytest.raises(Crash, match=f"crash {when} effect 1, apply"):
        effect("apply")
    with pytest.raises(Crash, match="dead since before effect 2, release"):
        effect("release")
    assert happened == done


def test_no_handler_of_errors_catches_a_crash() -> None:
    assert not issubclass(Crash, Exception)


def test_a_run_that_took_another_course_is_noticed() -> None:
    schedule = Schedule(CrashPoint(Effect(1, "apply bounties"), "before"))
    with pytest.raises(AssertionError, match="not repeatable: effect 1, apply claims"):
        run(schedule)


def test_a_frozen_thread_goes_on_when_it_is_thawed() -> None:
    freeze = Freeze("apply claims", "before")
    schedule = Schedule(freeze)
    done: list[str] = []
    thread = threading.Thread(target=lambda: done.extend(run(schedule)))
    thread.start()
    freeze.wait()
    assert schedule.names == ["hold", "apply claims"]
    assert done == []
    freeze.thaw()
    thread.join()
    assert done == ["hold", "apply claims", "apply claims"]
    assert str(schedule) == "freeze before the first apply claims"
