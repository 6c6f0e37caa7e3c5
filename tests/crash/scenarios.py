"""The operations that are crashed: what was there before, and the call."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from grove_sm import Agent, Grove

CODER: Final = Agent(agent_id="coder-1", role="coder")
OTHER_CODER: Final = Agent(agent_id="coder-2", role="coder")
REVIEWER: Final = Agent(agent_id="reviewer-1", role="reviewer")
SPONSOR: Final = Agent(agent_id="sponsor-1")

TOPOLOGY: Final = {"coder": ["reviewer"], "reviewer": ["coder"]}
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


def grant(grove: Grove) -> Any:
    """Credits for the sponsor."""
    return grove.grant_credits(SPONSOR.agent_id, 100, idempotency_key="grant")


def create_bounty(grove: Grove) -> Any:
    """A bounty with its reservation."""
    return grove.create_bounty(
        title="Halve the latency",
        amount=60,
        criteria={"description": "p99 below 5 ms"},
        agent=SPONSOR,
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


def _nothing(grove: Grove) -> None:
    """An empty grove."""


def _granted(grove: Grove) -> None:
    grove.grant_credits(SPONSOR.agent_id, 100)


def _offered(grove: Grove) -> None:
    _granted(grove)
    create_bounty(grove)


def _taken(grove: Grove) -> None:
    _offered(grove)
    claim_bounty(grove, OTHER_CODER, key=None)


def _taken_target(grove: Grove) -> None:
    claim(grove, OTHER_CODER)


SCENARIOS: Final = (
    Scenario("contribute", _nothing, [contribute]),
    Scenario("contribute with a key", _nothing, [partial(contribute, key="contribute")]),
    Scenario("contribute a reply", contribute, [review]),
    Scenario("grant credits", _nothing, [grant]),
    Scenario("grant more credits", _granted, [grant]),
    Scenario("create a bounty", _granted, [create_bounty]),
    Scenario("claim a bounty", _offered, [claim_bounty]),
    Scenario("renew a bounty's claim", _taken, [partial(claim_bounty, agent=OTHER_CODER)]),
    Scenario("take a bounty over", _taken, [claim_bounty], after=timedelta(hours=1)),
    Scenario("claim a target", _nothing, [claim], is_repeatable=False),
    Scenario(
        "take a target over", _taken_target, [partial(claim, key="claim")], after=timedelta(hours=1)
    ),
    Scenario(
        "contribute twice, applied together",
        _nothing,
        [contribute, partial(contribute, summary="Fused kernel, tuned")],
        lag=8,
    ),
)
