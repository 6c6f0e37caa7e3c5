"""The reference model: a grove as plain dictionaries, each operation at one stroke.

Written from the protocol (Grove protocol, sections 2 to 8), not from the library: of that it
uses the records and errors alone. The rules are in `models.rules`; here is what all requests have
in common.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from grove_sm.domain import Route
from grove_sm.domain.errors import GroveError, StateConflict
from models import requests
from models.records import Answer, Outcome, Records, Step, later
from models.requests import Call, Contribute, Grant, Request, Sweep, Transfer
from models.rules import bounties, claims, credits, handoffs, sweeping
from models.rules.contributions import Contributing

_KEYS_LAST: Final = timedelta(hours=24)

Rule = Callable[[Records, Any, Call], Step]

_RULES: Final[Mapping[type[Request], Rule]] = MappingProxyType(
    {
        Grant: credits.grant,
        Transfer: credits.transfer,
        requests.ClaimTarget: claims.claim,
        requests.Heartbeat: claims.heartbeat,
        requests.Release: claims.release,
        requests.Complete: claims.complete,
        requests.CreateBounty: bounties.create,
        requests.OpenBounty: bounties.open_draft,
        requests.ClaimBounty: bounties.claim,
        requests.ReleaseBounty: bounties.release,
        requests.CompleteBounty: bounties.complete,
        requests.SettleBounty: bounties.settle,
        requests.CancelBounty: bounties.cancel,
        requests.PickUp: handoffs.pick_up,
        requests.Acknowledge: handoffs.acknowledge,
        requests.DeadLetter: handoffs.dead_letter,
        requests.Expire: sweeping.expire,
        requests.Forget: sweeping.forget,
        requests.AllSwept: sweeping.all_swept,
    }
)


class Remembered(NamedTuple):
    """What a used idempotency key stands for."""

    request: Request
    answer: Answer
    expires_at: str


@dataclass(frozen=True)
class World:
    """A grove between two operations. Never changed; an operation makes another one.

    Attributes:
        records: what readers see.
        keys: (scope, key) -> what it stands for.
        happened: transaction id -> whether it did, for those whose outcome was unknown.
    """

    records: Records = field(default_factory=Records)
    keys: Mapping[tuple[str, str], Remembered] = field(default_factory=dict)
    happened: Mapping[str, bool] = field(default_factory=dict)


class Reference:
    """The rules, for one deployment.

    Args:
        topology: role -> where its contributions are handed to.
        handoff_id: makes the id of a contribution's handoff to a role.
    """

    def __init__(
        self, topology: Mapping[str, Sequence[Route]], handoff_id: Callable[[str, str], str]
    ) -> None:
        contributing = Contributing(topology, handoff_id)
        self._rules: Mapping[type[Request], Rule] = {**_RULES, Contribute: contributing.contribute}

    def apply(self, world: World, call: Call) -> tuple[World, Outcome]:
        """The world after a call, and what its caller is told; a refusal changes nothing."""
        try:
            known = self.remembered(world, call.request, call.key, call.now)
            if known is not None:
                return world, known
            rule = self._rules[type(call.request)]
            records, answer = rule(world.records, call.request, call)
            records = _noting_changes(world.records, records, call.now)
        except GroveError as refusal:
            return world, refusal
        keys = world.keys
        # A key stands for what was done; that nothing waited is no such thing.
        if call.key is not None and answer != {"handoff": None}:
            until = later(call.now, _KEYS_LAST)
            name = (_scope(call.request), call.key)
            keys = {**keys, name: Remembered(call.request, answer, until)}
        return replace(world, records=records, keys=keys), answer

    def next_steps(self, world: World, call: Call) -> list[World]:
        """The worlds that one atomic step of a call makes: one world; none or many of a sweep."""
        if not isinstance(call.request, Sweep):
            return [self.apply(world, call)[0]]
        steps = sweeping.due(world.records, call.request, call.now)
        return [self.apply(world, replace(call, request=step))[0] for step in steps]

    def remembered(
        self, world: World, request: Request, key: str | None, now: str
    ) -> Answer | None:
        """What a request was answered when it came under this key before, if it did.

        Raises StateConflict if another request did.
        """
        known = None if key is None else world.keys.get((_scope(request), key))
        if known is None or known.expires_at <= now:
            return None
        if known.request != request:
            record = f"idempotency key {key!r}"
            raise StateConflict(record=record, reason="it was used for another request")
        return known.answer


def _noting_changes(before: Records, after: Records, now: str) -> Records:
    """Records that know when each claim and handoff was changed last."""
    changed = dict(before.changed)
    for old, new in ((before.claims, after.claims), (before.handoffs, after.handoffs)):
        for record_id in {**old, **new}:
            if old.get(record_id) != new.get(record_id):
                changed[record_id] = now
    return replace(after, changed=changed)


def _scope(request: Request) -> str:
    if isinstance(request, Grant):
        return f"agent {request.agent_id}"
    if isinstance(request, Transfer):
        return f"agent {request.from_agent_id}"
    agent = (
        None
        if isinstance(request, Sweep | requests.Expire | requests.Forget | requests.AllSwept)
        else (request.agent)
    )
    assert agent is not None, "a key is its agent's own"
    return f"role {agent.role}" if agent.role else f"agent {agent.agent_id}"
