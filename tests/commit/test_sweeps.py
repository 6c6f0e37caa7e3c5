"""A sweep tells what it has done, whatever becomes of the rest."""

from collections.abc import Sequence

import pytest

from grove_sm import Grove, SweepReport
from grove_sm.domain.errors import StoreUnavailable
from grove_sm.operations.plan import Expectation
from tests.groves import CODER, REVIEWER, Clock

from .hindered import Hindered, HinderedStore

TARGETS = ("file:a", "file:b", "file:c")
TITLES = ("one", "two")
STEPS = len(TARGETS) + len(TITLES)


def with_work_to_do(hindered: Hindered, clock: Clock) -> Grove:
    """Three claims that have run out, two bounties past their deadline."""
    grove = hindered.open()
    grove.grant_credits(CODER.agent_id, 100)
    for target in TARGETS:
        grove.claim(target, agent=REVIEWER, intent_summary="mine")
    for title in TITLES:
        grove.create_bounty(title=title, amount=5, criteria={"description": "d"}, agent=CODER)
    clock.advance(8 * 24 * 3600)
    return grove


def failing_at(monkeypatch: pytest.MonkeyPatch, collection: str, number: int) -> None:
    """The vote of a store fails, the so-manieth time that it is asked."""
    validate = HinderedStore.validate
    left = [number]

    def fail(store: HinderedStore, expectations: Sequence[Expectation]) -> bool:
        if store.name.endswith(f"/{collection}.db"):
            left[0] -= 1
            if left[0] == 0:
                raise StoreUnavailable(store=store.name, reason="it is hindered")
        return validate(store, expectations)

    monkeypatch.setattr(HinderedStore, "validate", fail)


def steps_of(report: SweepReport) -> set[str]:
    """What it has brought to its end, as failures name it."""
    return {f"bounties record {bounty_id}" for bounty_id in report.bounties_expired} | {
        f"claims record {claim_id}" for claim_id in report.claims_expired
    }


def test_of_a_collection_that_cannot_be_read(hindered: Hindered, clock: Clock) -> None:
    grove = with_work_to_do(hindered, clock)
    hindered.stores["handoffs"].down = True
    report = grove.sweep()
    assert len(steps_of(report)) == STEPS
    assert [failure.record for failure in report.failures] == ["handoffs"]
    assert not report.is_complete
    hindered.stores["handoffs"].down = False
    assert grove.sweep() == SweepReport()


@pytest.mark.parametrize("number", range(1, STEPS + 1))
def test_of_a_step_that_fails(
    hindered: Hindered, clock: Clock, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    grove = with_work_to_do(hindered, clock)
    failing_at(monkeypatch, "claims", number)
    report = grove.sweep()
    (failure,) = report.failures
    assert isinstance(failure.error, StoreUnavailable)
    assert len(steps_of(report)) == STEPS - 1
    assert failure.record not in steps_of(report)
    assert steps_of(grove.sweep()) == {failure.record}
