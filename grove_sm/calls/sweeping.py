"""Sweeping: whatever has run out is brought to its end, one record's family at a time."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from grove_sm.calls.base import Calls
from grove_sm.commit.coordinator import Executed
from grove_sm.domain import Bounty, Claim, Handoff
from grove_sm.domain.arguments import limit_argument
from grove_sm.domain.errors import GroveError
from grove_sm.lifecycles import BOUNTY, HANDOFF, Lifecycle
from grove_sm.operations import bounty_ends, claim_ends, handoffs
from grove_sm.operations.bounty_ends import ExpireBountyRequest, plan_expire_bounty
from grove_sm.operations.claim_ends import ExpireClaimRequest, has_run_out, plan_expire_claim
from grove_sm.operations.claims import later
from grove_sm.operations.documents import decode
from grove_sm.operations.handoffs import plan_expire_handoff
from grove_sm.operations.layout import BOUNTIES, CLAIMS, HANDOFFS
from grove_sm.operations.plan import Facts, Plan, Stored
from grove_sm.results import NotSwept, SweepReport
from grove_sm.settings import lease_of

_PAGE: Final = 500


class _Due(NamedTuple):
    """Records of a collection, in one of these states, that may have to be ended; and how.

    `is_due` only tells which look so; what `plan` reads decides.
    """

    collection: str
    statuses: Sequence[str]
    is_due: Callable[[Stored], bool]
    plan: Callable[[str, Facts], Plan]


class SweepCalls(Calls):
    """The sweep."""

    def sweep(
        self,
        *,
        stalled_after: float | None = None,
        limit: int | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> SweepReport:
        """Expire what has run out: bounties past their deadline, claims, overdue handoffs.

        Each record's family is one atomic step, decided on what is there when it is taken: any
        number of sweeps may run at once, and one that is stopped half way has left whole steps.

        Args:
            stalled_after: also expire claims whose agent sent no heartbeat for so many seconds,
                however long their lease.
            limit: at most so many steps.
            should_stop: asked before each step; True ends the sweep there.

        What could not be read or done now is in the report's failures. Raises ValidationError.
        """
        limit_argument(limit)
        now = self.coordinator.now()
        stalled_since = None
        if stalled_after is not None:
            stalled_since = later(now, -lease_of(stalled_after, "stalledAfter"))
        report = SweepReport()
        for due in self._due(now, stalled_since):
            try:
                for stored in self._looking_due(due):
                    if should_stop() or (limit is not None and report.swept >= limit):
                        report.is_complete = False
                        return report
                    self._take_step(due, stored.record_id, now, report)
            except GroveError as error:
                # What was done before is done, and is told.
                report.failures.append(NotSwept(due.collection, error))
                report.is_complete = False
        return report

    def _take_step(self, due: _Due, record_id: str, now: str, report: SweepReport) -> None:
        try:
            executed = self._execute("sweep", partial(due.plan, record_id), now=now)
        except GroveError as error:
            record = f"{due.collection} record {record_id}"
            report.failures.append(NotSwept(record, error))
        else:
            _note(executed, report)

    def _due(self, now: str, stalled_since: str | None) -> Iterator[_Due]:
        has_credits = self._has_credits
        # Before their claims, whose end would open them again.
        yield _Due(
            BOUNTIES,
            _states_that_expire(BOUNTY),
            lambda stored: bounty_ends.is_overdue(decode(Bounty, stored), now),
            lambda bounty_id, facts: plan_expire_bounty(
                ExpireBountyRequest(bounty_id, has_credits, now), facts
            ),
        )
        yield _Due(
            CLAIMS,
            ("active",),
            lambda stored: has_run_out(decode(Claim, stored), now, stalled_since),
            lambda claim_id, facts: plan_expire_claim(
                ExpireClaimRequest(claim_id, stalled_since, has_credits, now), facts
            ),
        )
        yield _Due(
            HANDOFFS,
            _states_that_expire(HANDOFF),
            lambda stored: handoffs.is_overdue(decode(Handoff, stored), now),
            lambda handoff_id, facts: plan_expire_handoff(handoff_id, now, facts),
        )

    def _looking_due(self, due: _Due) -> Iterator[Stored]:
        for status in due.statuses:
            found = self.coordinator.pages(due.collection, (("status", status),), _PAGE)
            yield from filter(due.is_due, found)


def _states_that_expire(lifecycle: Lifecycle[Any]) -> Sequence[str]:
    return tuple(source for trigger, source, _ in lifecycle.moves if trigger == "expire")


def _note(executed: Executed, report: SweepReport) -> None:
    """Add a step to the report, if it found anything to do."""
    plan, result = executed.plan, executed.result
    if plan is None or not plan.writes:
        return
    if plan.operation == bounty_ends.EXPIRE:
        report.bounties_expired.append(result["bounty"]["bountyId"])
    elif plan.operation == handoffs.EXPIRE:
        report.handoffs_expired.append(result["handoff"]["handoffId"])
    elif plan.operation == claim_ends.EXPIRE:
        report.claims_expired.append(result["claim"]["claimId"])
        if "bounty" in result:
            report.bounties_reopened.append(result["bounty"]["bountyId"])
