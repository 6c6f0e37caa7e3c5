"""Views of a grove's records. No view ever shows a part of an operation."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, Generic, TypeVar, get_args

from grove_sm.commit.coordinator import Coordinator
from grove_sm.domain import Account, Bounty, Claim, Contribution, Handoff, Kind, Record
from grove_sm.domain.arguments import limit_argument, text_argument
from grove_sm.domain.errors import NotFound, StateConflict, ValidationError
from grove_sm.lifecycles import BOUNTY, CLAIM, HANDOFF
from grove_sm.operations.documents import decode
from grove_sm.operations.layout import (
    BOUNTIES,
    CLAIMS,
    CONTRIBUTIONS,
    CREDITS,
    HANDOFFS,
    account_record,
)
from grove_sm.operations.plan import Get, Stored
from grove_sm.operations.query import Query

R = TypeVar("R", bound=Record)


class _View(Generic[R]):
    """The records of one collection."""

    _collection: ClassVar[str]
    _kind: type[R]
    _choices: ClassVar[Mapping[str, Sequence[str]]]

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator

    def get(self, record_id: str, /) -> R:
        """The record of this id.

        Raises ValidationError; NotFound; Corrupt, naming the place, if what is stored is damaged;
        StoreUnavailable.
        """
        text_argument("id", record_id)
        for stored in self._coordinator.read(Get(self._collection, record_id)):
            return self._decode(stored)
        raise NotFound(record=f"{self._kind.__name__.lower()} {record_id}")

    def _list(self, limit: int | None, **where: str | None) -> list[R]:
        limit_argument(limit)
        for field, choices in self._choices.items():
            value = where.get(field)
            if value is not None and value not in choices:
                raise ValidationError(
                    field=field, rule=f"must be one of {', '.join(choices)}", value=value
                )
        conditions = tuple(
            (field, text_argument(field, value))
            for field, value in where.items()
            if value is not None
        )
        found = self._coordinator.page(Query(self._collection, conditions), limit)
        return [self._decode(stored) for stored in found]

    def _decode(self, stored: Stored) -> R:
        where = self._coordinator.participants[self._collection].name
        return decode(self._kind, stored, where)


class Contributions(_View[Contribution]):
    """The contributions, oldest first. Each is checked against its CID when it is read."""

    _collection = CONTRIBUTIONS
    _kind = Contribution
    _choices = MappingProxyType({"kind": get_args(Kind)})

    def list(
        self, *, kind: str | None = None, agent_id: str | None = None, limit: int | None = None
    ) -> list[Contribution]:
        """The contributions of this kind and agent. Raises Corrupt if one of them is damaged."""
        return self._list(limit, kind=kind, agentId=agent_id)


class Handoffs(_View[Handoff]):
    """The handoffs, oldest first."""

    _collection = HANDOFFS
    _kind = Handoff
    _choices = MappingProxyType({"status": HANDOFF.states})

    def list(
        self,
        *,
        to_role: str | None = None,
        source_cid: str | None = None,
        status: str | None = None,
        limit: int | None = None,
    ) -> list[Handoff]:
        """The handoffs to this role, of this contribution, in this status."""
        return self._list(limit, toRole=to_role, sourceCid=source_cid, status=status)


class Claims(_View[Claim]):
    """The claims, oldest first. A claim whose lease ran out is `active` until it is taken over."""

    _collection = CLAIMS
    _kind = Claim
    _choices = MappingProxyType({"status": CLAIM.states})

    def list(
        self,
        *,
        target_ref: str | None = None,
        agent_id: str | None = None,
        status: str | None = None,
        limit: int | None = None,
    ) -> list[Claim]:
        """The claims on this target, of this agent, in this status."""
        return self._list(limit, targetRef=target_ref, agentId=agent_id, status=status)


class Bounties(_View[Bounty]):
    """The bounties, oldest first."""

    _collection = BOUNTIES
    _kind = Bounty
    _choices = MappingProxyType({"status": BOUNTY.states})

    def list(self, *, status: str | None = None, limit: int | None = None) -> list[Bounty]:
        """The bounties in this status."""
        return self._list(limit, status=status)


class Credits:
    """The accounts."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator

    def require(self) -> None:
        """Raise StateConflict if this deployment has no credits."""
        if CREDITS not in self._coordinator.participants:
            raise StateConflict(
                record="this grove", reason="it has no credits; add a credits store to its settings"
            )

    def balance(self, agent_id: str) -> Account:
        """An agent's credits: `available`, `reserved` and their `total`; 0 if it never had any.

        Raises StateConflict if this deployment has no credits.
        """
        self.require()
        text_argument("agentId", agent_id)
        for stored in self._coordinator.read(Get(CREDITS, account_record(agent_id))):
            return decode(Account, stored, self._coordinator.participants[CREDITS].name)
        return Account(agent_id=agent_id)
