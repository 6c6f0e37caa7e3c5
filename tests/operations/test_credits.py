"""Credits: what is granted is there, set aside or not, and nothing else (section 6)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grove_sm import Account, Agent
from grove_sm.domain import Grant, Reservation
from grove_sm.domain.errors import InsufficientCredits, ValidationError
from grove_sm.domain.values import MAX_SAFE_INTEGER
from grove_sm.operations.credits import GrantRequest, plan_grant
from grove_sm.operations.plan import Facts, Get, Plan
from tests.groves import NOW, SPONSOR

from .world import World, bounty, create_bounty

AGENTS = ("a", "b", "c")


def grant(world: World, agent_id: str, amount: int, grant_id: str = "grant-1") -> Plan:
    made = Grant(grant_id=grant_id, agent_id=agent_id, amount=amount, created_at=NOW)

    def plan(facts: Facts) -> Plan:
        return plan_grant(GrantRequest(made), facts)

    return world.do(plan)


def balance(world: World, agent_id: str) -> tuple[int, int]:
    for stored in world.store.read(Get("credits", f"account:{agent_id}")):
        account = Account.from_document(json.loads(stored.document))
        return account.available, account.reserved
    return 0, 0


def test_a_grant_adds_to_what_is_available(world: World) -> None:
    assert grant(world, "a", 5, "g1").result["account"] == {
        "agentId": "a",
        "available": 5,
        "reserved": 0,
    }
    grant(world, "a", 7, "g2")
    assert balance(world, "a") == (12, 0)
    assert balance(world, "b") == (0, 0)


def test_a_bounty_sets_its_amount_aside(world: World) -> None:
    grant(world, SPONSOR.agent_id, 150)
    made = bounty(SPONSOR, 100)
    plan = world.do(create_bounty(made))
    assert balance(world, SPONSOR.agent_id) == (50, 100)
    assert [write.collection for write in plan.writes] == ["bounties", "credits", "credits"]
    assert plan.keys == ("account:sponsor-1", "target:bounty:bounty-1")
    (reservation,) = [
        Reservation.from_document(d) for d in world.documents("credits") if "reservationId" in d
    ]
    assert (reservation.amount, reservation.status) == (100, "held")
    assert reservation.expires_at == made.deadline
    assert reservation.reservation_id == made.reservation_id


@pytest.mark.parametrize("available", [0, 1, 99])
def test_too_little_is_refused(world: World, available: int) -> None:
    if available:
        grant(world, SPONSOR.agent_id, available)
    before = world.everything()
    with pytest.raises(InsufficientCredits) as caught:
        world.plan(create_bounty(bounty(SPONSOR, 100)))
    error = caught.value
    assert (error.agent_id, error.needed, error.available) == (SPONSOR.agent_id, 100, available)
    assert world.everything() == before


def test_what_is_reserved_is_not_available(world: World) -> None:
    grant(world, SPONSOR.agent_id, 150)
    world.do(create_bounty(bounty(SPONSOR, 100)))
    with pytest.raises(InsufficientCredits):
        world.plan(create_bounty(bounty(SPONSOR, 100, bounty_id="bounty-2")))
    world.do(create_bounty(bounty(SPONSOR, 50, bounty_id="bounty-3")))
    assert balance(world, SPONSOR.agent_id) == (0, 150)


def test_no_account_grows_past_what_a_number_can_hold(world: World) -> None:
    grant(world, "a", MAX_SAFE_INTEGER, "g1")
    before = world.everything()
    with pytest.raises(ValidationError):
        grant(world, "a", 1, "g2")
    assert world.everything() == before


steps = st.lists(
    st.tuples(st.sampled_from(["grant", "bounty"]), st.sampled_from(AGENTS), st.integers(1, 50)),
    max_size=25,
)


@given(steps)
def test_credits_are_conserved(taken: list[tuple[str, str, int]]) -> None:
    """The sum over all agents changes by grants alone; no balance is ever negative."""
    world = World()
    granted = dict.fromkeys(AGENTS, 0)
    reserved = dict.fromkeys(AGENTS, 0)
    for number, (what, agent_id, amount) in enumerate(taken):
        if what == "grant":
            grant(world, agent_id, amount, f"g{number}")
            granted[agent_id] += amount
        else:
            made = bounty(Agent(agent_id=agent_id), amount, bounty_id=f"b{number}")
            if amount > granted[agent_id] - reserved[agent_id]:
                with pytest.raises(InsufficientCredits):
                    world.plan(create_bounty(made))
            else:
                world.do(create_bounty(made))
                reserved[agent_id] += amount
        for name in AGENTS:
            assert balance(world, name) == (granted[name] - reserved[name], reserved[name])


def test_two_plans_on_one_account_exclude_each_other(world: World) -> None:
    grant(world, SPONSOR.agent_id, 100)
    first = world.plan(create_bounty(bounty(SPONSOR, 100, bounty_id="b1")))
    second = world.plan(create_bounty(bounty(SPONSOR, 100, bounty_id="b2")))
    assert set(first.keys) & set(second.keys)
    world.store.apply("tx-9", "[]", first.writes)
    assert not world.store.validate(second.expectations)
