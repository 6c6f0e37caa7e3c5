"""The views of accounts, and of what moves credits between them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, TypedDict, TypeVar, Unpack, get_args

from grove_sm.commit.coordinator import Coordinator
from grove_sm.domain import Account, Grant, Record, Reservation, ReservationStatus, Transfer
from grove_sm.domain.arguments import text_argument
from grove_sm.domain.errors import NotFound, StateConflict
from grove_sm.operations.layout import CREDITS
from grove_sm.views.asking import Asked
from grove_sm.views.pages import Page
from grove_sm.views.view import View

R = TypeVar("R", bound=Record)

_BY_AGENT: Mapping[str, str] = {"agent_id": "agentId"}


class GrantFilters(TypedDict, total=False):
    """Which grants; all must hold, and None is no filter."""

    agent_id: str | None
    since: str | datetime | None
    before: str | datetime | None


class ReservationFilters(TypedDict, total=False):
    """Which reservations; all must hold, and None is no filter."""

    agent_id: str | None
    status: str | None
    since: str | datetime | None
    before: str | datetime | None


class TransferFilters(TypedDict, total=False):
    """Which transfers; all must hold, and None is no filter."""

    from_agent_id: str | None
    to_agent_id: str | None
    since: str | datetime | None
    before: str | datetime | None


class _CreditView(View[R]):
    """The records of one kind among the credits."""

    _collection = CREDITS
    _type: ClassVar[str]

    def _record_id(self, given: str) -> str:
        require_credits(self._coordinator)
        return f"{self._type}:{given}"

    def _asked(self, filters: Mapping[str, Any]) -> Asked:
        require_credits(self._coordinator)
        asked = Asked(CREDITS)
        asked.equal("type", self._type)
        asked.equal("agentId", filters.get("agent_id"))
        asked.equal("fromAgentId", filters.get("from_agent_id"))
        asked.equal("toAgentId", filters.get("to_agent_id"))
        asked.equal("status", filters.get("status"), get_args(ReservationStatus))
        asked.between("createdAt", filters.get("since"), filters.get("before"))
        return asked


class Accounts(_CreditView[Account]):
    """The accounts, by their agents' ids."""

    _type = "account"
    _kind = Account
    _filters: ClassVar[frozenset[str]] = frozenset()
    _counted: ClassVar[Mapping[str, str]] = {"type": "type"}

    def list(
        self, *, newest_first: bool = False, limit: int | None = None, cursor: str | None = None
    ) -> Page[Account]:
        """All of them, at most `limit`; behind a cursor, if any; `newest_first` is from the end.

        Raises ValidationError; StateConflict if this deployment has no credits; Corrupt if one of
        them is damaged; StoreUnavailable.
        """
        return self._list({}, newest_first=newest_first, limit=limit, cursor=cursor)

    def counts(self) -> dict[str, int]:
        """How many there are, under `account`."""
        return self._counts("type", {})


class Grants(_CreditView[Grant]):
    """How credits entered."""

    _type = "grant"
    _kind = Grant
    _filters = GrantFilters.__optional_keys__
    _counted: ClassVar[Mapping[str, str]] = _BY_AGENT

    def list(
        self,
        *,
        newest_first: bool = False,
        limit: int | None = None,
        cursor: str | None = None,
        **filters: Unpack[GrantFilters],
    ) -> Page[Grant]:
        """Those that filters ask for, oldest first, at most `limit`; raises as `Accounts.list`."""
        return self._list(filters, newest_first=newest_first, limit=limit, cursor=cursor)

    def counts(self, by: str = "agent_id", **filters: Unpack[GrantFilters]) -> dict[str, int]:
        """How many there are for each agent."""
        return self._counts(by, filters)


class Reservations(_CreditView[Reservation]):
    """What was set aside for bounties, and what became of it."""

    _type = "reservation"
    _kind = Reservation
    _filters = ReservationFilters.__optional_keys__
    _counted: ClassVar[Mapping[str, str]] = {"status": "status", **_BY_AGENT}

    def list(
        self,
        *,
        newest_first: bool = False,
        limit: int | None = None,
        cursor: str | None = None,
        **filters: Unpack[ReservationFilters],
    ) -> Page[Reservation]:
        """Those that filters ask for, oldest first, at most `limit`; raises as `Accounts.list`."""
        return self._list(filters, newest_first=newest_first, limit=limit, cursor=cursor)

    def counts(self, by: str = "status", **filters: Unpack[ReservationFilters]) -> dict[str, int]:
        """How many there are in each status (or `by` agent_id)."""
        return self._counts(by, filters)


class Transfers(_CreditView[Transfer]):
    """Credits that went from one agent to another."""

    _type = "transfer"
    _kind = Transfer
    _filters = TransferFilters.__optional_keys__
    _counted: ClassVar[Mapping[str, str]] = {
        "from_agent_id": "fromAgentId",
        "to_agent_id": "toAgentId",
    }

    def list(
        self,
        *,
        newest_first: bool = False,
        limit: int | None = None,
        cursor: str | None = None,
        **filters: Unpack[TransferFilters],
    ) -> Page[Transfer]:
        """Those that filters ask for, oldest first, at most `limit`; raises as `Accounts.list`."""
        return self._list(filters, newest_first=newest_first, limit=limit, cursor=cursor)

    def counts(
        self, by: str = "from_agent_id", **filters: Unpack[TransferFilters]
    ) -> dict[str, int]:
        """How many each agent made (or, `by` to_agent_id, received)."""
        return self._counts(by, filters)


class Credits:
    """The accounts, and what moves credits between them.

    Attributes:
        accounts, grants, reservations, transfers: views.
    """

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self.accounts = Accounts(coordinator)
        self.grants = Grants(coordinator)
        self.reservations = Reservations(coordinator)
        self.transfers = Transfers(coordinator)

    def require(self) -> None:
        """Raise StateConflict if this deployment has no credits."""
        require_credits(self._coordinator)

    def balance(self, agent_id: str) -> Account:
        """An agent's credits: `available`, `reserved` and their `total`; 0 if it never had any.

        Raises StateConflict if this deployment has no credits.
        """
        self.require()
        text_argument("agentId", agent_id)
        try:
            return self.accounts.get(agent_id)
        except NotFound:
            return Account(agent_id=agent_id)


def require_credits(coordinator: Coordinator) -> None:
    """Raise StateConflict if this deployment has no credits."""
    if CREDITS not in coordinator.participants:
        raise StateConflict(
            record="this grove", reason="it has no credits; add a credits store to its settings"
        )
