"""The faults themselves: each does what its words say, once, and says where."""

import pytest

from faults.schedule import Crash, Fault, NoAnswer, Schedule
from faults.weather import (
    TROUBLES,
    Death,
    Duplicate,
    Failure,
    Late,
    Meanwhile,
    Outage,
    Post,
    place_of,
)
from grove_sm.domain.errors import StoreUnavailable


class Calls:
    """Runs effects through a schedule and keeps those that took effect."""

    def __init__(self, *faults: Fault) -> None:
        self.schedule = Schedule(*faults)
        self.made: list[str] = []

    def __call__(self, name: str) -> None:
        self.schedule.run(name, lambda: self.made.append(name))


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_failure_happens_once_and_has_effect_or_not(trouble: str) -> None:
    fault = Failure(1, trouble)
    call = Calls(fault)
    call("apply claims")
    with pytest.raises(TROUBLES[trouble].error) as caught:
        call("apply claims")
    assert caught.value.store == "claims"
    assert len(call.made) == (2 if TROUBLES[trouble].when == "after" else 1)
    call("apply claims")
    assert str(fault) == f"{trouble} at effect 1, apply claims"


@pytest.mark.parametrize("when", ["before", "after"])
def test_death_is_for_good(when: str) -> None:
    call = Calls(Death(1, "before" if when == "before" else "after"))
    call("hold")
    for _ in range(2):
        with pytest.raises(Crash):
            call("leave")
    with pytest.raises(Crash):
        call.schedule.look("journal")
    assert call.made == (["hold"] if when == "before" else ["hold", "leave"])


def test_an_outage_meets_one_place_until_it_is_over() -> None:
    outage = Outage("claims", "unreachable", calls=3)
    call = Calls(outage)
    call("apply handoffs")
    call.schedule.look("handoffs")
    for name in ("apply claims", "validate claims"):
        with pytest.raises(StoreUnavailable, match="unreachable"):
            call(name)
    with pytest.raises(StoreUnavailable):
        call.schedule.look("claims")
    assert outage.is_over
    call("apply claims")
    call.schedule.look("claims")
    assert call.made == ["apply handoffs", "apply claims"]


def test_a_full_disk_can_be_read() -> None:
    call = Calls(Outage("claims", "disk full"))
    call.schedule.look("claims")
    call("validate claims")
    for _ in range(5):
        with pytest.raises(StoreUnavailable, match="full"):
            call("apply claims")


def test_a_duplicate_is_made_twice() -> None:
    call = Calls(Duplicate(0))
    call("hold")
    call("apply claims")
    call("apply claims")
    assert call.made == ["hold", "apply claims", "apply claims", "apply claims"]


def test_what_is_late_arrives_when_it_is_delivered_in_any_order() -> None:
    post = Post()
    call = Calls(Late(0, 2, post))
    call("release")
    for name in ("apply claims", "apply bounties"):
        with pytest.raises(NoAnswer):
            call(name)
    call("apply credits")
    assert call.made == ["release", "apply credits"]
    post.deliver(1)
    post.deliver(0)
    assert call.made[2:] == ["apply bounties", "apply claims"]
    assert not post.calls


def test_meanwhile_something_happens_once() -> None:
    happened: list[int] = []
    fault = Meanwhile(1, "after", "a visit", lambda: happened.append(1), verbs={"apply"})
    call = Calls(fault)
    for name in ("apply claims", "hold", "apply claims", "apply claims"):
        call(name)
    assert len(happened) == 1
    assert str(fault) == "a visit after effect 2, apply claims"


def test_every_effect_has_its_place() -> None:
    schedule = Schedule()
    places = {
        "apply handoffs": "handoffs",
        "validate claims": "claims",
        "decide commit": "journal",
        "leave": "journal",
    }
    for name, place in places.items():
        assert place_of(schedule.begin(name)) == place
