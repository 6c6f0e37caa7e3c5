"""Handoffs as an inbox: picking up, acknowledging, giving up."""

from collections.abc import Callable, Iterator
from functools import partial
from heapq import merge
from math import inf
from typing import Final

from grove_sm.calls.base import Calls, agent_fields, agent_id_of
from grove_sm.calls.waiting import Waiting
from grove_sm.commit.coordinator import Executed
from grove_sm.domain import Agent, Claim, Contribution, Handoff, parse_time
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
from grove_sm.operations.plan import Facts, Plan
from grove_sm.operations.query import Query
from grove_sm.results import PickedUp
from grove_sm.settings import lease_of

_PAGE: Final = 64


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
        require_seconds(wait)
        look = self.picking_up(
            agent=agent,
            role=role,
            visibility_seconds=visibility_seconds,
            idempotency_key=idempotency_key,
        )
        if not wait:
            found = look()
            return found if isinstance(found, PickedUp) else None
        with self.coordinator.journal.watch() as watch:
            waiting = Waiting(watch, wait)
            while not isinstance(found := look(), PickedUp):
                if not waiting.sleep(found):
                    return None
        return found

    def picking_up(
        self,
        *,
        agent: Agent,
        role: str | None = None,
        visibility_seconds: float | None = None,
        idempotency_key: str | None = None,
    ) -> Callable[[], PickedUp | float]:
        """What looks for a handoff once, for those who wait in their own manner; as `pick_up`.

        Each call of it answers the handoff that it has picked up, or in how many seconds one
        waits again, if nothing is decided until then.
        """
        role = agent_argument(agent).role if role is None else text_argument("role", role)
        if not role:
            raise ValidationError(field="role", rule="is required where the agent has none")
        seconds = self.settings.leases.handoff
        if visibility_seconds is not None:
            seconds = lease_of(visibility_seconds, "visibilitySeconds")
        fields = {"role": role, "visibilitySeconds": visibility_seconds, **agent_fields(agent)}
        claim_id = self._new_id("claim")

        def deliver(plan: Callable[[Facts], Plan], now: str) -> PickedUp | NotWaiting:
            try:
                executed = self._execute(
                    PICK_UP,
                    plan,
                    now=now,
                    agent=agent,
                    idempotency_key=idempotency_key,
                    fields=fields,
                )
            except NotWaiting as answer:
                return answer
            return _picked_up(executed)

        def look() -> PickedUp | float:
            # One time for all that one look at the inbox tries, as every call has one.
            now = self.coordinator.now()
            until = []
            for handoff_id in self._waiting(role):
                request = PickUpRequest(handoff_id, agent, seconds, claim_id, now)
                found = deliver(partial(plan_pick_up, request), now)
                if isinstance(found, PickedUp):
                    return found
                if found.until is not None:
                    until.append(found.until)
            return _seconds_between(now, min(until)) if until else inf

        if idempotency_key is not None:
            # A retry is answered from its key, whether anything waits or not.
            known = deliver(_nothing_waits, self.coordinator.now())
            if isinstance(known, PickedUp):
                return lambda: known
        return look

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
        return self._change(
            Handoff,
            ACKNOWLEDGE,
            lambda facts: plan_acknowledge(request, facts),
            now=request.now,
            agent=agent,
            idempotency_key=idempotency_key,
            handoffId=handoff_id,
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
        return self._change(
            Handoff,
            DEAD_LETTER,
            lambda facts: plan_dead_letter(request, facts),
            now=request.now,
            agent=agent,
            idempotency_key=idempotency_key,
            handoffId=handoff_id,
        )

    def _waiting(self, role: str) -> Iterator[str]:
        """The handoffs that may wait for a role, oldest first; some may be delivered still."""
        return (handoff_id for _, handoff_id in merge(*(self._in(role, s) for s in DELIVERABLE)))

    def _in(self, role: str, status: str) -> Iterator[tuple[str, str]]:
        where = (("toRole", role), ("status", status))
        for stored in self.coordinator.pages(Query(HANDOFFS, where), _PAGE):
            yield decode(Handoff, stored).created_at, stored.record_id


def require_seconds(wait: object) -> None:
    """Raises ValidationError for what is no number of seconds to wait."""
    if not isinstance(wait, int | float) or isinstance(wait, bool) or not 0 <= wait < 1e9:
        raise ValidationError(field="wait", rule="must be a number of seconds", value=wait)


def _nothing_waits(_: Facts) -> Plan:
    raise NotWaiting


def _seconds_between(now: str, then: str) -> float:
    return (parse_time(then) - parse_time(now)).total_seconds()


def _picked_up(executed: Executed) -> PickedUp:
    result = executed.result
    return PickedUp(
        handoff=Handoff.from_document(result["handoff"]),
        contribution=Contribution.from_document(result["contribution"]),
        claim=Claim.from_document(result["claim"]),
        txid=str(executed.txid),
    )
