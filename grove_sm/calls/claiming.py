"""Claims on targets: taking, keeping and ending them."""

from collections.abc import Mapping
from typing import Any, Final

from grove_sm.calls.base import Calls, agent_fields, agent_id_of
from grove_sm.domain import Agent, Claim
from grove_sm.domain.arguments import text_argument
from grove_sm.domain.errors import ValidationError
from grove_sm.operations.claim_ends import COMPLETE, RELEASE, plan_complete, plan_release
from grove_sm.operations.claims import (
    HEARTBEAT,
    OPERATION,
    HeldRequest,
    plan_claim,
    plan_heartbeat,
)
from grove_sm.operations.layout import BOUNTY_TARGET, HANDOFF_TARGET
from grove_sm.requests import claim_request
from grove_sm.results import Claimed
from grove_sm.settings import lease_of
from grove_sm.views import Claims

_CLAIMED_OTHERWISE: Final = {
    BOUNTY_TARGET: "a bounty, which is claimed with its record by claim_bounty",
    HANDOFF_TARGET: "a handoff, which is claimed with its record by pick_up",
}


class ClaimCalls(Calls):
    """What agents do with claims."""

    claims: Claims

    def claim(
        self,
        target_ref: str,
        *,
        agent: Agent,
        intent_summary: str,
        lease_seconds: float | None = None,
        context: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Claimed:
        """Claim a target for an agent, or renew the claim that it holds.

        Raises ClaimConflict if another agent holds it; ValidationError; otherwise as
        `contribute`.
        """
        for prefix, what in _CLAIMED_OTHERWISE.items():
            if isinstance(target_ref, str) and target_ref.startswith(prefix):
                raise ValidationError(
                    field="targetRef", rule=f"must not name {what}", value=target_ref
                )
        request = claim_request(
            target_ref,
            agent=agent,
            intent_summary=intent_summary,
            lease_seconds=self.settings.leases.claim if lease_seconds is None else lease_seconds,
            claim_id=self._new_id("claim"),
            now=self.coordinator.now(),
            context=context,
        )
        executed = self._execute(
            OPERATION,
            lambda facts: plan_claim(request, facts),
            now=request.now,
            agent=agent,
            idempotency_key=idempotency_key,
            fields={
                "targetRef": target_ref,
                **agent_fields(agent),
                "intentSummary": intent_summary,
                "leaseSeconds": lease_seconds,
                "context": context,
            },
        )
        result = executed.result
        return Claimed(
            claim=Claim.from_document(result["claim"]),
            renewed=result["renewed"],
            txid=str(executed.txid),
        )

    def heartbeat(
        self,
        claim_id: str,
        *,
        agent: Agent | None = None,
        lease_seconds: float | None = None,
        idempotency_key: str | None = None,
    ) -> Claim:
        """Keep a claim for `lease_seconds` from now, by default as long as a new one of its kind.

        Works for the claims of bounties and deliveries too. Returns the claim; its lease was
        never shortened.

        Raises NotFound; StateConflict if it is not active or its lease has run out; ClaimConflict
        if an agent is named that does not hold it; ValidationError; otherwise as `contribute`.
        """
        request = HeldRequest(
            text_argument("claimId", claim_id), agent_id_of(agent), self.coordinator.now()
        )
        given = None if lease_seconds is None else lease_of(lease_seconds)
        lease = self.settings.leases.of if given is None else lambda _: given
        return self._change(
            Claim,
            HEARTBEAT,
            lambda facts: plan_heartbeat(request, lease, facts),
            now=request.now,
            agent=agent,
            idempotency_key=idempotency_key,
            claimId=claim_id,
            leaseSeconds=given,
        )

    def release(
        self, claim_id: str, *, agent: Agent | None = None, idempotency_key: str | None = None
    ) -> Claim:
        """Give a claim up; its target is free at once. Returns the claim.

        A bounty that it holds is `open` again in the same step; a handoff is to be picked up
        again. Raises as `heartbeat`.
        """
        request = HeldRequest(
            text_argument("claimId", claim_id), agent_id_of(agent), self.coordinator.now()
        )
        return self._change(
            Claim,
            RELEASE,
            lambda facts: plan_release(request, facts),
            now=request.now,
            agent=agent,
            idempotency_key=idempotency_key,
            claimId=claim_id,
        )

    def complete(
        self, claim_id: str, *, agent: Agent | None = None, idempotency_key: str | None = None
    ) -> Claim:
        """End a claim whose work is done. Returns the claim.

        Raises ValidationError for the claim on a bounty or a handoff, which ends with its record
        (`complete_bounty`, `acknowledge`); otherwise as `heartbeat`.
        """
        request = HeldRequest(
            text_argument("claimId", claim_id), agent_id_of(agent), self.coordinator.now()
        )
        return self._change(
            Claim,
            COMPLETE,
            lambda facts: plan_complete(request, facts),
            now=request.now,
            agent=agent,
            idempotency_key=idempotency_key,
            claimId=claim_id,
        )
