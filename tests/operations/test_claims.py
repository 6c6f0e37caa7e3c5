"""Claims on targets and bounties, leases and the clock (Grove protocol, sections 4 and 5)."""

from collections.abc import Callable
from functools import partial

import pytest

from grove_sm import Agent, Bounty, Grove
from grove_sm.domain.errors import ClaimConflict, NotFound, StateConflict
from grove_sm.lifecycles import BOUNTY
from grove_sm.operations.claim_ends import (
    ExpireClaimRequest,
    plan_complete,
    plan_expire_claim,
    plan_release,
)
from grove_sm.operations.claims import HeldRequest
from grove_sm.operations.plan import Facts, Plan
from tests.groves import CODER, NOW, REVIEWER, SPONSOR

from .world import (
    World,
    bounty,
    claim,
    claim_bounty,
    claims,
    create_bounty,
    the_bounty,
)

LEASE_ENDS = "2026-01-01T12:05:00.000Z"
JUST_BEFORE = "2026-01-01T12:04:59.999Z"
AN_HOUR_BACK = "2026-01-01T11:00:00.000Z"
CODER_ELSEWHERE = Agent(agent_id=CODER.agent_id, role="tester", model="m2")


def test_a_free_target_gets_a_new_claim(world: World) -> None:
    plan = world.do(claim("file:a", CODER))
    (found,) = claims(world)
    assert plan.result == {"claim": found.to_document(), "renewed": False}
    assert found.to_document() == {
        "claimId": "claim-1",
        "targetRef": "file:a",
        "agent": CODER.to_document(),
        "status": "active",
        "intentSummary": "do it",
        "createdAt": NOW,
        "heartbeatAt": NOW,
        "leaseExpiresAt": LEASE_ENDS,
        "attemptCount": 0,
        "revision": 1,
    }
    assert plan.keys == ("target:file:a",)


def test_other_targets_stay_free(world: World) -> None:
    world.do(claim("file:a", CODER))
    for target in ("file:b", "file:", "file:A", "file:a ", "file:a\0"):
        world.do(claim(target, REVIEWER, claim_id=f"claim {target}"))
    assert len(claims(world, status="active")) == 6


@pytest.mark.parametrize("agent", [CODER, CODER_ELSEWHERE], ids=["same", "same id"])
def test_the_same_agent_renews(world: World, agent: Agent) -> None:
    world.do(claim("file:a", CODER))
    plan = world.do(claim("file:a", agent, now=JUST_BEFORE, claim_id="claim-2"))
    (found,) = claims(world)
    assert plan.result["renewed"] is True
    assert found.claim_id == "claim-1"
    assert found.created_at == NOW
    assert found.heartbeat_at == JUST_BEFORE
    assert found.lease_expires_at == "2026-01-01T12:09:59.999Z"
    assert (found.revision, found.attempt_count, found.agent) == (2, 0, CODER)


def test_another_agent_is_refused_and_told_by_whom(world: World) -> None:
    world.do(claim("file:a", CODER))
    before = world.everything()
    with pytest.raises(ClaimConflict) as caught:
        world.plan(claim("file:a", REVIEWER, now=JUST_BEFORE, claim_id="claim-2"))
    error = caught.value
    assert (error.target_ref, error.holder, error.claim_id, error.lease_expires_at) == (
        "file:a",
        CODER.agent_id,
        "claim-1",
        LEASE_ENDS,
    )
    assert world.everything() == before


@pytest.mark.parametrize("agent", [REVIEWER, CODER], ids=["another", "the same"])
@pytest.mark.parametrize(
    "now", [LEASE_ENDS, "2026-01-01T12:05:00.001Z", "2027-01-01T00:00:00.000Z"]
)
def test_a_lease_that_has_run_out_is_taken_over(world: World, agent: Agent, now: str) -> None:
    world.do(claim("file:a", CODER))
    plan = world.do(claim("file:a", agent, now=now, claim_id="claim-2"))
    assert plan.result["renewed"] is False
    found = {c.claim_id: c for c in claims(world)}
    old, new = found["claim-1"], found["claim-2"]
    assert (old.status, old.revision) == ("expired", 2)
    assert (old.created_at, old.heartbeat_at, old.lease_expires_at) == (NOW, NOW, LEASE_ENDS)
    assert (new.status, new.revision, new.attempt_count) == ("active", 1, 1)
    assert (new.agent, new.created_at) == (agent, now)
    assert plan.keys == ("target:file:a",)


def hour(number: int) -> str:
    """So many hours from now."""
    return f"2026-01-01T{12 + number}:00:00.000Z"


def test_each_take_over_counts(world: World) -> None:
    for attempt in range(4):
        agent = (CODER, REVIEWER)[attempt % 2]
        world.do(claim("file:a", agent, now=hour(attempt), claim_id=f"c{attempt}"))
    assert [c.attempt_count for c in claims(world)] == [0, 1, 2, 3]
    assert [c.claim_id for c in claims(world, status="active")] == ["c3"]


def test_an_attempt_counts_although_the_one_before_was_swept(world: World) -> None:
    for number in range(3):
        world.do(claim("file:a", CODER, now=hour(number), claim_id=f"c{number}"))
        expire = ExpireClaimRequest(f"c{number}", None, has_credits=False, now=hour(number + 1))
        world.do(partial(plan_expire_claim, expire))
    assert [(c.status, c.attempt_count) for c in claims(world)] == [
        ("expired", 0),
        ("expired", 1),
        ("expired", 2),
    ]


@pytest.mark.parametrize("end", [plan_release, plan_complete])
def test_an_attempt_that_was_ended_in_time_begins_the_count_anew(
    world: World, end: Callable[[HeldRequest, Facts], Plan]
) -> None:
    world.do(claim("file:a", CODER, claim_id="c0"))
    world.do(claim("file:a", REVIEWER, now=hour(1), claim_id="c1"))
    world.do(partial(end, HeldRequest("c1", None, hour(1))))
    world.do(claim("file:a", CODER, now=hour(2), claim_id="c2"))
    world.do(claim("file:b", CODER, now=hour(2), claim_id="c3"))
    world.do(claim("file:a", CODER, now=hour(3), claim_id="c4"))
    assert {c.claim_id: c.attempt_count for c in claims(world)} == {
        "c0": 0,
        "c1": 1,
        "c2": 0,
        "c3": 0,
        "c4": 1,
    }


@pytest.mark.parametrize("status", ["released", "completed", "expired"])
def test_an_ended_claim_holds_nothing(world: World, status: str) -> None:
    world.do(claim("file:a", CODER))
    (found,) = claims(world)
    world.put("claims", "claim-1", {**found.to_document(), "status": status})
    plan = world.do(claim("file:a", REVIEWER, claim_id="claim-2"))
    assert len(plan.writes) == 1
    assert [c.claim_id for c in claims(world, status="active")] == ["claim-2"]


def test_a_clock_that_jumps_back_shortens_no_lease(world: World) -> None:
    world.do(claim("file:a", CODER))
    world.do(claim("file:a", CODER, now=AN_HOUR_BACK, claim_id="claim-2"))
    (found,) = claims(world)
    assert (found.heartbeat_at, found.lease_expires_at, found.revision) == (NOW, LEASE_ENDS, 2)


def test_a_clock_that_jumps_back_frees_nobodys_target(world: World) -> None:
    world.do(claim("file:a", CODER))
    with pytest.raises(ClaimConflict):
        world.plan(claim("file:a", REVIEWER, now=AN_HOUR_BACK, claim_id="claim-2"))


def test_plans_for_one_target_exclude_each_other(world: World) -> None:
    first = world.plan(claim("file:a", CODER, claim_id="claim-1"))
    second = world.plan(claim("file:a", REVIEWER, claim_id="claim-2"))
    assert set(first.keys) & set(second.keys)
    world.store.apply("tx-1", "[]", first.writes)
    assert not world.store.validate(second.expectations)


def test_targets_that_differ_late_are_different_in_a_file_too(file_grove: Grove) -> None:
    """SQL ends a string at its first NUL."""
    file_grove.claim("file:a\0b", agent=CODER, intent_summary="mine")
    for target in ("file:a", "file:a\0", "file:a\0c"):
        file_grove.claim(target, agent=REVIEWER, intent_summary="mine")
    with pytest.raises(ClaimConflict):
        file_grove.claim("file:a\0b", agent=REVIEWER, intent_summary="mine")
    assert file_grove.audit().ok


# Bounties


def open_bounty(world: World) -> Bounty:
    made = bounty(SPONSOR, 100, reserved=False)
    world.do(create_bounty(made))
    return made


def test_an_open_bounty_is_claimed_with_its_claim(world: World) -> None:
    open_bounty(world)
    plan = world.do(claim_bounty("bounty-1", CODER))
    found, (held,) = the_bounty(world), claims(world)
    assert (found.status, found.claimed_by, found.claim_id) == ("claimed", CODER, "claim-1")
    assert (held.target_ref, held.status) == ("bounty:bounty-1", "active")
    assert plan.keys == ("target:bounty:bounty-1",)
    assert plan.result == {
        "bounty": found.to_document(),
        "claim": held.to_document(),
        "renewed": False,
    }


def test_the_claimant_renews_the_lease_and_changes_nothing_else(world: World) -> None:
    open_bounty(world)
    world.do(claim_bounty("bounty-1", CODER))
    before = the_bounty(world)
    later = "2026-01-01T12:20:00.000Z"
    plan = world.do(claim_bounty("bounty-1", CODER, now=later, claim_id="claim-2"))
    assert [write.collection for write in plan.writes] == ["claims"]
    assert plan.result["renewed"] is True
    assert plan.result["bounty"] == before.to_document()
    assert the_bounty(world) == before
    (held,) = claims(world)
    assert (held.claim_id, held.lease_expires_at) == ("claim-1", "2026-01-01T12:50:00.000Z")


def test_another_is_refused_while_the_lease_lasts(world: World) -> None:
    open_bounty(world)
    world.do(claim_bounty("bounty-1", CODER))
    before = world.everything()
    with pytest.raises(ClaimConflict) as caught:
        world.plan(claim_bounty("bounty-1", REVIEWER, claim_id="claim-2"))
    assert caught.value.holder == CODER.agent_id
    assert world.everything() == before


@pytest.mark.parametrize("agent", [REVIEWER, CODER], ids=["another", "the same"])
def test_a_run_out_lease_hands_the_bounty_on(world: World, agent: Agent) -> None:
    open_bounty(world)
    world.do(claim_bounty("bounty-1", CODER))
    now = "2026-01-01T12:30:00.000Z"
    world.do(claim_bounty("bounty-1", agent, now=now, claim_id="claim-2"))
    found = the_bounty(world)
    assert (found.status, found.claimed_by, found.claim_id) == ("claimed", agent, "claim-2")
    assert found.updated_at == now
    assert {c.claim_id: c.status for c in claims(world)} == {
        "claim-1": "expired",
        "claim-2": "active",
    }


def test_a_bounty_that_is_not_there_is_not_found(world: World) -> None:
    with pytest.raises(NotFound) as caught:
        world.plan(claim_bounty("bounty-9", CODER))
    assert caught.value.record == "bounty bounty-9"


@pytest.mark.parametrize(
    ("now", "is_open"),
    [
        ("2026-01-08T11:59:59.999Z", True),
        ("2026-01-08T12:00:00.000Z", False),
        ("2026-01-08T12:00:00.001Z", False),
    ],
)
def test_a_deadline_ends_claiming(world: World, now: str, is_open: bool) -> None:
    open_bounty(world)
    if is_open:
        world.do(claim_bounty("bounty-1", CODER, now=now))
        return
    with pytest.raises(StateConflict) as caught:
        world.plan(claim_bounty("bounty-1", CODER, now=now))
    assert "deadline" in caught.value.reason


@pytest.mark.parametrize("status", [s for s in BOUNTY.states if s not in ("open", "claimed")])
def test_a_bounty_in_another_state_cannot_be_claimed(world: World, status: str) -> None:
    made = open_bounty(world).to_document()
    if status in ("completed", "settled"):
        made |= {"claimedBy": REVIEWER.to_document(), "claimId": "claim-0"}
    if status == "settled":
        made["fulfilledByCid"] = "blake3:" + "0" * 64
    world.put("bounties", "bounty-1", {**made, "status": status})
    before = world.everything()
    with pytest.raises(StateConflict) as caught:
        world.plan(claim_bounty("bounty-1", CODER))
    assert caught.value.record == "bounty bounty-1"
    assert status in caught.value.reason
    assert world.everything() == before


def test_a_bounty_without_credits_is_one_record(world: World) -> None:
    plan = world.do(create_bounty(bounty(SPONSOR, 100, reserved=False)))
    assert [write.collection for write in plan.writes] == ["bounties"]
    assert the_bounty(world).status == "open"
