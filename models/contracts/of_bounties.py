"""Contracts on bounties, each with its claim, its contribution and its reservation."""

import itertools
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from grove_sm.domain import Agent, Bounty
from grove_sm.domain.coordination import BountyStatus
from grove_sm.domain.errors import (
    ClaimConflict,
    InsufficientCredits,
    NotFound,
    StateConflict,
    ValidationError,
)
from grove_sm.lifecycles import BOUNTY
from grove_sm.operations.bounties import (
    OpenBountyRequest,
    bounty_target,
    known_bounty,
    plan_claim_bounty,
    plan_create_bounty,
    plan_open_bounty,
    reopened,
    require_creator,
    require_in_time,
)
from grove_sm.operations.bounty_ends import (
    CancelBountyRequest,
    CompleteBountyRequest,
    ExpireBountyRequest,
    SettleBountyRequest,
    is_overdue,
    plan_cancel_bounty,
    plan_complete_bounty,
    plan_expire_bounty,
    plan_settle_bounty,
)
from grove_sm.operations.claim_ends import (
    ExpireClaimRequest,
    ReleaseBountyRequest,
    plan_complete,
    plan_expire_claim,
    plan_release,
    plan_release_bounty,
)
from grove_sm.operations.claims import ClaimRequest, HeldRequest
from grove_sm.operations.layout import account_record, reservation_record
from grove_sm.operations.plan import Facts, Plan
from models.contracts.choices import chosen, settled
from models.contracts.lawful import told
from models.contracts.registry import contract
from models.contracts.worlds import (
    ADA,
    AFTER,
    AMOUNT,
    BEFORE,
    BEN,
    BOUNTY_ID,
    CLAIM_ID,
    EVE,
    GRANTED,
    NOW,
    OTHER_WORK,
    RESERVATION_ID,
    TIMES,
    WORK,
    World,
    bounty_records,
)

STATUSES: Final = BOUNTY.states
ENDED: Final = BOUNTY.final
NAMED: Final = (None, BEN.agent_id, ADA.agent_id)
NOWHERE: Final = "blake3:" + "0" * 64
BACK: Final = {
    account_record(EVE.agent_id): f"{GRANTED}+0",
    reservation_record(RESERVATION_ID): "voided",
}
PAID: Final = {
    account_record(EVE.agent_id): f"{GRANTED - AMOUNT}+0",
    account_record(BEN.agent_id): f"{AMOUNT}+0",
    reservation_record(RESERVATION_ID): "captured",
}
RESERVED: Final = {
    account_record(EVE.agent_id): f"{GRANTED - AMOUNT}+{AMOUNT}",
    reservation_record(RESERVATION_ID): "held",
}


class Case(NamedTuple):
    """A bounty as it is found."""

    status: BountyStatus
    lease: str
    deadline: str
    is_funded: bool

    @property
    def world(self) -> World:
        """A grove with it in."""
        return World(
            bounty_records(
                self.status, lease=self.lease, deadline=self.deadline, is_funded=self.is_funded
            )
        )

    @property
    def is_claimed(self) -> bool:
        """Somebody holds it, or has held it until the lease ran out."""
        return self.status == "claimed"

    @property
    def is_live(self) -> bool:
        """Somebody holds it."""
        return self.is_claimed and self.lease > NOW

    @property
    def is_late(self) -> bool:
        """Its deadline has passed."""
        return self.deadline <= NOW

    def with_credits(self, become: dict[str, str]) -> dict[str, str]:
        """What becomes of the credits, if there are any."""
        has_any = self.is_funded and self.status != "draft"
        return become if has_any else {}


def _case(status: int, lease: int, deadline: int, is_funded: bool) -> Case:
    found: BountyStatus = chosen(STATUSES, status)
    until = chosen(TIMES, lease) if found == "claimed" else AFTER
    return Case(found, until, chosen(TIMES, deadline), chosen((False, True), is_funded))


@contract(plan_claim_bounty, known_bounty)
def a_bounty_goes_with_its_claim(
    status: int, lease: int, deadline: int, is_funded: bool, is_his: bool
) -> bool:
    """An open bounty in time is claimed with a claim on it; again by its claimant, the claim alone
    is renewed; from a claim that ran out it passes to the next; otherwise it is refused.

    pre: 0 <= status < len(STATUSES) and 0 <= lease < 3 and 0 <= deadline < 3
    post: _
    """
    case, asker = _case(status, lease, deadline, is_funded), chosen((ADA, BEN), is_his)
    with settled():
        target = bounty_target(BOUNTY_ID)
        request = ClaimRequest(target, asker, "do it", 60, "claim-2", NOW)
        found = told(case.world, lambda facts: plan_claim_bounty(BOUNTY_ID, request, facts))
        if case.status not in ("open", "claimed") or case.is_late:
            return found is StateConflict
        if case.is_live:
            return found == ({CLAIM_ID: "active"} if asker == BEN else ClaimConflict)
        taken = {"claim-2": "active", BOUNTY_ID: "claimed"}
        return found == taken | ({CLAIM_ID: "expired"} if case.is_claimed else {})


@contract(plan_release_bounty, plan_release, reopened)
def a_released_bounty_is_open_again(status: int, lease: int, named: int, by_claim: bool) -> bool:
    """A claimant gives up a live claim, by either call, and the bounty is open in the same step.

    pre: 0 <= status < len(STATUSES) and 0 <= lease < 3 and 0 <= named < 3
    post: _
    """
    case, by = _case(status, lease, 2, True), chosen(NAMED, named)
    way = chosen((False, True), by_claim)
    with settled():
        if way:
            held = HeldRequest(CLAIM_ID, by, NOW)
            found = told(case.world, lambda facts: plan_release(held, facts))
            if case.status not in ("claimed", "completed", "settled"):
                return found is NotFound
        else:
            asked = ReleaseBountyRequest(BOUNTY_ID, by, NOW)
            found = told(case.world, lambda facts: plan_release_bounty(asked, facts))
        if not case.is_live:
            return found is StateConflict
        if by == ADA.agent_id:
            return found is ClaimConflict
        return found == {CLAIM_ID: "released", BOUNTY_ID: "open"}


@contract(plan_complete_bounty)
def a_bounty_is_completed_by_what_meets_its_criteria(
    status: int, lease: int, deadline: int, named: int, work: int
) -> bool:
    """A claimant completes a bounty in time, with its claim, by a contribution that is there and
    meets the criteria; anything else is refused.

    pre: 0 <= status < len(STATUSES) and 0 <= lease < 3 and 0 <= deadline < 3
    pre: 0 <= named < 3 and 0 <= work < 3
    post: _
    """
    case = _case(status, lease, deadline, True)
    by: str | None = BEN.agent_id
    cid = WORK.cid
    if case.is_live and not case.is_late:
        by, cid = chosen(NAMED, named), chosen((WORK.cid, OTHER_WORK.cid, NOWHERE), work)
    with settled():
        request = CompleteBountyRequest(BOUNTY_ID, cid, by, NOW)
        found = told(case.world, lambda facts: plan_complete_bounty(request, facts))
        if not case.is_live or case.is_late:
            return found is StateConflict
        if by == ADA.agent_id:
            return found is ClaimConflict
        if cid == NOWHERE:
            return found is NotFound
        if cid == OTHER_WORK.cid:
            return found is StateConflict
        return found == {CLAIM_ID: "completed", BOUNTY_ID: "completed"}


@contract(plan_settle_bounty)
def a_settled_bounty_has_paid_its_claimant(
    status: int, lease: int, deadline: int, is_funded: bool, work: int
) -> bool:
    """A completed bounty is settled, and a claimed one completed and settled, in one step with the
    payment of its amount to the claimant; by another contribution than completed it, or by none
    where none has, it is refused.

    pre: 0 <= status < len(STATUSES) and 0 <= lease < 3 and 0 <= deadline < 3 and 0 <= work < 4
    post: _
    """
    case = _case(status, lease, deadline, is_funded)
    cid: str | None = WORK.cid
    if (case.is_live and not case.is_late) or case.status == "completed":
        cid = chosen((WORK.cid, OTHER_WORK.cid, NOWHERE, None), work)
    with settled():
        request = SettleBountyRequest(BOUNTY_ID, cid, True, NOW)
        found = told(case.world, lambda facts: plan_settle_bounty(request, facts))
        settling = {BOUNTY_ID: "settled"} | case.with_credits(PAID)
        if case.status == "completed":
            return found == (settling if cid in (WORK.cid, None) else StateConflict)
        if not case.is_live or case.is_late:
            return found is StateConflict
        if cid is None:
            return found is ValidationError
        if cid == NOWHERE:
            return found is NotFound
        if cid == OTHER_WORK.cid:
            return found is StateConflict
        return found == settling | {CLAIM_ID: "completed"}


@contract(plan_cancel_bounty, require_creator)
def a_cancelled_bounty_gives_back(status: int, lease: int, is_funded: bool, is_hers: bool) -> bool:
    """Its creator cancels a bounty that has not ended, with its claim, and what was reserved is
    hers again; anybody else is refused.

    pre: 0 <= status < len(STATUSES) and 0 <= lease < 3
    post: _
    """
    case, asker = _case(status, lease, 2, is_funded), chosen((BEN, EVE), is_hers)
    with settled():
        request = CancelBountyRequest(BOUNTY_ID, asker.agent_id, True, NOW)
        found = told(case.world, lambda facts: plan_cancel_bounty(request, facts))
        if asker != EVE or case.status in ENDED:
            return found is StateConflict
        ended = {BOUNTY_ID: "cancelled"} | case.with_credits(BACK)
        if case.is_claimed:
            ended[CLAIM_ID] = "released" if case.is_live else "expired"
        return found == ended


@contract(plan_expire_bounty, is_overdue)
def an_overdue_bounty_gives_back(status: int, lease: int, deadline: int, is_funded: bool) -> bool:
    """A bounty past its deadline that can expire does, with its claim, and what was reserved goes
    back; any other is left alone.

    pre: 0 <= status < len(STATUSES) and 0 <= lease < 3 and 0 <= deadline < 3
    post: _
    """
    case = _case(status, lease, deadline, is_funded)
    with settled():
        request = ExpireBountyRequest(BOUNTY_ID, True, NOW)
        found = told(case.world, lambda facts: plan_expire_bounty(request, facts))
        expires = case.status in ("open", "claimed", "completed") and case.is_late
        (bounty, *_) = bounty_records(case.status, deadline=case.deadline)
        assert isinstance(bounty, Bounty)
        assert is_overdue(bounty, NOW) == expires
        if not expires:
            return found == {}
        ended = {BOUNTY_ID: "expired"} | case.with_credits(BACK)
        return found == (ended | {CLAIM_ID: "expired"} if case.is_claimed else ended)


@contract(plan_expire_claim, plan_complete)
def a_claim_on_a_bounty_never_ends_alone(
    status: int, lease: int, deadline: int, is_funded: bool
) -> bool:
    """A claim that ran out expires with its bounty, which is open again or has expired too; and it
    is completed by the bounty's own call alone.

    pre: 0 <= status < len(STATUSES) and 0 <= lease < 3 and 0 <= deadline < 3
    post: _
    """
    case = _case(status, lease, deadline, is_funded)
    with settled():
        request = ExpireClaimRequest(CLAIM_ID, None, True, NOW)
        found = told(case.world, lambda facts: plan_expire_claim(request, facts))
        held = HeldRequest(CLAIM_ID, None, NOW)
        completed = told(case.world, lambda facts: plan_complete(held, facts))
        if case.is_live:
            return found == {} and completed is ValidationError
        assert completed in (NotFound, StateConflict)
        if not case.is_claimed:
            return found == {}
        if case.is_late:
            ended = {BOUNTY_ID: "expired", CLAIM_ID: "expired"}
            return found == ended | case.with_credits(BACK)
        return found == {BOUNTY_ID: "open", CLAIM_ID: "expired"}


@contract(plan_create_bounty)
def a_new_bounty_reserves_its_amount(
    is_draft: bool, is_funded: bool, deadline: int, available: int
) -> bool:
    """A new bounty has a deadline in the future, and its amount is set aside with it, if it names a
    reservation, or it is refused for too few credits.

    pre: 0 <= deadline < 3 and 0 <= available < 3
    post: _
    """
    draft, ends = chosen((False, True), is_draft), chosen(TIMES, deadline)
    has_reservation = not draft and chosen((False, True), is_funded)
    left = chosen((AMOUNT - 1, AMOUNT, GRANTED), available)
    with settled():
        (made, *_) = bounty_records(
            "draft" if draft else "open", deadline=ends, is_funded=has_reservation
        )
        assert isinstance(made, Bounty)
        new = made.replace(created_at=NOW, updated_at=NOW)
        world = _with_account(left)
        found = told(world, lambda facts: plan_create_bounty(new, facts))
        if ends <= NOW:
            return found is ValidationError
        if not has_reservation:
            return found == {BOUNTY_ID: new.status}
        if left < AMOUNT:
            return found is InsufficientCredits
        account = {account_record(EVE.agent_id): f"{left - AMOUNT}+{AMOUNT}"}
        return found == {BOUNTY_ID: "open"} | RESERVED | account


@contract(plan_open_bounty, require_in_time)
def an_opened_draft_reserves_its_amount(
    status: int, deadline: int, is_funded: bool, is_hers: bool
) -> bool:
    """Its creator opens a draft in time, and its amount is set aside in the same step.

    pre: 0 <= status < len(STATUSES) and 0 <= deadline < 3
    post: _
    """
    case = _case(status, 2, deadline, False)
    reservation = chosen((None, RESERVATION_ID), is_funded)
    asker = chosen((BEN, EVE), is_hers)
    with settled():
        request = OpenBountyRequest(BOUNTY_ID, asker.agent_id, reservation, NOW)
        found = told(case.world, lambda facts: plan_open_bounty(request, facts))
        if asker != EVE or case.status != "draft" or case.is_late:
            return found is StateConflict
        return found == {BOUNTY_ID: "open"} | (RESERVED if reservation else {})


@contract(plan_settle_bounty, plan_cancel_bounty, plan_expire_bounty, plan_expire_claim)
def reserved_credits_are_not_left_behind(status: int, kind: int) -> bool:
    """Where a bounty has reserved credits, nothing ends it in a deployment that has none.

    pre: 0 <= status < len(STATUSES) and 0 <= kind < 4
    post: _
    """
    number = chosen(range(4), kind)
    found_status: BountyStatus = chosen(STATUSES, status)
    deadline = AFTER if number in (0, 1) else NOW
    case = Case(found_status, AFTER if number == 0 else NOW, deadline, True)
    plans: tuple[Any, ...] = (
        lambda facts: plan_settle_bounty(
            SettleBountyRequest(BOUNTY_ID, WORK.cid, False, NOW), facts
        ),
        lambda facts: plan_cancel_bounty(
            CancelBountyRequest(BOUNTY_ID, EVE.agent_id, False, NOW), facts
        ),
        lambda facts: plan_expire_bounty(ExpireBountyRequest(BOUNTY_ID, False, NOW), facts),
        lambda facts: plan_expire_claim(ExpireClaimRequest(CLAIM_ID, None, False, NOW), facts),
    )
    with settled():
        found = told(case.world, plans[number])
        # A draft has reserved nothing.
        return found in (StateConflict, {}) or (number == 1 and case.status == "draft")


def _asked(number: int, by: Agent, now: str, claim_id: str) -> Callable[[Facts], Plan]:
    """One of everything that can be asked of a bounty."""
    target = bounty_target(BOUNTY_ID)
    plans: tuple[Callable[[Facts], Plan], ...] = (
        lambda facts: plan_claim_bounty(
            BOUNTY_ID, ClaimRequest(target, by, "do it", 0.001, claim_id, now), facts
        ),
        lambda facts: plan_release_bounty(ReleaseBountyRequest(BOUNTY_ID, by.agent_id, now), facts),
        lambda facts: plan_complete_bounty(
            CompleteBountyRequest(BOUNTY_ID, WORK.cid, by.agent_id, now), facts
        ),
        lambda facts: plan_settle_bounty(
            SettleBountyRequest(BOUNTY_ID, WORK.cid, True, now), facts
        ),
        lambda facts: plan_cancel_bounty(
            CancelBountyRequest(BOUNTY_ID, by.agent_id, True, now), facts
        ),
        lambda facts: plan_expire_bounty(ExpireBountyRequest(BOUNTY_ID, True, now), facts),
    )
    return plans[number]


@contract(
    plan_claim_bounty,
    plan_release_bounty,
    plan_complete_bounty,
    plan_settle_bounty,
    plan_cancel_bounty,
    plan_expire_bounty,
    nightly=True,
)
def nothing_that_is_asked_of_a_bounty_breaks_a_law(
    first: int, second: int, third: int, agents: int, times: int
) -> bool:
    """Whatever is asked of an open bounty three times in a row, by whom and whenever, keeps every
    law each time, or is refused.

    pre: 0 <= first < 6 and 0 <= second < 6 and 0 <= third < 6 and 0 <= agents < 8
    pre: 0 <= times < 4
    post: _
    """
    asked = [chosen(range(6), number) for number in (first, second, third)]
    by = chosen(tuple(itertools.product((ADA, EVE), repeat=3)), agents)
    # The clock stands, or goes on once, before the lease ends or when it has.
    at = chosen(((NOW,) * 3, (NOW, NOW, AFTER), (NOW, AFTER, AFTER), (BEFORE, NOW, AFTER)), times)
    with settled():
        world = World(bounty_records("open"))
        for index, case in enumerate(zip(asked, by, at, strict=True)):
            operation = _asked(*case, f"claim-{index}")
            if isinstance(told(world, operation), dict):
                world = world.after(world.plan(operation).plan)
        return True


def _with_account(available: int) -> World:
    grant, _ = (record for record in bounty_records("draft")[-2:])
    account = bounty_records("draft")[-1]
    return World([grant.replace(amount=available), account.replace(available=available)])
