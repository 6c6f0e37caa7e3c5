"""The operations that are crashed: what was there before, and the call."""

import io
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from itertools import count
from typing import Any, Final, NamedTuple

from grove_sm import Agent, Grove
from grove_sm.domain import Route
from grove_sm.operations.layout import COLLECTIONS

CODER: Final = Agent(agent_id="coder-1", role="coder")
OTHER_CODER: Final = Agent(agent_id="coder-2", role="coder")
REVIEWER: Final = Agent(agent_id="reviewer-1", role="reviewer")
OTHER_REVIEWER: Final = Agent(agent_id="reviewer-2", role="reviewer")
SPONSOR: Final = Agent(agent_id="sponsor-1")

TOPOLOGY: Final[Mapping[str, Sequence[str | Route]]] = {
    "coder": [Route(to="reviewer", reply_seconds=7200.0)],
    "reviewer": ["coder"],
}
PREPARED_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
TARGET: Final = "file:kernel.py"


class Scenario(NamedTuple):
    """Operations that one process calls one after the other.

    `prepare` makes what they find; `operations` are called `after` so long a time and answer
    their results. `is_repeatable` tells that calling them again is a retry of the same requests.
    `lag` is how many committed transactions may gather before they are applied.
    """

    name: str
    prepare: Callable[[Grove], Any]
    operations: Sequence[Callable[[Grove], Any]]
    after: timedelta = timedelta(seconds=1)
    is_repeatable: bool = True
    lag: int = 1


def contribute(grove: Grove, key: str | None = None, summary: str = "Fused kernel") -> Any:
    """A contribution with one handoff."""
    return grove.contribute(kind="work", summary=summary, agent=CODER, idempotency_key=key)


def review(grove: Grove) -> Any:
    """A contribution that replies to the first one's handoff, and has one of its own."""
    target = grove.contributions.list(kind="work")[0].cid
    return grove.contribute(
        kind="review",
        summary="Looks right",
        agent=REVIEWER,
        relations=[{"targetCid": target, "relationType": "reviews"}],
        idempotency_key="review",
    )


def answer(name: str) -> Callable[[Grove], Any]:
    """A contribution that answers the first one, by the operation that sets how."""

    def call(grove: Grove) -> Any:
        target = grove.contributions.list(kind="work")[0].cid
        return getattr(grove, name)(target, summary=name, agent=REVIEWER, idempotency_key=name)

    return call


def grant(grove: Grove) -> Any:
    """Credits for the sponsor."""
    return grove.grant_credits(SPONSOR.agent_id, 100, idempotency_key="grant")


def create_bounty(grove: Grove, *, draft: bool = False, deadline: datetime | None = None) -> Any:
    """A bounty with its reservation; of a draft there is none."""
    return grove.create_bounty(
        title="Halve the latency",
        amount=60,
        criteria={"description": "p99 below 5 ms"},
        agent=SPONSOR,
        deadline=deadline,
        draft=draft,
        idempotency_key="create_bounty",
    )


def claim_bounty(grove: Grove, agent: Agent = CODER, key: str | None = "claim_bounty") -> Any:
    """A claim on the only bounty."""
    bounty_id = grove.bounties.list()[0].bounty_id
    return grove.claim_bounty(bounty_id, agent=agent, idempotency_key=key)


def claim(grove: Grove, agent: Agent = CODER, key: str | None = None) -> Any:
    """A claim on a target."""
    return grove.claim(
        TARGET, agent=agent, intent_summary="rewrite the kernel", idempotency_key=key
    )


def pick_up(grove: Grove, agent: Agent = REVIEWER, key: str | None = "pick_up") -> Any:
    """The oldest handoff, delivered."""
    return grove.pick_up(agent=agent, idempotency_key=key)


def sweep(grove: Grove) -> Any:
    """One step of a sweep, which is what is atomic of it."""
    return grove.sweep(limit=1)


def forget(grove: Grove) -> Any:
    """One step of a sweep that forgets what ended an hour ago."""
    return grove.sweep(forget_after=3600.0, limit=1)


def restore(grove: Grove) -> Any:
    """A whole grove from its export, with records in all collections, and a deleted one."""
    return grove.restore(io.BytesIO(_export()))


@cache
def _export() -> bytes:
    clock, names = count(), count()
    stores = dict.fromkeys(COLLECTIONS, "memory://")
    with Grove.open(
        journal="memory://",
        stores=stores,
        topology=TOPOLOGY,
        clock=lambda: PREPARED_AT + timedelta(seconds=next(clock)),
        random=lambda: f"exported-{next(names)}",
        background=False,
    ) as grove:
        _completed(grove)
        pick_up(grove)
        claim(grove)
        _of_claim("release")(grove)
        assert grove.sweep(forget_after=0.001).claims_forgotten
        file = io.BytesIO()
        grove.export(file)
    return file.getvalue()


def _of_bounty(method: str, agent: Agent, **arguments: Any) -> Callable[[Grove], Any]:
    """Something that is asked of the only bounty."""

    def call(grove: Grove) -> Any:
        bounty_id = grove.bounties.list()[0].bounty_id
        return getattr(grove, method)(bounty_id, agent=agent, idempotency_key=method, **arguments)

    return call


def _by_contribution(method: str, agent: Agent) -> Callable[[Grove], Any]:
    """The only bounty, fulfilled by the oldest contribution."""

    def call(grove: Grove) -> Any:
        cid = grove.contributions.list(limit=1)[0].cid
        return _of_bounty(method, agent, cid=cid)(grove)

    return call


def _of_claim(method: str) -> Callable[[Grove], Any]:
    """Something that is asked of the newest claim by its holder."""

    def call(grove: Grove) -> Any:
        held = grove.claims.list()[-1]
        return getattr(grove, method)(held.claim_id, agent=held.agent, idempotency_key=method)

    return call


def _of_handoff(method: str) -> Callable[[Grove], Any]:
    """Something that is asked of the only handoff."""

    def call(grove: Grove) -> Any:
        handoff_id = grove.handoffs.list()[0].handoff_id
        return getattr(grove, method)(handoff_id, agent=REVIEWER, idempotency_key=method)

    return call


def transfer(grove: Grove) -> Any:
    """Some of the sponsor's credits for the coder."""
    return grove.transfer_credits(SPONSOR.agent_id, CODER.agent_id, 40, idempotency_key="transfer")


complete_bounty: Final = _by_contribution("complete_bounty", OTHER_CODER)
settle_bounty: Final = _by_contribution("settle_bounty", OTHER_CODER)
cancel_bounty: Final = _of_bounty("cancel_bounty", SPONSOR)


# What they find.


def nothing(grove: Grove) -> None:
    """An empty grove."""


def granted(grove: Grove) -> None:
    """Credits of the sponsor."""
    grove.grant_credits(SPONSOR.agent_id, 100)


def _drafted(grove: Grove) -> None:
    granted(grove)
    create_bounty(grove, draft=True)


def offered(grove: Grove) -> Any:
    """An open bounty."""
    granted(grove)
    return create_bounty(grove)


def _taken(grove: Grove) -> None:
    offered(grove)
    claim_bounty(grove, OTHER_CODER, key=None)


def _fulfilled(grove: Grove) -> None:
    contribute(grove)
    _taken(grove)


def _completed(grove: Grove) -> None:
    _fulfilled(grove)
    complete_bounty(grove)


def _due_soon(grove: Grove) -> None:
    granted(grove)
    create_bounty(grove, deadline=PREPARED_AT + timedelta(minutes=10))
    claim_bounty(grove, OTHER_CODER, key=None)


def _taken_target(grove: Grove) -> None:
    claim(grove, OTHER_CODER)


def _delivered(grove: Grove) -> None:
    contribute(grove)
    pick_up(grove, key=None)


def _given_up(grove: Grove) -> None:
    _delivered(grove)
    _of_handoff("dead_letter")(grove)


def _released(grove: Grove) -> None:
    _taken_target(grove)
    _of_claim("release")(grove)


_HOUR: Final = timedelta(hours=1)

SCENARIOS: Final = (
    Scenario("contribute", nothing, [contribute]),
    Scenario("contribute with a key", nothing, [partial(contribute, key="contribute")]),
    Scenario("contribute a reply", contribute, [review]),
    Scenario(
        "answer in every way",
        contribute,
        [*map(answer, ("review", "reproduce", "discuss", "adopt"))],
    ),
    Scenario("grant credits", nothing, [grant]),
    Scenario("grant more credits", granted, [grant]),
    Scenario("create a bounty", granted, [create_bounty]),
    Scenario("claim a bounty", offered, [claim_bounty]),
    Scenario("renew a bounty's claim", _taken, [partial(claim_bounty, agent=OTHER_CODER)]),
    Scenario("take a bounty over", _taken, [claim_bounty], after=_HOUR),
    Scenario("claim a target", nothing, [claim], is_repeatable=False),
    Scenario("take a target over", _taken_target, [partial(claim, key="claim")], after=_HOUR),
    Scenario("keep a claim", _taken_target, [_of_claim("heartbeat")]),
    Scenario("complete a claim", _taken_target, [_of_claim("complete")]),
    Scenario("release a bounty's claim", _taken, [_of_claim("release")]),
    Scenario("open a draft", _drafted, [_of_bounty("open_bounty", SPONSOR)]),
    Scenario("release a bounty", _taken, [_of_bounty("release_bounty", OTHER_CODER)]),
    Scenario("complete a bounty", _fulfilled, [complete_bounty]),
    Scenario("settle a claimed bounty", _fulfilled, [settle_bounty]),
    Scenario("settle a completed bounty", _completed, [settle_bounty]),
    Scenario("cancel an open bounty", offered, [cancel_bounty]),
    Scenario("cancel a claimed bounty", _taken, [cancel_bounty]),
    Scenario("transfer credits", granted, [transfer]),
    Scenario("pick up a handoff", contribute, [pick_up]),
    Scenario(
        "pick up a handoff again",
        _delivered,
        [partial(pick_up, agent=OTHER_REVIEWER)],
        after=_HOUR,
    ),
    Scenario("acknowledge a handoff", _delivered, [_of_handoff("acknowledge")]),
    Scenario("give a handoff up", _delivered, [_of_handoff("dead_letter")]),
    Scenario("reply to a delivered handoff", _delivered, [review]),
    Scenario("sweep a bounty's claim", _taken, [sweep], after=_HOUR, is_repeatable=False),
    Scenario("sweep a claimed bounty", _due_soon, [sweep], after=_HOUR, is_repeatable=False),
    Scenario(
        "sweep a handoff's delivery, then the handoff",
        _delivered,
        [sweep, sweep],
        after=timedelta(hours=3),
        is_repeatable=False,
    ),
    Scenario("forget a claim", _released, [forget], after=2 * _HOUR, is_repeatable=False),
    Scenario("forget a handoff", _given_up, [forget], after=2 * _HOUR, is_repeatable=False),
    Scenario("restore a grove", nothing, [restore]),
    Scenario(
        "contribute twice, applied together",
        nothing,
        [contribute, partial(contribute, summary="Fused kernel, tuned")],
        lag=8,
    ),
)

CORE: Final = [
    scenario
    for scenario in SCENARIOS
    if scenario.name in ("contribute a reply", "settle a claimed bounty")
]
"""What writes to every collection, and reads what others wrote: for where all would take long."""
