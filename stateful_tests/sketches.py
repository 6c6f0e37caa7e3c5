"""What callers ask for, drawn without knowing what there is, and fitted to it when it is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from hypothesis import strategies as st

from grove_sm import Agent
from grove_sm.domain import Kind, RelationType, format_time
from models.reference import Records
from models.requests import (
    ClaimBounty,
    ClaimTarget,
    Contribute,
    CreateBounty,
    Grant,
    Request,
)

START: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)

TOPOLOGY: Final[Mapping[str, Sequence[str]]] = {
    "coder": ["reviewer", "tester"],
    "reviewer": ["coder"],
    "tester": ["coder", "reviewer"],
}

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
_NOWHERE: Final = "blake3:" + "0" * 64


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

    def fit(self, records: Records) -> Request:
        """The request, about what these records hold."""
        agent = AGENTS[self.agent % len(AGENTS)]
        match self.asks:
            case "contribute":
                return self._contribute(agent, records)
            case "grant":
                return Grant(agent.agent_id, 100)
            case "create_bounty":
                hours = _DEADLINES[self.pick % len(_DEADLINES)]
                deadline = None if hours is None else format_time(START + timedelta(hours=hours))
                amount = _AMOUNTS[self.choice % len(_AMOUNTS)]
                return CreateBounty("Halve the latency", amount, agent, deadline)
            case "claim":
                target = _TARGETS[self.pick % len(_TARGETS)]
                return ClaimTarget(target, agent, "rewrite it", _LEASES[self.choice % len(_LEASES)])
            case "claim_bounty":
                known = sorted(records.bounties) or ["bounty-of-nobody"]
                lease = _LEASES[self.choice % len(_LEASES)]
                return ClaimBounty(known[self.pick % len(known)], agent, "earn it", lease)
        raise AssertionError(self.asks)

    def _contribute(self, agent: Agent, records: Records) -> Contribute:
        known = [
            cid
            for cid, _ in sorted(records.contributions.items(), key=lambda c: (c[1].created_at, c))
        ]
        relations = tuple(
            dict.fromkeys(
                (known[-1 - pick % len(known)] if known else _NOWHERE, relation_type)
                for relation_type, pick in self.relations
            )
        )
        kind = _KINDS[self.relations[0][0]] if self.relations else "work"
        # A time that is given makes it possible to contribute the same twice.
        created_at = None if self.pick % 2 else format_time(START)
        return Contribute(kind, f"Kernel {self.choice % 3}", agent, relations, created_at)


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
        asks=st.sampled_from(["contribute", "claim", "claim_bounty", "create_bounty", "grant"]),
        agent=_small,
        pick=_small,
        choice=_small,
        relations=_relations,
        key=st.none() | st.integers(0, 3),
    )
