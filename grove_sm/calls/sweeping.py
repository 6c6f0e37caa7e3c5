"""Sweeping: whatever has run out is brought to its end, one record's family at a time."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import takewhile
from typing import Any, Final, NamedTuple

from grove_sm.calls.base import Calls
from grove_sm.commit.coordinator import Executed
from grove_sm.commit.txid import is_before
from grove_sm.domain import Bounty, Claim, Handoff, parse_time
from grove_sm.domain.arguments import limit_argument
from grove_sm.domain.errors import GroveError
from grove_sm.lifecycles import BOUNTY, CLAIM, HANDOFF, Lifecycle
from grove_sm.operations import bounty_ends, claim_ends, forgetting, handoffs
from grove_sm.operations.bounty_ends import ExpireBountyRequest, plan_expire_bounty
from grove_sm.operations.claim_ends import (
    ExpireClaimRequest,
    has_run_out,
    is_stalled,
    plan_expire_claim,
)
from grove_sm.operations.claims import is_live, later
from grove_sm.operations.documents import decode
from grove_sm.operations.forgetting import IsOld, plan_forget_claim, plan_forget_handoff
from grove_sm.operations.handoffs import plan_expire_handoff
from grove_sm.operations.layout import BOUNTIES, CLAIMS, HANDOFFS
from grove_sm.operations.plan import Facts, Plan, Stored
from grove_sm.operations.query import Query
from grove_sm.results import NotSwept, SweepReport
from grove_sm.settings import Keep, lease_of

_PAGE: Final = 500


class _Due(NamedTuple):
    """Records of a collection, in one of these states, that may have to be swept; and how.

    `what` is how failures call them. `is_due` only tells which look so; what `plan` reads decides.
    Of those that come after one that `may_be` not, in the order of their creation, none is.
    """

    what: str
    collection: str
    statuses: Sequence[str]
    is_due: Callable[[Stored], bool]
    plan: Callable[[str, Facts], Plan]
    may_be: Callable[[Stored], bool] = lambda _: True


class SweepCalls(Calls):
    """The sweep, and whom it may have to be told of."""

    def stalled(self, *, after: float, limit: int | None = None) -> list[Claim]:
        """The claims that are held by agents without a heartbeat for so many seconds.

        Those of bounties and deliveries too; longest without one first, at most `limit`. One whose
        lease has run out is not among them: it holds nothing, and any sweep expires it. To expire
        these as well: `sweep(stalled_after=after)`.

        Raises ValidationError; StoreUnavailable; Corrupt if a claim is damaged.
        """
        limit_argument(limit)
        now = self.coordinator.now()
        since = _stalled_since(now, after, "after")
        where = (("status", CLAIM.initial),)
        active = (
            decode(Claim, stored, self.coordinator.participants[CLAIMS].name)
            for stored in self.coordinator.pages(Query(CLAIMS, where), _PAGE)
        )
        stalled = [claim for claim in active if is_live(claim, now) and is_stalled(claim, since)]
        return sorted(stalled, key=lambda claim: (claim.heartbeat_at, claim.claim_id))[:limit]

    def sweep(
        self,
        *,
        stalled_after: float | None = None,
        forget_after: float | None = None,
        limit: int | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> SweepReport:
        """Expire what has run out: bounties past their deadline, claims, overdue handoffs.

        Then forget claims and handoffs that ended long ago, if the settings or the caller say so.

        Each record's family is one atomic step, decided on what is there when it is taken: any
        number of sweeps may run at once, and one that is stopped half way has left whole steps.

        Args:
            stalled_after: also expire claims whose agent sent no heartbeat for so many seconds,
                however long their lease.
            forget_after: delete claims and handoffs that ended so many seconds ago; by default
                what the settings say, which is to keep them for ever.
            limit: at most so many steps.
            should_stop: asked before each step; True ends the sweep there.

        What could not be read or done now is in the report's failures. Raises ValidationError.
        """
        limit_argument(limit)
        now = self.coordinator.now()
        stalled_since = None
        if stalled_after is not None:
            stalled_since = _stalled_since(now, stalled_after, "stalledAfter")
        keep = self.settings.keep
        if forget_after is not None:
            seconds = lease_of(forget_after, "forgetAfter")
            keep = Keep(claims=seconds, handoffs=seconds)
        report = SweepReport()
        for due in (*self._due(now, stalled_since), *_long_ended(now, keep)):
            try:
                for stored in self._looking_due(due):
                    if should_stop() or (limit is not None and report.swept >= limit):
                        report.is_complete = False
                        return report
                    self._take_step(due, stored.record_id, now, report)
            except GroveError as error:
                # What was done before is done, and is told.
                report.failures.append(NotSwept(due.what, error))
                report.is_complete = False
        return report

    def _take_step(self, due: _Due, record_id: str, now: str, report: SweepReport) -> None:
        try:
            executed = self._execute("sweep", partial(due.plan, record_id), now=now)
        except GroveError as error:
            record = f"{due.what} record {record_id}"
            report.failures.append(NotSwept(record, error))
        else:
            _note(executed, report)

    def _due(self, now: str, stalled_since: str | None) -> Iterator[_Due]:
        has_credits = self._has_credits
        # Before their claims, whose end would open them again.
        yield _Due(
            BOUNTIES,
            BOUNTIES,
            _states_that_expire(BOUNTY),
            lambda stored: bounty_ends.is_overdue(decode(Bounty, stored), now),
            lambda bounty_id, facts: plan_expire_bounty(
                ExpireBountyRequest(bounty_id, has_credits, now), facts
            ),
        )
        yield _Due(
            CLAIMS,
            CLAIMS,
            ("active",),
            lambda stored: has_run_out(decode(Claim, stored), now, stalled_since),
            lambda claim_id, facts: plan_expire_claim(
                ExpireClaimRequest(claim_id, stalled_since, has_credits, now), facts
            ),
        )
        yield _Due(
            HANDOFFS,
            HANDOFFS,
            _states_that_expire(HANDOFF),
            lambda stored: handoffs.is_overdue(decode(Handoff, stored), now),
            lambda handoff_id, facts: plan_expire_handoff(handoff_id, now, facts),
        )

    def _looking_due(self, due: _Due) -> Iterator[Stored]:
        for status in due.statuses:
            found = self.coordinator.pages(Query(due.collection, (("status", status),)), _PAGE)
            yield from filter(due.is_due, takewhile(due.may_be, found))


def _stalled_since(now: str, seconds: float, field: str) -> str:
    return later(now, -lease_of(seconds, field))


def _long_ended(now: str, keep: Keep) -> Iterator[_Due]:
    """What ended longer ago than it is to be kept."""
    # Handoffs first, which take their deliveries with them.
    if keep.handoffs is not None:
        yield _forgotten(
            HANDOFFS, Handoff, HANDOFF.final, plan_forget_handoff, later(now, -keep.handoffs)
        )
    if keep.claims is not None:
        yield _forgotten(CLAIMS, Claim, CLAIM.final, plan_forget_claim, later(now, -keep.claims))


def _forgotten(
    collection: str,
    kind: type[Claim | Handoff],
    statuses: Sequence[str],
    plan: Callable[[str, IsOld, Facts], Plan],
    before: str,
) -> _Due:
    def is_old(stored: Stored) -> bool:
        return is_before(stored.txid, parse_time(before))

    def was_created_before(stored: Stored) -> bool:
        return decode(kind, stored).created_at < before

    return _Due(
        f"old {collection}",
        collection,
        statuses,
        is_old,
        lambda record_id, facts: plan(record_id, is_old, facts),
        was_created_before,
    )


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
    elif plan.operation == forgetting.CLAIM_FORGOTTEN:
        report.claims_forgotten.append(result["claimId"])
    elif plan.operation == forgetting.HANDOFF_FORGOTTEN:
        report.handoffs_forgotten.append(result["handoffId"])
