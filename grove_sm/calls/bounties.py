"""Bounties: offering, claiming, and how they end."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from grove_sm.calls.base import agent_fields, agent_id_of
from grove_sm.calls.claiming import ClaimCalls
from grove_sm.domain import Agent, Bounty, Claim, Criteria, normalise_time
from grove_sm.domain.arguments import agent_argument, text_argument
from grove_sm.operations import bounties, bounty_ends, claim_ends
from grove_sm.operations.bounties import (
    OpenBountyRequest,
    bounty_target,
    plan_claim_bounty,
    plan_create_bounty,
    plan_open_bounty,
)
from grove_sm.operations.bounty_ends import (
    CancelBountyRequest,
    CompleteBountyRequest,
    SettleBountyRequest,
    plan_cancel_bounty,
    plan_complete_bounty,
    plan_settle_bounty,
)
from grove_sm.operations.claim_ends import ReleaseBountyRequest, plan_release_bounty
from grove_sm.operations.claims import later
from grove_sm.requests import claim_request
from grove_sm.results import BountyClaimed

_DEFAULT_DEADLINE: Final = timedelta(days=7)


class BountyCalls(ClaimCalls):
    """What agents do with bounties."""

    def create_bounty(
        self,
        *,
        title: str,
        amount: int,
        criteria: Criteria | Mapping[str, Any],
        agent: Agent,
        description: str | None = None,
        deadline: str | datetime | None = None,
        zone_id: str | None = None,
        context: Mapping[str, Any] | None = None,
        draft: bool = False,
        idempotency_key: str | None = None,
    ) -> Bounty:
        """Open a bounty and, if the deployment has credits, reserve its amount, as one.

        Args are the fields of a bounty (Grove protocol, section 5); `agent` is its creator, and
        the deadline defaults to 7 days from now. A `draft` cannot be claimed and reserves nothing
        until `open_bounty`.

        Raises ValidationError; InsufficientCredits; otherwise as `contribute`.
        """
        now = self.coordinator.now()
        ends = (
            later(now, _DEFAULT_DEADLINE.total_seconds())
            if deadline is None
            else normalise_time(deadline, "deadline")
        )
        bounty_id = self._new_id("bounty")
        is_funded = self._has_credits and not draft
        reservation_id = self._new_id("reservation") if is_funded else None
        bounty = Bounty(
            bounty_id=bounty_id,
            title=title,
            description=title if description is None else description,
            status="draft" if draft else "open",
            creator=agent,
            amount=amount,
            criteria=criteria,  # type: ignore[arg-type] # an object is validated as a document
            deadline=ends,
            zone_id=zone_id,
            reservation_id=reservation_id,
            context=context,
            created_at=now,
            updated_at=now,
        )
        made = ("bountyId", "status", "reservationId", "createdAt", "updatedAt")
        fields = {k: v for k, v in bounty.to_document().items() if k not in made}
        fields["draft"] = draft
        if deadline is None:
            del fields["deadline"]
        executed = self._execute(
            bounties.CREATE,
            lambda facts: plan_create_bounty(bounty, facts),
            now=now,
            agent=agent,
            idempotency_key=idempotency_key,
            fields=fields,
        )
        return Bounty.from_document(executed.result["bounty"])

    def open_bounty(
        self, bounty_id: str, *, agent: Agent, idempotency_key: str | None = None
    ) -> Bounty:
        """Open a draft and, if the deployment has credits, reserve its amount, as one.

        Raises NotFound; StateConflict if it is no draft, its deadline has passed or `agent` is not
        its creator; InsufficientCredits; otherwise as `contribute`.
        """
        now = self.coordinator.now()
        reservation_id = self._new_id("reservation") if self._has_credits else None
        request = OpenBountyRequest(
            text_argument("bountyId", bounty_id),
            agent_argument(agent).agent_id,
            reservation_id,
            now,
        )
        return self._change(
            Bounty,
            bounties.OPEN,
            lambda facts: plan_open_bounty(request, facts),
            now=now,
            agent=agent,
            idempotency_key=idempotency_key,
            bountyId=bounty_id,
        )

    def claim_bounty(
        self,
        bounty_id: str,
        *,
        agent: Agent,
        intent_summary: str | None = None,
        lease_seconds: float | None = None,
        context: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> BountyClaimed:
        """Claim a bounty for an agent: the claim and the bounty, as one; or renew its claim.

        Raises NotFound; ClaimConflict if another agent holds it; StateConflict if its deadline
        has passed or it is past claiming; ValidationError; otherwise as `contribute`.
        """
        request = claim_request(
            bounty_target(text_argument("bountyId", bounty_id)),
            agent=agent,
            intent_summary=(
                f"fulfil bounty {bounty_id}"[:1024] if intent_summary is None else intent_summary
            ),
            lease_seconds=self.settings.leases.bounty if lease_seconds is None else lease_seconds,
            claim_id=self._new_id("claim"),
            now=self.coordinator.now(),
            context=context,
        )
        executed = self._execute(
            bounties.CLAIM,
            lambda facts: plan_claim_bounty(bounty_id, request, facts),
            now=request.now,
            agent=agent,
            idempotency_key=idempotency_key,
            fields={
                "bountyId": bounty_id,
                **agent_fields(agent),
                "intentSummary": intent_summary,
                "leaseSeconds": lease_seconds,
                "context": context,
            },
        )
        result = executed.result
        return BountyClaimed(
            claim=Claim.from_document(result["claim"]),
            bounty=Bounty.from_document(result["bounty"]),
            renewed=result["renewed"],
            txid=str(executed.txid),
        )

    def release_bounty(
        self, bounty_id: str, *, agent: Agent | None = None, idempotency_key: str | None = None
    ) -> Bounty:
        """Give a claimed bounty up: its claim `released`, the bounty `open` again, as one.

        Raises NotFound; StateConflict if it is not claimed or the lease has run out; ClaimConflict
        if an agent is named that does not hold it; otherwise as `contribute`.
        """
        now = self.coordinator.now()
        request = ReleaseBountyRequest(
            text_argument("bountyId", bounty_id), agent_id_of(agent), now
        )
        return self._change(
            Bounty,
            claim_ends.RELEASE_BOUNTY,
            lambda facts: plan_release_bounty(request, facts),
            now=now,
            agent=agent,
            idempotency_key=idempotency_key,
            bountyId=bounty_id,
        )

    def complete_bounty(
        self,
        bounty_id: str,
        cid: str,
        *,
        agent: Agent | None = None,
        idempotency_key: str | None = None,
    ) -> Bounty:
        """Say that a contribution fulfils a claimed bounty: claim and bounty `completed`, as one.

        The bounty then waits for `settle_bounty`, which pays.

        Raises NotFound if it or the contribution does not exist; StateConflict if it is not
        claimed, its deadline or the lease has passed, or the contribution does not meet the
        criteria; ClaimConflict if an agent is named that does not hold it; otherwise as
        `contribute`.
        """
        now = self.coordinator.now()
        request = CompleteBountyRequest(
            text_argument("bountyId", bounty_id),
            text_argument("cid", cid),
            agent_id_of(agent),
            now,
        )
        return self._change(
            Bounty,
            bounty_ends.COMPLETE,
            lambda facts: plan_complete_bounty(request, facts),
            now=now,
            agent=agent,
            idempotency_key=idempotency_key,
            bountyId=bounty_id,
            cid=cid,
        )

    def settle_bounty(
        self,
        bounty_id: str,
        cid: str | None = None,
        *,
        agent: Agent | None = None,
        idempotency_key: str | None = None,
    ) -> Bounty:
        """Pay a bounty's amount to its claimant: claim, bounty and credits, as one.

        Args:
            bounty_id: a claimed bounty, which is completed in the same step, or a completed one.
            cid: the contribution that fulfils it; a completed one has it already.
            agent: who asks; whose idempotency key it is.

        Raises as `complete_bounty`; also ValidationError if no contribution is known, and
        StateConflict if it was completed by another.
        """
        now = self.coordinator.now()
        request = SettleBountyRequest(
            text_argument("bountyId", bounty_id),
            None if cid is None else text_argument("cid", cid),
            self._has_credits,
            now,
        )
        return self._change(
            Bounty,
            bounty_ends.SETTLE,
            lambda facts: plan_settle_bounty(request, facts),
            now=now,
            agent=agent,
            idempotency_key=idempotency_key,
            bountyId=bounty_id,
            cid=cid,
        )

    def cancel_bounty(
        self, bounty_id: str, *, agent: Agent, idempotency_key: str | None = None
    ) -> Bounty:
        """Take a bounty back: its claim, if any, `released`, its reservation voided, as one.

        Raises NotFound; StateConflict if it has ended or `agent` is not its creator; otherwise as
        `contribute`.
        """
        now = self.coordinator.now()
        request = CancelBountyRequest(
            text_argument("bountyId", bounty_id),
            agent_argument(agent).agent_id,
            self._has_credits,
            now,
        )
        return self._change(
            Bounty,
            bounty_ends.CANCEL,
            lambda facts: plan_cancel_bounty(request, facts),
            now=now,
            agent=agent,
            idempotency_key=idempotency_key,
            bountyId=bounty_id,
        )
