"""Contracts on contributing: the contribution, its handoffs, and those that it answers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from grove_sm.domain import Agent, Contribution, Route
from grove_sm.domain.coordination import HandoffStatus
from grove_sm.domain.errors import NotFound
from grove_sm.lifecycles import HANDOFF
from grove_sm.operations.contribute import ContributeRequest, handoff_id, plan_contribute
from grove_sm.operations.handoffs import end_deliveries
from grove_sm.operations.layout import CONTRIBUTIONS
from grove_sm.operations.plan import Get
from models.contracts.choices import chosen, settled
from models.contracts.lawful import lawful, told
from models.contracts.registry import contract
from models.contracts.worlds import (
    ADA,
    AFTER,
    BEFORE,
    BEN,
    CLAIM_ID,
    EVE,
    HANDED,
    HANDOFF_ID,
    NOW,
    World,
    handoff_records,
)

TOPOLOGY: Final[Mapping[str, Sequence[Route]]] = {
    "coder": [Route(to="reviewer"), Route(to="tester", reply_seconds=60)],
    "reviewer": [Route(to="coder", requires_reply=True)],
}
ROLES: Final = {None: (), "coder": ("reviewer", "tester"), "reviewer": ("coder",)}
RELATIONS: Final = ("derives_from", "reproduces", "reviews", "responds_to", "adopts")
ANSWERS: Final = RELATIONS[2:]
STATUSES: Final = HANDOFF.states


def _made(agent: Agent, *relations: tuple[Any, str]) -> Contribution:
    return Contribution(
        kind="work",
        summary="mine",
        agent=agent,
        relations=[{"relationType": kind, "targetCid": cid} for kind, cid in relations],  # type: ignore[misc]
        created_at=NOW,
    )


def _request(contribution: Contribution) -> ContributeRequest:
    return ContributeRequest(contribution, TOPOLOGY, NOW)


@contract(plan_contribute, handoff_id)
def a_contribution_comes_with_its_handoffs(agent: int, is_hopeful: bool) -> bool:
    """A contribution is published with one handoff to each role that its agent's role is routed to,
    whether it was looked for first or taken for new.

    pre: 0 <= agent < 3
    post: _
    """
    by, hopeful = chosen((ADA, BEN, EVE), agent), chosen((False, True), is_hopeful)
    with settled():
        made, world = _made(by), World()
        planned = world.plan(lambda facts: plan_contribute(_request(made), facts), hopeful=hopeful)
        assert lawful(planned, world)
        assert any(
            expected.read == Get(CONTRIBUTIONS, made.cid) and expected.found == ()
            for expected in planned.plan.expectations
        ), "that it is new is no precondition"
        written = [write.record_id for write in planned.plan.writes]
        handed = [handoff_id(made.cid, role) for role in ROLES[by.role]]
        result = planned.plan.result
        return written == [made.cid, *handed] and result["handoffIds"] == handed


@contract(plan_contribute, end_deliveries)
def what_it_answers_is_replied(
    relation: int, status: int, agent: int, is_late: bool, lease: int
) -> bool:
    """A contribution that answers another replies every open handoff of that one to its agent's
    role, or of any role if its agent has none, and completes the delivery; no other relation does.

    pre: 0 <= relation < 5 and 0 <= status < len(STATUSES) and 0 <= agent < 3 and 0 <= lease < 3
    post: _
    """
    kind = chosen(RELATIONS, relation)
    found: HandoffStatus = chosen(STATUSES, status)
    by, due = EVE, None
    if kind in ANSWERS:
        by = chosen((ADA, BEN, EVE), agent)
    if kind in ANSWERS and found not in HANDOFF.final:
        due = chosen((AFTER, BEFORE), is_late)
    until = chosen((None, NOW, AFTER), lease) if found == "delivered" else AFTER
    with settled():
        made = _made(by, (kind, HANDED.cid))
        world = World(handoff_records(found, due=due, lease=until))
        left = told(world, lambda facts: plan_contribute(_request(made), facts))
        expected = {made.cid: "there"}
        expected |= {handoff_id(made.cid, role): "pending_pickup" for role in ROLES[by.role]}
        is_open = found not in HANDOFF.final and due != BEFORE
        if kind in ANSWERS and is_open and by.role in (None, "reviewer"):
            expected[HANDOFF_ID] = "replied"
            if found == "delivered" and until is not None:
                expected[CLAIM_ID] = "completed" if until > NOW else "expired"
        return left == expected


@contract(plan_contribute)
def every_relation_has_its_target(first: bool, second: bool, relation: int) -> bool:
    """A contribution is refused unless the target of each of its relations is there.

    pre: 0 <= relation < 5
    post: _
    """
    is_first, is_second = chosen((False, True), first), chosen((False, True), second)
    kind = chosen(RELATIONS, relation)
    with settled():
        one, other = _made(ADA), _made(BEN)
        made = _made(EVE, ("derives_from", one.cid), (kind, other.cid))
        world = World([one] * is_first + [other] * is_second)
        found = told(world, lambda facts: plan_contribute(_request(made), facts))
        return (found == {made.cid: "there"}) if is_first and is_second else found is NotFound


@contract(plan_contribute)
def the_same_contribution_is_made_once(agent: int, relation: int) -> bool:
    """Made again, a contribution writes nothing, and its result is that of the first time.

    pre: 0 <= agent < 3 and 0 <= relation < 5
    post: _
    """
    by, kind = chosen((ADA, BEN, EVE), agent), chosen(RELATIONS, relation)
    with settled():
        made = _made(by, (kind, HANDED.cid))
        world = World(handoff_records("pending_pickup"))
        first = world.plan(lambda facts: plan_contribute(_request(made), facts)).plan
        then = world.after(first)
        again = then.plan(lambda facts: plan_contribute(_request(made), facts)).plan
        assert again.writes == ()
        same = ("cid", "routedTo", "handoffIds", "repliedIds")
        is_told = again.result["duplicate"] and not first.result["duplicate"]
        return is_told and all(again.result[name] == first.result[name] for name in same)


@contract(handoff_id)
def a_handoff_is_named_by_its_contribution_and_role(
    cid: int, role: int, other_cid: int, other_role: int
) -> bool:
    """Two handoffs have the same id only if they are of one contribution to one role.

    pre: 0 <= cid < 2 and 0 <= role < 3 and 0 <= other_cid < 2 and 0 <= other_role < 3
    post: _
    """
    cids, roles = (HANDED.cid, "blake3:" + "0" * 64), ("reviewer", "tester", "reviewer tester")
    one = chosen(cids, cid), chosen(roles, role)
    other = chosen(cids, other_cid), chosen(roles, other_role)
    with settled():
        return (handoff_id(*one) == handoff_id(*other)) == (one == other)
