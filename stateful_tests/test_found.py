"""What the random histories have found, told again as they found it."""

from collections.abc import Callable

import pytest

from stateful_tests.forecast import Forecast
from stateful_tests.machine import History, Pause
from stateful_tests.sketches import Rival, Sketch

NewHistory = Callable[[], History]


@pytest.mark.parametrize("slot", [0, 1, 2])
def test_a_decision_stands_although_its_keys_cannot_be_released(
    new_history: NewHistory, slot: int
) -> None:
    for after in range(12):
        history = new_history()
        faults = [Forecast("unreachable", after)]
        history.call(slot=slot, sketch=Sketch("claim", agent=2, pick=1), faults=faults)
        history.every_promise_is_kept()
        history.call(slot=slot, sketch=Sketch("claim", agent=2, pick=1), faults=[])
        history.every_promise_is_kept()
        history.teardown()


def test_a_retry_after_the_deadline_is_answered_as_before(new_history: NewHistory) -> None:
    history = new_history()
    offer = Sketch("create_bounty", pick=1, key=0)
    history.call(slot=0, sketch=offer, faults=[])
    history.every_promise_is_kept()
    history.pass_time(seconds=4000.0)
    history.call(slot=0, sketch=offer, faults=[])
    history.every_promise_is_kept()
    history.teardown()


def test_who_loses_a_handoff_takes_the_next_one_at_the_time_it_was_asked(
    new_history: NewHistory,
) -> None:
    history = new_history()
    for choice in (0, 1):
        history.call(slot=0, sketch=Sketch("contribute", choice=choice), faults=[])
        history.every_promise_is_kept()
    history.race(
        slot=0,
        other=1,
        sketch=Sketch("pick_up", agent=2),
        rival=Rival("the same", Sketch("pick_up")),
        pause=Pause(0, "before", 5.0, looks_dead=False),
        faults=[],
    )
    history.every_promise_is_kept()
    history.teardown()


def test_a_key_that_ran_out_stands_for_a_new_request_even_if_that_was_not_answered(
    new_history: NewHistory,
) -> None:
    history = new_history()
    claim = Sketch("claim", agent=1, pick=4, choice=5, key=2)
    history.call(slot=0, sketch=claim, faults=[])
    history.every_promise_is_kept()
    history.pass_time(seconds=100_000.0)
    history.call(slot=0, sketch=claim, faults=[Forecast("dies before", 4)])
    history.every_promise_is_kept()
    history.call(slot=2, sketch=claim, faults=[])
    history.every_promise_is_kept()
    history.teardown()
