"""What the random histories have found, told again as they found it."""

from collections.abc import Callable

import pytest

from stateful_tests.forecast import Forecast
from stateful_tests.machine import History
from stateful_tests.sketches import Sketch

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
