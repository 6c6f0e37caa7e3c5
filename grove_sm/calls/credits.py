"""Credits: granting and transferring."""

from grove_sm.calls.base import Calls
from grove_sm.domain import Account, Agent, Grant, Transfer
from grove_sm.domain.errors import ValidationError
from grove_sm.operations.credits import (
    OPERATION,
    TRANSFER,
    GrantRequest,
    TransferRequest,
    plan_grant,
    plan_transfer,
)
from grove_sm.views import Credits


class CreditCalls(Calls):
    """What moves credits outside of bounties."""

    credits: Credits

    def grant_credits(
        self, agent_id: str, amount: int, *, idempotency_key: str | None = None
    ) -> Account:
        """Give an agent credits; returns its account afterwards.

        Raises ValidationError if the amount is not a positive integer; StateConflict if this
        deployment has no credits; otherwise as `contribute`.
        """
        self.credits.require()
        agent = Agent(agent_id=agent_id)
        grant = Grant(
            grant_id=self._new_id("grant"),
            agent_id=agent_id,
            amount=amount,
            created_at=self.coordinator.now(),
        )
        executed = self._execute(
            OPERATION,
            lambda facts: plan_grant(GrantRequest(grant), facts),
            now=grant.created_at,
            agent=agent,
            idempotency_key=idempotency_key,
            fields={"agentId": agent_id, "amount": amount},
        )
        return Account.from_document(executed.result["account"])

    def transfer_credits(
        self,
        from_agent_id: str,
        to_agent_id: str,
        amount: int,
        *,
        idempotency_key: str | None = None,
    ) -> Account:
        """Move credits from one agent to another; returns the giver's account afterwards.

        Raises ValidationError if the amount is not a positive integer or both are the same agent;
        InsufficientCredits; otherwise as `grant_credits`.
        """
        self.credits.require()
        agent = Agent(agent_id=from_agent_id)
        transfer = Transfer(
            transfer_id=self._new_id("transfer"),
            from_agent_id=from_agent_id,
            to_agent_id=to_agent_id,
            amount=amount,
            created_at=self.coordinator.now(),
        )
        if from_agent_id == to_agent_id:
            raise ValidationError(
                field="toAgentId", rule="must be another agent than fromAgentId", value=to_agent_id
            )
        executed = self._execute(
            TRANSFER,
            lambda facts: plan_transfer(TransferRequest(transfer), facts),
            now=transfer.created_at,
            agent=agent,
            idempotency_key=idempotency_key,
            fields={"fromAgentId": from_agent_id, "toAgentId": to_agent_id, "amount": amount},
        )
        return Account.from_document(executed.result["account"])
