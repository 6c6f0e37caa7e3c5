"""The views of handoffs, claims and bounties."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final, TypedDict, Unpack

from grove_sm.domain import Bounty, Claim, Handoff
from grove_sm.domain.errors import ValidationError
from grove_sm.lifecycles import BOUNTY, CLAIM, HANDOFF
from grove_sm.operations.claims import later
from grove_sm.operations.layout import BOUNTIES, CLAIMS, HANDOFFS
from grove_sm.settings import lease_of
from grove_sm.views.asking import Asked
from grove_sm.views.pages import Page
from grove_sm.views.view import View

_BY_STATUS: Final[Mapping[str, str]] = {"status": "status"}
_SHORTEST: Final = 0.001
"""Seconds between two times that can be told apart."""


class HandoffFilters(TypedDict, total=False):
    """Which handoffs; all must hold, and None is no filter.

    `overdue`: those that nobody replied to in time, and that have not ended.
    """

    to_role: str | None
    source_cid: str | None
    status: str | None
    overdue: bool | None
    since: str | datetime | None
    before: str | datetime | None


class ClaimFilters(TypedDict, total=False):
    """Which claims; all must hold, and None is no filter.

    `stalled_after`: those under a live lease without a heartbeat for so many seconds.
    """

    target_ref: str | None
    agent_id: str | None
    status: str | None
    stalled_after: float | None
    since: str | datetime | None
    before: str | datetime | None


class BountyFilters(TypedDict, total=False):
    """Which bounties; all must hold, and None is no filter.

    `tag` is one that its criteria require, or a list of them.
    """

    status: str | None
    creator_id: str | None
    claimant_id: str | None
    tag: str | Sequence[str] | None
    deadline_since: str | datetime | None
    deadline_before: str | datetime | None
    since: str | datetime | None
    before: str | datetime | None


class Handoffs(View[Handoff]):
    """The handoffs."""

    _collection = HANDOFFS
    _kind = Handoff
    _filters = HandoffFilters.__optional_keys__
    _counted: ClassVar[Mapping[str, str]] = {**_BY_STATUS, "to_role": "toRole"}

    def list(
        self,
        *,
        newest_first: bool = False,
        limit: int | None = None,
        cursor: str | None = None,
        **filters: Unpack[HandoffFilters],
    ) -> Page[Handoff]:
        """Those that filters ask for, oldest first, at most `limit`; behind a cursor, if any.

        Raises ValidationError; Corrupt if one of them is damaged; StoreUnavailable.
        """
        return self._list(filters, newest_first=newest_first, limit=limit, cursor=cursor)

    def counts(self, by: str = "status", **filters: Unpack[HandoffFilters]) -> dict[str, int]:
        """How many there are in each status (or `by` to_role), under these filters."""
        return self._counts(by, filters)

    def _asked(self, filters: Mapping[str, Any]) -> Asked:
        asked = Asked(HANDOFFS)
        asked.equal("toRole", filters.get("to_role"))
        asked.equal("sourceCid", filters.get("source_cid"))
        asked.equal("status", filters.get("status"), HANDOFF.states)
        if _is_true("overdue", filters.get("overdue")):
            open_ones = [status for status in HANDOFF.states if status not in HANDOFF.final]
            asked.among("status", open_ones)
            asked.between("replyDueAt", None, self._coordinator.now())
        asked.between("createdAt", filters.get("since"), filters.get("before"))
        return asked


class Claims(View[Claim]):
    """The claims. One whose lease ran out is `active` until it is taken over or swept."""

    _collection = CLAIMS
    _kind = Claim
    _filters = ClaimFilters.__optional_keys__
    _counted: ClassVar[Mapping[str, str]] = {**_BY_STATUS, "agent_id": "agentId"}

    def list(
        self,
        *,
        newest_first: bool = False,
        limit: int | None = None,
        cursor: str | None = None,
        **filters: Unpack[ClaimFilters],
    ) -> Page[Claim]:
        """Those that filters ask for, oldest first, at most `limit`; behind a cursor, if any.

        Raises ValidationError; Corrupt if one of them is damaged; StoreUnavailable.
        """
        return self._list(filters, newest_first=newest_first, limit=limit, cursor=cursor)

    def counts(self, by: str = "status", **filters: Unpack[ClaimFilters]) -> dict[str, int]:
        """How many there are in each status (or `by` agent_id), under these filters."""
        return self._counts(by, filters)

    def _asked(self, filters: Mapping[str, Any]) -> Asked:
        asked = Asked(CLAIMS)
        asked.equal("targetRef", filters.get("target_ref"))
        asked.equal("agentId", filters.get("agent_id"))
        asked.equal("status", filters.get("status"), CLAIM.states)
        if filters.get("stalled_after") is not None:
            seconds = lease_of(filters["stalled_after"], "stalledAfter")
            now = self._coordinator.now()
            asked.equal("status", CLAIM.initial)
            asked.between("heartbeatAt", None, later(now, _SHORTEST - seconds))
            asked.between("leaseExpiresAt", later(now, _SHORTEST), None)
        asked.between("createdAt", filters.get("since"), filters.get("before"))
        return asked


class Bounties(View[Bounty]):
    """The bounties."""

    _collection = BOUNTIES
    _kind = Bounty
    _filters = BountyFilters.__optional_keys__
    _counted: ClassVar[Mapping[str, str]] = {
        **_BY_STATUS,
        "creator_id": "creatorId",
        "claimant_id": "claimantId",
    }

    def list(
        self,
        *,
        newest_first: bool = False,
        limit: int | None = None,
        cursor: str | None = None,
        **filters: Unpack[BountyFilters],
    ) -> Page[Bounty]:
        """Those that filters ask for, oldest first, at most `limit`; behind a cursor, if any.

        Raises ValidationError; Corrupt if one of them is damaged; StoreUnavailable.
        """
        return self._list(filters, newest_first=newest_first, limit=limit, cursor=cursor)

    def counts(self, by: str = "status", **filters: Unpack[BountyFilters]) -> dict[str, int]:
        """How many there are in each status (or `by` creator_id, claimant_id).

        Those without a claimant count under the empty string.
        """
        return self._counts(by, filters)

    def _asked(self, filters: Mapping[str, Any]) -> Asked:
        asked = Asked(BOUNTIES)
        asked.equal("status", filters.get("status"), BOUNTY.states)
        asked.equal("creatorId", filters.get("creator_id"))
        asked.equal("claimantId", filters.get("claimant_id"))
        asked.holds("tag", filters.get("tag"))
        asked.between(
            "deadline",
            filters.get("deadline_since"),
            filters.get("deadline_before"),
            ("deadlineSince", "deadlineBefore"),
        )
        asked.between("createdAt", filters.get("since"), filters.get("before"))
        return asked


def _is_true(field: str, value: object) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    raise ValidationError(field=field, rule="must be true or false", value=value)
