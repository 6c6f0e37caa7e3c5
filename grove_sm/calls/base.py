"""What all calls share."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from grove_sm.commit.coordinator import Coordinator, Executed
from grove_sm.domain import Agent, Record
from grove_sm.domain.arguments import agent_argument
from grove_sm.domain.errors import ValidationError
from grove_sm.operations.layout import CREDITS
from grove_sm.operations.plan import Facts, Plan
from grove_sm.requests import idempotency_key as key_of
from grove_sm.settings import Settings

R = TypeVar("R", bound=Record)


class Calls:
    """The coordinator that calls run on, and the deployment's settings."""

    coordinator: Coordinator
    settings: Settings

    def _execute(
        self,
        operation: str,
        plan: Callable[[Facts], Plan],
        *,
        now: str,
        agent: Agent | None = None,
        idempotency_key: str | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> Executed:
        """Run an operation; under a caller's key, which stands for a request with these fields."""
        if idempotency_key is not None and agent is None:
            raise ValidationError(
                field="agent", rule="is required with an idempotency key, which is the agent's own"
            )
        key = None
        if agent is not None:
            key = key_of(operation, agent_argument(agent), idempotency_key, fields or {}, now)
        return self.coordinator.execute(plan, now=now, idempotency=key)

    def _change(
        self,
        kind: type[R],
        operation: str,
        plan: Callable[[Facts], Plan],
        *,
        now: str,
        agent: Agent | None,
        idempotency_key: str | None,
        **fields: Any,
    ) -> R:
        """Run an operation whose result holds a record of this kind; that record afterwards.

        `fields` are the request's arguments but for its agent.
        """
        executed = self._execute(
            operation,
            plan,
            now=now,
            agent=agent,
            idempotency_key=idempotency_key,
            fields={**agent_fields(agent), **fields},
        )
        return kind.from_document(executed.result[kind.__name__.lower()])

    def _new_id(self, kind: str) -> str:
        return f"{kind}-{self.coordinator.random()}"

    @property
    def _has_credits(self) -> bool:
        return CREDITS in self.settings.stores


def agent_id_of(agent: Agent | None) -> str | None:
    """An agent's id, if there is one. Raises ValidationError if it is no agent."""
    return None if agent is None else agent_argument(agent).agent_id


def agent_fields(agent: Agent | None) -> dict[str, Any]:
    """An agent, as a part of the request that an idempotency key stands for."""
    return {} if agent is None else {"agent": agent_argument(agent).to_document()}
