"""The operations that are interleaved: what they find, and what each of two processes calls."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

from grove_sm import Agent, Grove
from grove_sm.domain import Contribution, format_time
from grove_sm.operations.layout import COLLECTIONS, CREDITS
from grove_sm.operations.query import Query

from .scenarios import (
    CODER,
    OTHER_CODER,
    PREPARED_AT,
    REVIEWER,
    SPONSOR,
    claim,
    contribute,
    create_bounty,
    grant,
    granted,
    nothing,
    offered,
)

Operation = Callable[[Grove, Any], Any]
"""A call on a grove, given what `prepare` made; it is atomic, and answers what its caller hears."""

_SECOND: Final = timedelta(seconds=1)
_HOUR: Final = timedelta(hours=1)
_OTHER_REVIEWER: Final = Agent(agent_id="reviewer-2", role="reviewer")


class Leftover(NamedTuple):
    """What a third process left that died in a call, once the two were there.

    `died_before` names the effect.
    """

    call: Operation
    died_before: str


class Pair(NamedTuple):
    """Operations of two processes that meet.

    `prepare` makes what they find; each process then calls its operations one after the other,
    `after` so long a time. `deaths` is how many processes may die: none where there are too many
    interleavings without that.
    """

    name: str
    prepare: Callable[[Grove], Any]
    first: Sequence[Operation]
    second: Sequence[Operation]
    after: timedelta = _SECOND
    leftover: Leftover | None = None
    deaths: int = 1


# What they find.


def _taken(grove: Grove) -> Any:
    return claim(grove, OTHER_CODER).claim


def _bounty_taken(grove: Grove) -> Any:
    return grove.claim_bounty(offered(grove).bounty_id, agent=OTHER_CODER).bounty


def _fulfilled(grove: Grove) -> Any:
    return _bounty_taken(grove), contribute(grove).cid


def _left(grove: Grove) -> None:
    grove.release(_taken(grove).claim_id)


# What they call.


def _claim(agent: Agent, key: str | None = None) -> Operation:
    return lambda grove, _: claim(grove, agent, key)


def _claim_bounty(agent: Agent) -> Operation:
    return lambda grove, bounty: grove.claim_bounty(bounty.bounty_id, agent=agent)


def _contribute(key: str | None = None) -> Operation:
    return lambda grove, _: contribute(grove, key)


def _reply(agent: Agent, summary: str = "Looks right") -> Operation:
    return lambda grove, published: grove.review(published.cid, summary=summary, agent=agent)


def _review_of_what_is_to_come(grove: Grove, _: object) -> Any:
    coming = Contribution(
        kind="work",
        summary="Fused kernel",
        agent=CODER,
        created_at=format_time(PREPARED_AT + _SECOND),
    )
    return grove.review(coming.cid, summary="Looks right", agent=REVIEWER)


def _heartbeat(grove: Grove, taken: Any) -> Any:
    return grove.heartbeat(taken.claim_id, agent=OTHER_CODER)


def _release(grove: Grove, taken: Any) -> Any:
    return grove.release(taken.claim_id, agent=OTHER_CODER)


def _release_bounty(grove: Grove, bounty: Any) -> Any:
    return grove.release_bounty(bounty.bounty_id, agent=OTHER_CODER)


def _settle(grove: Grove, fulfilled: Any) -> Any:
    bounty, cid = fulfilled
    return grove.settle_bounty(bounty.bounty_id, cid, agent=SPONSOR)


def _cancel(grove: Grove, found: Any) -> Any:
    bounty = found[0] if isinstance(found, tuple) else found
    return grove.cancel_bounty(bounty.bounty_id, agent=SPONSOR)


def _create_bounty(grove: Grove, _: object) -> Any:
    return create_bounty(grove)


def _create_bounty_without_key(grove: Grove, _: object) -> Any:
    return grove.create_bounty(
        title="Halve the latency", amount=60, criteria={"description": "p99"}, agent=SPONSOR
    )


def _grant(grove: Grove, _: object) -> Any:
    return grant(grove)


def _sweep(grove: Grove, _: object) -> Any:
    report = grove.sweep()
    for failure in report.failures:
        raise failure.error
    return report


def _forget(grove: Grove, _: object) -> Any:
    report = grove.sweep(forget_after=1.0)
    for failure in report.failures:
        raise failure.error
    return report


def _pick_up(agent: Agent) -> Operation:
    return lambda grove, _: grove.pick_up(agent=agent)


def _recover(grove: Grove, _: object) -> None:
    # Which of several who look brings a transaction to its end is nobody's promise.
    report = grove.recover()
    assert report.in_doubt == report.corrupt == []


def _finish(grove: Grove, _: object) -> None:
    grove.flush()


def _audit(grove: Grove, _: object) -> None:
    assert grove.audit().violations == ()


def _page(collection: str) -> Operation:
    return lambda grove, _: grove.coordinator.page(Query(collection), None)


_PAGES: Final = [_page(collection) for collection in COLLECTIONS]

PAIRS: Final = (
    Pair("claim, claim", nothing, [_claim(CODER)], [_claim(OTHER_CODER)]),
    Pair("claim, claim by the same agent", nothing, [_claim(CODER)], [_claim(CODER)]),
    Pair("take over, take over", _taken, [_claim(CODER)], [_claim(SPONSOR)], _HOUR),
    Pair("take over, claim again", _taken, [_claim(CODER)], [_claim(OTHER_CODER)], _HOUR),
    Pair("heartbeat, claim again", _taken, [_heartbeat], [_claim(OTHER_CODER)]),
    Pair("release, claim", _taken, [_release], [_claim(CODER)]),
    Pair("claim, sweep", _taken, [_claim(CODER)], [_sweep], _HOUR),
    Pair("forget a claim, claim", _left, [_forget], [_claim(CODER)], _HOUR),
    Pair("forget a claim, forget it", _left, [_forget], [_forget], _HOUR),
    Pair("sweep, sweep", _taken, [_sweep], [_sweep], _HOUR),
    Pair("claim a bounty, claim it", offered, [_claim_bounty(CODER)], [_claim_bounty(OTHER_CODER)]),
    Pair(
        "take a bounty over, claim it again",
        _bounty_taken,
        [_claim_bounty(CODER)],
        [_claim_bounty(OTHER_CODER)],
        _HOUR,
    ),
    Pair("release a bounty, claim it", _bounty_taken, [_release_bounty], [_claim_bounty(CODER)]),
    Pair("claim a bounty, cancel it", offered, [_claim_bounty(CODER)], [_cancel], deaths=0),
    Pair("settle a bounty, cancel it", _fulfilled, [_settle], [_cancel]),
    Pair("settle a bounty, settle it", _fulfilled, [_settle], [_settle], deaths=0),
    Pair(
        "take a bounty over, sweep",
        _bounty_taken,
        [_claim_bounty(CODER)],
        [_sweep],
        _HOUR,
        deaths=0,
    ),
    Pair("grant, create a bounty", granted, [_grant], [_create_bounty]),
    Pair(
        "create a bounty, and one too many",
        granted,
        [_create_bounty_without_key],
        [_create_bounty_without_key],
    ),
    Pair("create a bounty twice, one key", granted, [_create_bounty], [_create_bounty]),
    Pair("contribute twice, one key", nothing, [_contribute("key")], [_contribute("key")]),
    Pair("contribute twice, no key", nothing, [_contribute()], [_contribute()]),
    Pair("contribute, review it", nothing, [_contribute()], [_review_of_what_is_to_come]),
    Pair("reply, reply", contribute, [_reply(REVIEWER)], [_reply(_OTHER_REVIEWER, "Looks wrong")]),
    Pair("reply, pick up", contribute, [_reply(_OTHER_REVIEWER)], [_pick_up(REVIEWER)]),
    Pair("pick up, pick up", contribute, [_pick_up(REVIEWER)], [_pick_up(_OTHER_REVIEWER)]),
    Pair("contribute, read every page", nothing, [_contribute()], _PAGES),
    Pair("contribute, audit", nothing, [_contribute()], [_audit]),
    Pair("contribute, finish what is applied", nothing, [_contribute(), _finish], [_recover]),
    *(
        Pair(
            f"recover a claim that died before {effect}, claim",
            nothing,
            [_recover],
            [_claim(CODER)],
            leftover=Leftover(_claim(OTHER_CODER), effect),
        )
        for effect in ("leave", "apply", "release")
    ),
)
"""Operations that meet; one that is named here gets the whole treatment."""

SMALL: Final = Pair("grant, look", nothing, [_grant], [_page(CREDITS)])
"""Of so few steps that every interleaving can be run."""
