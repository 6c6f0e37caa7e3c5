"""An audit finds every kind of violation: each is made in a good grove, behind its back."""

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grove_sm import Corrupt, Grove
from grove_sm.operations import audit as audit_module
from grove_sm.operations.plan import Heuristic, Stored
from grove_sm.stores.memory import MemoryStore
from tests.groves import CODER, REVIEWER, SPONSOR

Tables = dict[str, dict[str, Stored]]


@pytest.fixture
def grove(memory_grove: Grove) -> Grove:
    """Some of everything: answered work, claims, bounties open and claimed, credits set aside."""
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
    return memory_grove


def tables_of(grove: Grove) -> Tables:
    found: Tables = {}
    for collection, store in grove.coordinator.participants.items():
        assert isinstance(store, MemoryStore)
        found[collection] = store._tables[collection]
    return found


def find(tables: Tables, collection: str, **where: Any) -> tuple[str, dict[str, Any]]:
    for record_id, stored in tables[collection].items():
        document = json.loads(stored.document)
        if all(document.get(field) == value for field, value in where.items()):
            return record_id, document
    raise AssertionError(f"no such record in {collection}: {where}")


def change(tables: Tables, collection: str, record_id: str, **fields: Any) -> None:
    """Change fields of a record; None takes one out."""
    stored = tables[collection][record_id]
    document = {**json.loads(stored.document), **fields}
    document = {name: value for name, value in document.items() if value is not None}
    tables[collection][record_id] = stored._replace(document=json.dumps(document))


def lose_a_handoff(tables: Tables) -> None:
    record_id, _ = find(tables, "handoffs", status="pending_pickup")
    del tables["handoffs"][record_id]


def lose_a_claim(tables: Tables) -> None:
    record_id, _ = find(tables, "claims", targetRef="file:a")
    del tables["claims"][record_id]


def hold_an_older_handoff(tables: Tables) -> None:
    record_id, _ = find(tables, "handoffs", status="replied")
    stored = tables["handoffs"][record_id]
    tables["handoffs"][record_id] = stored._replace(
        revision=1, txid=find_txid(tables, "work"), members="[]"
    )


def find_txid(tables: Tables, summary: str) -> str:
    record_id, _ = find(tables, "contributions", summary=summary)
    return tables["contributions"][record_id].txid


def lose_an_answered_contribution(tables: Tables) -> None:
    record_id, _ = find(tables, "contributions", summary="work")
    del tables["contributions"][record_id]


def write_a_contribution_alone(tables: Tables) -> None:
    """As software does that writes one store after the other, and dies in between."""
    record_id, _ = find(tables, "contributions", summary="work")
    stored = tables["contributions"][record_id]
    for other in [r for r, s in tables["handoffs"].items() if record_id in s.document]:
        del tables["handoffs"][other]
    tables["contributions"][record_id] = stored._replace(members="[]", txid="somebody")


def claim_a_target_twice(tables: Tables) -> None:
    record_id, document = find(tables, "claims", targetRef="file:a")
    stored = tables["claims"][record_id]
    document |= {"claimId": "claim-x"}
    tables["claims"]["claim-x"] = stored._replace(
        record_id="claim-x", document=json.dumps(document)
    )


def claim_a_bounty_that_stays_open(tables: Tables) -> None:
    record_id, _ = find(tables, "bounties", status="claimed")
    change(tables, "bounties", record_id, status="open", claimedBy=None, claimId=None)


def claim_a_bounty_that_is_not_there(tables: Tables) -> None:
    record_id, _ = find(tables, "bounties", status="claimed")
    del tables["bounties"][record_id]


def lose_the_claim_of_a_bounty(tables: Tables) -> None:
    _, document = find(tables, "bounties", status="claimed")
    del tables["claims"][document["claimId"]]


def end_the_claim_of_a_bounty(tables: Tables) -> None:
    _, document = find(tables, "bounties", status="claimed")
    change(tables, "claims", document["claimId"], status="released")


def give_a_bounty_to_another(tables: Tables) -> None:
    record_id, _ = find(tables, "bounties", status="claimed")
    change(tables, "bounties", record_id, claimedBy=REVIEWER.to_document())


def void_the_reservation_of_a_bounty(tables: Tables) -> None:
    _, document = find(tables, "bounties", status="open")
    change(tables, "credits", f"reservation:{document['reservationId']}", status="voided")


def lose_the_reservation_of_a_bounty(tables: Tables) -> None:
    _, document = find(tables, "bounties", status="open")
    del tables["credits"][f"reservation:{document['reservationId']}"]


def reserve_another_amount(tables: Tables) -> None:
    _, document = find(tables, "bounties", status="open")
    change(tables, "credits", f"reservation:{document['reservationId']}", amount=99)


def mint_credits(tables: Tables) -> None:
    change(tables, "credits", f"account:{CODER.agent_id}", available=6)


def reserve_without_a_reservation(tables: Tables) -> None:
    change(tables, "credits", f"account:{CODER.agent_id}", available=4, reserved=1)


def break_a_document(tables: Tables) -> None:
    record_id, _ = find(tables, "claims", targetRef="file:a")
    stored = tables["claims"][record_id]
    tables["claims"][record_id] = stored._replace(document=stored.document[:-1])


def break_a_rule(tables: Tables) -> None:
    record_id, _ = find(tables, "handoffs", status="pending_pickup")
    change(tables, "handoffs", record_id, status="lost")


def rewrite_a_contribution(tables: Tables) -> None:
    record_id, _ = find(tables, "contributions", summary="work")
    change(tables, "contributions", record_id, summary="better work")


def put_one_contribution_in_anothers_place(tables: Tables) -> None:
    work, _ = find(tables, "contributions", summary="work")
    review, _ = find(tables, "contributions", summary="review")
    stored = tables["contributions"][review]
    tables["contributions"][work] = stored._replace(record_id=work)


Damage = Callable[[Tables], None]
BROKEN: dict[Damage, str] = {
    lose_a_handoff: "an operation is whole",
    lose_a_claim: "what was committed is there",
    hold_an_older_handoff: "an operation is whole",
    lose_an_answered_contribution: "a relation's target exists",
    write_a_contribution_alone: "a contribution has its handoffs",
    claim_a_target_twice: "a target has one claim",
    claim_a_bounty_that_stays_open: "a claim has its bounty",
    claim_a_bounty_that_is_not_there: "a claim has its bounty",
    lose_the_claim_of_a_bounty: "a claimed bounty has its claim",
    end_the_claim_of_a_bounty: "a claimed bounty has its claim",
    give_a_bounty_to_another: "a claimed bounty has its claim",
    void_the_reservation_of_a_bounty: "an unsettled bounty's amount is reserved",
    lose_the_reservation_of_a_bounty: "an unsettled bounty's amount is reserved",
    reserve_another_amount: "an unsettled bounty's amount is reserved",
    mint_credits: "credits are conserved",
    reserve_without_a_reservation: "an account's reservations are its own",
    break_a_document: "every record is readable",
    break_a_rule: "every record is readable",
    rewrite_a_contribution: "every record is readable",
    put_one_contribution_in_anothers_place: "every record is readable",
}
ALSO_BROKEN = {
    lose_an_answered_contribution: "a handoff's contributions exist",
}


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
