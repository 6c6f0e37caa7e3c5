"""Handoffs as an inbox: picking up, acknowledging, giving up."""

import time
from collections.abc import Callable, Iterator, Mapping
from heapq import merge
from typing import Any, Final

from grove_sm.calls.base import Calls, agent_fields, agent_id_of
from grove_sm.domain import Agent, Claim, Contribution, Handoff
from grove_sm.domain.arguments import agent_argument, text_argument
from grove_sm.domain.errors import ValidationError
from grove_sm.operations.documents import decode
from grove_sm.operations.handoffs import (
    ACKNOWLEDGE,
    DEAD_LETTER,
    DELIVERABLE,
    PICK_UP,
    DeliveredRequest,
    NotWaiting,
    PickUpRequest,
    plan_acknowledge,
    plan_dead_letter,
    plan_pick_up,
)
from grove_sm.operations.layout import HANDOFFS
from grove_sm.operations.plan import Facts, Plan, Stored
from grove_sm.results import PickedUp
from grove_sm.settings import lease_of

_PAGE: Final = 64
_FIRST_PAUSE: Final = 0.01
_LONGEST_PAUSE: Final = 0.5


class InboxCalls(Calls):
    """What agents do with handoffs."""

    def pick_up(
        self,
        *,
        agent: Agent,
        role: str | None = None,
        wait: float = 0.0,
        visibility_seconds: float | None = None,
        idempotency_key: str | None = None,
    ) -> PickedUp | None:
        """Take the oldest handoff that waits for a role: `delivered`, and to this agent alone.

        A handoff that was delivered before, but neither processed nor given up in time, waits
        again: an agent that dies loses nothing. `heartbeat` on the delivery's claim gains time,
        `release` gives it back.

        Args:
            agent: who takes it.
            role: whose inbox; by default the agent's role.
            wait: seconds to wait for one to come.
            visibility_seconds: how long the agent has to process it, before it waits again; by
                default the settings' lease of handoffs.

        Returns None if nothing waits. Raises ValidationError; otherwise as `contribute`.
        """
        role = agent_argument(agent).role if role is None else text_argument("role", role)
        if not role:
            raise ValidationError(field="role", rule="is required where the agent has none")
        if not isinstance(wait, int | float) or isinstance(wait, bool) or not 0 <= wait < 1e9:
            raise ValidationError(field="wait", rule="must be a number of seconds", value=wait)
        seconds = self.settings.leases.handoff
        if visibility_seconds is not None:
            seconds = lease_of(visibility_seconds, "visibilitySeconds")
        fields = {"role": role, "visibilitySeconds": visibility_seconds, **agent_fields(agent)}
        claim_id = self._new_id("claim")

        # One time for all that one look at the inbox tries, as every call has one.
        now = self.coordinator.now()

        def deliver(handoff_id: str | None) -> PickedUp | None:
            return self._deliver(
                handoff_id,
                claim_id,
                agent,
                seconds,
                now,
                idempotency_key=idempotency_key,
                fields=fields,
            )

        # A retry is answered from its key, whether anything waits or not.
        found = None if idempotency_key is None else deliver(None)
        deadline = time.monotonic() + wait
        pause = _FIRST_PAUSE
        while found is None:
            found = next(filter(None, map(deliver, self._waiting(role))), None)
            left = deadline - time.monotonic()
            if found is None and left <= 0:
                break
            if found is None:
                time.sleep(min(pause, left))
                pause = min(pause * 2, _LONGEST_PAUSE)
                now = self.coordinator.now()
        return found

    def acknowledge(
        self, handoff_id: str, *, agent: Agent | None = None, idempotency_key: str | None = None
    ) -> Handoff:
        """Say that a handoff that was picked up is processed. Returns the handoff.

        Raises NotFound; StateConflict if it is not delivered, or the time to process it has run
        out; ClaimConflict if an agent is named that it was not delivered to; otherwise as
        `contribute`.
        """
        request = DeliveredRequest(
            text_argument("handoffId", handoff_id), agent_id_of(agent), self.coordinator.now()
        )
        return self._execute_handoff(
            ACKNOWLEDGE,
            lambda facts: plan_acknowledge(request, facts),
            request,
            agent,
            idempotency_key,
        )

    def dead_letter(
        self, handoff_id: str, *, agent: Agent | None = None, idempotency_key: str | None = None
    ) -> Handoff:
        """Give up on a handoff that cannot be delivered or processed. Returns the handoff.

        Raises NotFound; StateConflict if it was processed or has ended; ClaimConflict if an agent
        is named and another has it; otherwise as `contribute`.
        """
        request = DeliveredRequest(
            text_argument("handoffId", handoff_id), agent_id_of(agent), self.coordinator.now()
        )
        return self._execute_handoff(
            DEAD_LETTER,
            lambda facts: plan_dead_letter(request, facts),
            request,
            agent,
            idempotency_key,
        )

    def _waiting(self, role: str) -> Iterator[str]:
        """The handoffs that may wait for a role, oldest first; some may be delivered still."""
        return (handoff_id for _, handoff_id in merge(*(self._in(role, s) for s in DELIVERABLE)))

    def _in(self, role: str, status: str) -> Iterator[tuple[str, str]]:
        last: Stored | None = None
        while True:
            where = (("toRole", role), ("status", status))
            page = self.coordinator.page(HANDOFFS, where, _PAGE, last)
            for stored in page:
                yield decode(Handoff, stored).created_at, stored.record_id
            if len(page) < _PAGE:
                return
            last = page[-1]

    def _deliver(
        self,
        handoff_id: str | None,
        claim_id: str,
        agent: Agent,
        seconds: float,
        now: str,
        *,
        idempotency_key: str | None,
        fields: Mapping[str, Any],
    ) -> PickedUp | None:
        def plan(facts: Facts) -> Plan:
            if handoff_id is None:
                raise NotWaiting
            return plan_pick_up(PickUpRequest(handoff_id, agent, seconds, claim_id, now), facts)

        try:
            executed = self._execute(
                PICK_UP, plan, now=now, agent=agent, idempotency_key=idempotency_key, fields=fields
            )
        except NotWaiting:
            return None
        result = executed.result
        return PickedUp(
            handoff=Handoff.from_document(result["handoff"]),
            contribution=Contribution.from_document(result["contribution"]),
            claim=Claim.from_document(result["claim"]),
            txid=str(executed.txid),
        )

    def _execute_handoff(
        self,
        operation: str,
        plan: Callable[[Facts], Plan],
        request: DeliveredRequest,
        agent: Agent | None,
        idempotency_key: str | None,
    ) -> Handoff:
        executed = self._execute(
            operation,
            plan,
            now=request.now,
            agent=agent,
            idempotency_key=idempotency_key,
            fields={"handoffId": request.handoff_id, **agent_fields(agent)},
        )
        return Handoff.from_document(executed.result["handoff"])
