"""Contracts on claims of a target that is neither a bounty nor a handoff."""

from typing import Final

from grove_sm.domain import Agent, Claim, parse_time
from grove_sm.domain.coordination import ClaimStatus
from grove_sm.domain.errors import ClaimConflict, NotFound, StateConflict
from grove_sm.lifecycles import CLAIM
from grove_sm.operations.claim_ends import (
    ExpireClaimRequest,
    has_run_out,
    is_stalled,
    plan_complete,
    plan_expire_claim,
    plan_release,
)
from grove_sm.operations.claims import (
    ClaimRequest,
    HeldRequest,
    active_on,
    end_active,
    held,
    is_live,
    later,
    move,
    plan_claim,
    plan_heartbeat,
    require_holder,
    take,
)
from grove_sm.operations.layout import target_family
from grove_sm.operations.plan import Facts, Plan, make_plan
from models.contracts.choices import chosen, settled
from models.contracts.lawful import told
from models.contracts.registry import contract
from models.contracts.worlds import (
    ADA,
    AFTER,
    BEFORE,
    BEN,
    CLAIM_ID,
    NOW,
    TIMES,
    World,
    a_claim,
)

TARGET: Final = "the target"
NAMED: Final = (None, BEN.agent_id, ADA.agent_id)
STATUSES: Final = CLAIM.states
LEASES: Final = (AFTER, later(NOW, 2), later(NOW, 60))


def _found(status: int, lease: int, *, attempts: int = 2) -> Claim | None:
    """Ben's claim on the target in this status; None beyond the last."""
    if status == len(STATUSES):
        return None
    chosen_status: ClaimStatus = chosen(STATUSES, status)
    until = chosen(TIMES, lease) if chosen_status == "active" else AFTER
    with settled():
        return a_claim(TARGET, status=chosen_status, lease=until, attempts=attempts)


@contract(plan_claim, take, active_on)
def a_target_has_one_holder(status: int, lease: int, is_his: bool) -> bool:
    """Who claims a target gets a new claim on it, unless another agent's is live, which refuses it,
    or its own, which is renewed; one whose lease has run out expires in the same step.

    pre: 0 <= status <= len(STATUSES) and 0 <= lease < 3
    post: _
    """
    claim = _found(status, lease)
    asker: Agent = chosen((ADA, BEN), is_his)
    with settled():
        world = World([] if claim is None else [claim])
        request = ClaimRequest(TARGET, asker, "do it", 60, "claim-2", NOW)
        found = told(world, lambda facts: plan_claim(request, facts))
        if claim is not None and claim.status == "active":
            if claim.lease_expires_at > NOW:
                return found == ({CLAIM_ID: "active"} if asker == BEN else ClaimConflict)
            return found == {CLAIM_ID: "expired", "claim-2": "active"}
        return found == {"claim-2": "active"}


@contract(take)
def attempts_are_counted_while_leases_run_out(status: int, lease: int, attempts: int) -> bool:
    """A new claim counts one attempt more than the last, if that ran out, and begins anew if not.

    pre: 0 <= status <= len(STATUSES) and 0 <= lease < 2 and 0 <= attempts < 3
    post: _
    """
    claim = _found(status, lease, attempts=chosen(range(3), attempts))
    with settled():
        world = World([] if claim is None else [claim])
        request = ClaimRequest(TARGET, ADA, "do it", 60, "claim-2", NOW)
        planned = world.plan(lambda facts: plan_claim(request, facts))
        made = Claim.from_document(planned.plan.result["claim"])
        ran_out = claim is not None and claim.status in ("active", "expired")
        before = claim.attempt_count if claim is not None else 0
        return made.attempt_count == (before + 1 if ran_out else 0)


@contract(take, plan_heartbeat)
def no_lease_is_ever_shortened(
    is_heartbeat: bool, lease: int, heartbeat: int, seconds: int
) -> bool:
    """Renewed in either way, a lease ends at the later of its end and now plus what was asked for,
    and no heartbeat goes back, whatever the clock does.

    pre: 0 <= lease < 3 and 0 <= heartbeat < 3 and 1 <= seconds <= 3
    post: _
    """
    ends = chosen(LEASES, lease)
    beat = chosen(TIMES, heartbeat)
    asked = chosen((0, 1, 2, 3), seconds)
    way = chosen((False, True), is_heartbeat)
    with settled():
        world = World([a_claim(TARGET, lease=ends, heartbeat=beat)])
        if way:
            held_by = HeldRequest(CLAIM_ID, None, NOW)
            planned = world.plan(lambda facts: plan_heartbeat(held_by, lambda _: asked, facts))
        else:
            request = ClaimRequest(TARGET, BEN, "do it", asked, "claim-2", NOW)
            planned = world.plan(lambda facts: plan_claim(request, facts))
        claim = Claim.from_document(planned.plan.result["claim"])
        return (
            claim.lease_expires_at == max(ends, later(NOW, asked))
            and claim.heartbeat_at == max(beat, NOW)
            and claim.status == "active"
            and claim.claim_id == CLAIM_ID
        )


@contract(plan_heartbeat, plan_release, plan_complete, held, require_holder)
def only_its_holder_moves_a_live_claim(kind: int, status: int, lease: int, named: int) -> bool:
    """A heartbeat, a release and a completion move a live claim, by its holder where one is named;
    any other is refused: not there, not live, or another's.

    pre: 0 <= kind < 3 and 0 <= status <= len(STATUSES) and 0 <= lease < 3 and 0 <= named < 3
    post: _
    """
    claim, by = _found(status, lease), chosen(NAMED, named)
    number = chosen(range(3), kind)
    with settled():
        world = World([] if claim is None else [claim])
        request = HeldRequest(CLAIM_ID, by, NOW)
        found = told(
            world,
            (
                lambda facts: plan_heartbeat(request, lambda _: 60, facts),
                lambda facts: plan_release(request, facts),
                lambda facts: plan_complete(request, facts),
            )[number],
        )
        if claim is None:
            return found is NotFound
        if claim.status != "active" or claim.lease_expires_at <= NOW:
            return found is StateConflict
        if by == ADA.agent_id:
            return found is ClaimConflict
        return found == {CLAIM_ID: ("active", "released", "completed")[number]}


@contract(plan_expire_claim, has_run_out, is_stalled)
def a_claim_expires_when_it_ran_out_or_stalled(
    status: int, lease: int, heartbeat: int, since: int
) -> bool:
    """A claim expires if it is active, and its lease has run out or its heart has not beaten since
    the time that is asked about; any other is left alone.

    pre: 0 <= status <= len(STATUSES) and 0 <= lease < 3 and 0 <= heartbeat < 3 and 0 <= since < 3
    post: _
    """
    claim = _found(status, lease)
    is_active = claim is not None and claim.status == "active"
    beat = chosen(TIMES, heartbeat) if is_active else NOW
    stalled = chosen((None, BEFORE, NOW), since) if is_active else None
    with settled():
        if claim is not None:
            claim = claim.replace(heartbeat_at=beat)
        request = ExpireClaimRequest(CLAIM_ID, stalled, True, NOW)
        found = told(
            World([] if claim is None else [claim]), lambda facts: plan_expire_claim(request, facts)
        )
        if claim is None:
            return found == {}
        has_stalled = stalled is not None and beat <= stalled
        assert stalled is None or is_stalled(claim, stalled) == has_stalled
        expires = is_active and (claim.lease_expires_at <= NOW or has_stalled)
        assert expires == has_run_out(claim, NOW, stalled)
        return found == ({CLAIM_ID: "expired"} if expires else {})


@contract(is_live)
def a_claim_is_live_until_its_lease_ends(status: int, lease: int) -> bool:
    """A claim is live while it is active, and no longer when its lease ends.

    pre: 0 <= status < len(STATUSES) and 0 <= lease < 3
    post: _
    """
    claim = _found(status, lease)
    assert claim is not None
    return is_live(claim, NOW) == (claim.status == "active" and claim.lease_expires_at == AFTER)


@contract(move, end_active)
def an_ended_claim_stays_ended(status: int, lease: int, trigger: int) -> bool:
    """A claim moves as its lifecycle says, counting its changes, and is otherwise the same; what
    ends whatever is on a target ends what is active, as expired where the lease has run out.

    pre: 0 <= status < len(STATUSES) and 0 <= lease < 3 and 0 <= trigger < 3
    post: _
    """
    claim = _found(status, lease)
    assert claim is not None
    name, to = chosen(
        (("release", "released"), ("complete", "completed"), ("expire", "expired")), trigger
    )
    with settled():
        world = World([claim])

        def end(facts: Facts) -> Plan:
            writes = end_active(TARGET, name, NOW, facts)
            return make_plan("test", facts, writes=writes, keys=(target_family(TARGET),), result={})

        found = told(world, end)
        try:
            moved = move(claim, name)
        except StateConflict:
            return claim.status != "active" and found == {}
        assert moved == claim.replace(status=to, revision=claim.revision + 1)
        return found == {CLAIM_ID: to if claim.lease_expires_at > NOW else "expired"}


@contract(later)
def later_is_so_many_seconds_later(seconds: int) -> bool:
    """A time so many seconds after another sorts after it, and as it is from there.

    pre: 0 <= seconds < 6
    post: _
    """
    for_so_long = chosen((0, 0.001, 1, 59.999, 3600, 31_536_000), seconds)
    with settled():
        then = later(NOW, for_so_long)
        passed = parse_time(then) - parse_time(NOW)
        return then >= NOW and passed.total_seconds() == for_so_long
