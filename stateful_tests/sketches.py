"""What callers ask for, drawn without knowing what there is, and fitted to it when it is asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from hypothesis import strategies as st

from grove_sm import Agent
from grove_sm.domain import Bounty, Claim, Handoff, Kind, RelationType, Route, format_time
from grove_sm.settings import routes
from models import requests
from models.records import Records
from models.requests import Request

START: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)

TOPOLOGY: Final[Mapping[str, Sequence[Route]]] = routes(
    {
        "coder": [Route(to="reviewer", requires_reply=True, reply_seconds=3600.0), "tester"],
        "reviewer": ["coder"],
        "tester": ["coder", Route(to="reviewer", reply_seconds=300.0)],
    }
)

AGENTS: Final = (
    Agent(agent_id="coder-1", role="coder"),
    Agent(agent_id="coder-2", role="coder"),
    Agent(agent_id="reviewer-1", role="reviewer"),
    Agent(agent_id="tester-1", role="tester"),
    Agent(agent_id="guest-1"),
)

_KINDS: Final[Mapping[RelationType, Kind]] = {
    "reviews": "review",
    "responds_to": "discussion",
    "adopts": "adoption",
    "reproduces": "reproduction",
    "derives_from": "work",
}
_TARGETS: Final = ("file:kernel.py", "file:README")
_LEASES: Final = (None, 5.0, 3600.0)
_AMOUNTS: Final = (10, 60)
_DEADLINES: Final = (None, 1, 30)
_TAG: Final = "tuned"
_NOWHERE: Final = "blake3:" + "0" * 64
_NOBODY: Final = "of-nobody"

# A pick of these means any record, or none that there is; others, one that it is likely to work on.
_ANY: Final = 4
_NONE: Final = 5


@dataclass(frozen=True)
class Sketch:
    """A request, before it is known what there is to ask about.

    `pick` chooses among existing records, `choice` among fixed values; both wrap around.
    """

    asks: str
    agent: int = 0
    pick: int = 0
    choice: int = 0
    relations: tuple[tuple[RelationType, int], ...] = ()
    key: int | None = None

    @property
    def idempotency_key(self) -> str | None:
        """The key under which it is asked; None for what takes none, or is refused before."""
        has_key = self.key is not None and self.asks not in ("contribute_badly", "sweep")
        return f"key-{self.key}" if has_key else None

    def fit(self, records: Records) -> Request:
        """The request, about what these records hold."""
        return _FITTED[self.asks](self, AGENTS[self.agent % len(AGENTS)], records)

    @property
    def _lease(self) -> float | None:
        return _LEASES[self.choice % len(_LEASES)]

    def _among(self, records: Mapping[str, Bounty | Claim | Handoff], *likely: str) -> str:
        """The id of a record; mostly of one with a likely status."""
        known = sorted(records)
        hopeful = [record_id for record_id in known if records[record_id].status in likely]
        chosen = known if self.pick == _ANY else hopeful
        if self.pick == _NONE or not chosen:
            return _NOBODY
        return chosen[self.pick % len(chosen)]

    def _by(self, holder: Agent | None, agent: Agent) -> Agent | None:
        """Who asks: mostly whoever may; somebody else; or nobody says who."""
        if self.choice < 3:
            return holder or agent
        return agent if self.choice == 3 or self.key is not None else None


def _contribute(sketch: Sketch, agent: Agent, records: Records) -> Request:
    known = _by_age(records)
    relations = tuple(
        dict.fromkeys(
            (known[-1 - pick % len(known)] if known else _NOWHERE, relation_type)
            for relation_type, pick in sketch.relations
        )
    )
    kind = _KINDS[sketch.relations[0][0]] if sketch.relations else "work"
    # A time that is given makes it possible to contribute the same twice.
    created_at = None if sketch.pick % 2 else format_time(START)
    tags = (_TAG,) if sketch.choice >= 3 else ()
    summary = f"Kernel {sketch.choice % 3}"
    return requests.Contribute(kind, summary, agent, relations, created_at, tags)


def _contribute_badly(_sketch: Sketch, agent: Agent, _records: Records) -> Request:
    return requests.Contribute("work", "too long" * 100, agent)


def _transfer(sketch: Sketch, agent: Agent, _records: Records) -> Request:
    others = [other for other in AGENTS if other != agent]
    to = others[sketch.pick % len(others)].agent_id
    return requests.Transfer(agent.agent_id, to, _AMOUNTS[sketch.choice % len(_AMOUNTS)])


def _claim(sketch: Sketch, agent: Agent, _records: Records) -> Request:
    target = _TARGETS[sketch.pick % len(_TARGETS)]
    return requests.ClaimTarget(target, agent, "rewrite it", sketch._lease)


def _heartbeat(sketch: Sketch, agent: Agent, records: Records) -> Request:
    claim_id, by = _claim_of(sketch, agent, records)
    return requests.Heartbeat(claim_id, by, sketch._lease)


def _release(sketch: Sketch, agent: Agent, records: Records) -> Request:
    return requests.Release(*_claim_of(sketch, agent, records))


def _complete(sketch: Sketch, agent: Agent, records: Records) -> Request:
    return requests.Complete(*_claim_of(sketch, agent, records))


def _create_bounty(sketch: Sketch, agent: Agent, _records: Records) -> Request:
    hours = _DEADLINES[sketch.pick % len(_DEADLINES)]
    return requests.CreateBounty(
        "Halve the latency",
        _AMOUNTS[sketch.choice % len(_AMOUNTS)],
        agent,
        None if hours is None else format_time(START + timedelta(hours=hours)),
        draft=sketch.asks == "draft_bounty",
        required_tag=_TAG if sketch.choice >= 3 else None,
    )


def _open_bounty(sketch: Sketch, agent: Agent, records: Records) -> Request:
    bounty_id = sketch._among(records.bounties, "draft")
    return requests.OpenBounty(bounty_id, _creator(sketch, agent, records, bounty_id))


def _claim_bounty(sketch: Sketch, agent: Agent, records: Records) -> Request:
    bounty_id = sketch._among(records.bounties, "open", "claimed")
    return requests.ClaimBounty(bounty_id, agent, "earn it", sketch._lease)


def _release_bounty(sketch: Sketch, agent: Agent, records: Records) -> Request:
    bounty_id = sketch._among(records.bounties, "claimed")
    return requests.ReleaseBounty(bounty_id, _claimant(sketch, agent, records, bounty_id))


def _complete_bounty(sketch: Sketch, agent: Agent, records: Records) -> Request:
    bounty_id = sketch._among(records.bounties, "claimed")
    by = _claimant(sketch, agent, records, bounty_id)
    return requests.CompleteBounty(bounty_id, _fulfilling(sketch, records, bounty_id), by)


def _settle_bounty(sketch: Sketch, agent: Agent, records: Records) -> Request:
    bounty_id = sketch._among(records.bounties, "claimed", "completed")
    bounty = records.bounties.get(bounty_id)
    is_completed = bounty is not None and bounty.status == "completed"
    is_named = (sketch.choice % 2 == 1) if is_completed else (sketch.choice != 4)
    cid = _fulfilling(sketch, records, bounty_id) if is_named else None
    by = _claimant(sketch, agent, records, bounty_id)
    return requests.SettleBounty(bounty_id, cid, by)


def _cancel_bounty(sketch: Sketch, agent: Agent, records: Records) -> Request:
    bounty_id = sketch._among(records.bounties, "draft", "open", "claimed", "completed")
    return requests.CancelBounty(bounty_id, _creator(sketch, agent, records, bounty_id))


def _pick_up(sketch: Sketch, agent: Agent, _records: Records) -> Request:
    roles = [role for role in TOPOLOGY if role != agent.role]
    is_elsewhere = agent.role is None or sketch.choice == 5
    role = roles[sketch.pick % len(roles)] if is_elsewhere else None
    return requests.PickUp(agent, role, sketch._lease)


def _acknowledge(sketch: Sketch, agent: Agent, records: Records) -> Request:
    return requests.Acknowledge(*_handoff_of(sketch, agent, records, "delivered"))


def _dead_letter(sketch: Sketch, agent: Agent, records: Records) -> Request:
    found = _handoff_of(sketch, agent, records, "pending_pickup", "delivered")
    return requests.DeadLetter(*found)


def _sweep(sketch: Sketch, _agent: Agent, _records: Records) -> Request:
    return requests.Sweep(
        stalled_after=60.0 if sketch.choice == 5 else None,
        forget_after=60.0 if sketch.choice in (3, 4) else None,
    )


_FITTED: Final[Mapping[str, Callable[[Sketch, Agent, Records], Request]]] = {
    "contribute": _contribute,
    "contribute_badly": _contribute_badly,
    "grant": lambda _sketch, agent, _records: requests.Grant(agent.agent_id, 100),
    "transfer": _transfer,
    "claim": _claim,
    "heartbeat": _heartbeat,
    "release": _release,
    "complete": _complete,
    "create_bounty": _create_bounty,
    "draft_bounty": _create_bounty,
    "open_bounty": _open_bounty,
    "claim_bounty": _claim_bounty,
    "release_bounty": _release_bounty,
    "complete_bounty": _complete_bounty,
    "settle_bounty": _settle_bounty,
    "cancel_bounty": _cancel_bounty,
    "pick_up": _pick_up,
    "acknowledge": _acknowledge,
    "dead_letter": _dead_letter,
    "sweep": _sweep,
}

ASKS: Final = tuple(_FITTED)
"""Everything that a sketch may ask for."""

# All else is about what was contributed.
_DRAWN: Final = ("contribute", "contribute", *ASKS)


def _by_age(records: Records) -> Sequence[str]:
    """The CIDs, oldest first."""
    aged = sorted((each.created_at, cid) for cid, each in records.contributions.items())
    return [cid for _, cid in aged]


def _claim_of(sketch: Sketch, agent: Agent, records: Records) -> tuple[str, Agent | None]:
    """A claim, and who asks something of it."""
    claim_id = sketch._among(records.claims, "active")
    held = records.claims.get(claim_id)
    return claim_id, sketch._by(None if held is None else held.agent, agent)


def _creator(sketch: Sketch, agent: Agent, records: Records, bounty_id: str) -> Agent:
    bounty = records.bounties.get(bounty_id)
    return sketch._by(None if bounty is None else bounty.creator, agent) or agent


def _claimant(sketch: Sketch, agent: Agent, records: Records, bounty_id: str) -> Agent | None:
    bounty = records.bounties.get(bounty_id)
    return sketch._by(None if bounty is None else bounty.claimed_by, agent)


def _fulfilling(sketch: Sketch, records: Records, bounty_id: str) -> str:
    """A contribution that is to fulfil a bounty: mostly the newest that may."""
    known = _by_age(records)
    bounty = records.bounties.get(bounty_id)
    if bounty is None or sketch.choice == 3:
        return known[0] if known else _NOWHERE
    fitting = [cid for cid in known if bounty.criteria.met_by(records.contributions[cid])]
    return bounty.fulfilled_by_cid or (fitting[-1] if fitting else _NOWHERE)


def _handoff_of(
    sketch: Sketch, agent: Agent, records: Records, *likely: str
) -> tuple[str, Agent | None]:
    """A handoff, and who asks something of it."""
    handoff_id = sketch._among(records.handoffs, *likely)
    deliveries = [
        claim.agent
        for claim in records.claims.values()
        if claim.status == "active" and claim.target_ref == f"handoff:{handoff_id}"
    ]
    return handoff_id, sketch._by(deliveries[0] if deliveries else None, agent)


RIVALRIES: Final = ("the same", "by another", "with another text", "anything")
"""What two who ask at the same time may ask for."""


@dataclass(frozen=True)
class Rival:
    """What another asks for at the same time: something like it, or anything (`other`)."""

    asks: str
    other: Sketch

    def of(self, sketch: Sketch) -> Sketch:
        """The rival's request."""
        match self.asks:
            case "the same":
                return sketch
            case "by another":
                return replace(sketch, agent=self.other.agent)
            case "with another text":
                return replace(sketch, choice=sketch.choice + 1)
        return self.other


_small: Final = st.integers(0, 5)
_relations: Final = st.lists(
    st.tuples(st.sampled_from(sorted(_KINDS)), _small), max_size=2, unique=True
).map(tuple)


def sketches() -> st.SearchStrategy[Sketch]:
    """Any request."""
    return st.builds(
        Sketch,
        asks=st.sampled_from(_DRAWN),
        agent=_small,
        pick=_small,
        choice=_small,
        relations=_relations,
        key=st.none() | st.integers(0, 3),
    )
