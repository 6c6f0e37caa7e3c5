"""An audit finds every kind of violation: each is made in a good grove, behind its back."""

import ast
from pathlib import Path

import pytest

from grove_sm import Corrupt, Grove
from grove_sm.operations import audit as audit_module
from grove_sm.operations.plan import Heuristic
from grove_sm.stores.memory import MemoryStore
from tests.groves import CODER, REVIEWER, SPONSOR

from .damage import (
    ALSO_BROKEN,
    BROKEN,
    Damage,
    Tables,
    find,
    lose_the_claim_of_a_bounty,
    put_one_contribution_in_anothers_place,
    rewrite_a_contribution,
)


@pytest.fixture
def grove(memory_grove: Grove) -> Grove:
    """Some of everything: work answered and delivered, claims, bounties in every state, credits
    granted, set aside, paid and transferred."""
    work = memory_grove.contribute(kind="work", summary="work", agent=CODER)
    memory_grove.contribute(
        kind="review",
        summary="review",
        agent=REVIEWER,
        relations=[{"targetCid": work.cid, "relationType": "reviews"}],
    )
    memory_grove.grant_credits(SPONSOR.agent_id, 1000)
    memory_grove.grant_credits(CODER.agent_id, 5)
    for title in ("open", "claimed"):
        bounty = memory_grove.create_bounty(
            title=title, amount=100, criteria={"description": title}, agent=SPONSOR
        )
    memory_grove.claim_bounty(bounty.bounty_id, agent=CODER)
    memory_grove.claim("file:a", agent=CODER, intent_summary="mine")
    for title in ("draft", "completed", "settled", "cancelled"):
        bounty = memory_grove.create_bounty(
            title=title,
            amount=10,
            criteria={"description": title, "requiredTags": []},
            agent=SPONSOR,
            draft=title == "draft",
        )
        if title in ("completed", "settled"):
            memory_grove.claim_bounty(bounty.bounty_id, agent=CODER)
            memory_grove.complete_bounty(bounty.bounty_id, work.cid)
        if title == "settled":
            memory_grove.settle_bounty(bounty.bounty_id)
        if title == "cancelled":
            memory_grove.cancel_bounty(bounty.bounty_id, agent=SPONSOR)
    memory_grove.transfer_credits(SPONSOR.agent_id, CODER.agent_id, 7)
    assert memory_grove.pick_up(agent=CODER) is not None
    return memory_grove


def tables_of(grove: Grove) -> Tables:
    found: Tables = {}
    for collection, store in grove.coordinator.participants.items():
        assert isinstance(store, MemoryStore)
        found[collection] = store._tables[collection]  # type: ignore[assignment] # none is deleted
    return found


def name(damage: object) -> str:
    return getattr(damage, "__name__", str(damage))


def rules(grove: Grove) -> set[str]:
    report = grove.audit()
    assert report.ok is (not report.violations)
    return {violation.rule for violation in report.violations}


def test_a_good_grove_is_ok(grove: Grove) -> None:
    report = grove.audit()
    assert report.violations == ()
    assert report.ok
    assert report.checked == sum(map(len, tables_of(grove).values()))


@pytest.mark.parametrize(("damage", "rule"), BROKEN.items(), ids=name)
def test_a_violation_is_found(grove: Grove, damage: Damage, rule: str) -> None:
    damage(tables_of(grove))
    assert rule in rules(grove)


@pytest.mark.parametrize(("damage", "rule"), ALSO_BROKEN.items(), ids=name)
def test_another_rule_that_it_breaks_is_found(grove: Grove, damage: Damage, rule: str) -> None:
    damage(tables_of(grove))
    assert rule in rules(grove)


def test_a_heuristic_outcome_is_a_violation(grove: Grove) -> None:
    made = Heuristic("tx-1", "memory://s", "claims", "c1", "no record", "revision 1 by tx-9")
    grove.coordinator.journal.note([made])
    (violation,) = grove.audit().violations
    assert violation.rule == "no other software writes here"
    assert "tx-9" in violation.found


def test_a_violation_names_its_records(grove: Grove) -> None:
    _, claimed = find(tables_of(grove), "bounties", status="claimed")
    lose_the_claim_of_a_bounty(tables_of(grove))
    named = {record for v in grove.audit().violations for record in v.records}
    assert {f"bounty {claimed['bountyId']}", f"claim {claimed['claimId']}"} <= named


def test_every_rule_of_the_audit_is_broken_here() -> None:
    source = Path(audit_module.__file__).read_text()
    stated = {
        call.args[0].value
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "Violation"
        and isinstance(call.args[0], ast.Constant)
    }
    assert stated == {*BROKEN.values(), *ALSO_BROKEN.values(), "no other software writes here"}


@pytest.mark.parametrize(
    "damage", [rewrite_a_contribution, put_one_contribution_in_anothers_place], ids=name
)
def test_a_contribution_that_does_not_match_its_cid_is_never_returned(
    grove: Grove, damage: Damage
) -> None:
    cid, _ = find(tables_of(grove), "contributions", summary="work")
    damage(tables_of(grove))
    with pytest.raises(Corrupt) as caught:
        grove.contributions.get(cid)
    assert cid in caught.value.what
    with pytest.raises(Corrupt):
        grove.contributions.list()
