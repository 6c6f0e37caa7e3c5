"""Ways to damage a grove behind its back, and the rule that each of them breaks."""

import json
from collections.abc import Callable
from typing import Any

from grove_sm.operations.plan import Stored
from tests.groves import CODER, REVIEWER, SPONSOR

Tables = dict[str, dict[str, Stored]]
"""Collection -> record id -> record, as a store in memory holds them."""


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
    write_an_account(tables, CODER.agent_id, available=1)


def reserve_without_a_reservation(tables: Tables) -> None:
    write_an_account(tables, CODER.agent_id, available=-1, reserved=1)


def write_an_account(tables: Tables, agent_id: str, **fields: int) -> None:
    found = json.loads(tables["credits"][f"account:{agent_id}"].document)
    changed = {name: found[name] + by for name, by in fields.items()}
    change(tables, "credits", f"account:{agent_id}", **changed)


def move_credits_without_a_transfer(tables: Tables) -> None:
    write_an_account(tables, CODER.agent_id, available=1)
    write_an_account(tables, SPONSOR.agent_id, available=-1)


def free_what_is_reserved(tables: Tables) -> None:
    write_an_account(tables, SPONSOR.agent_id, available=100, reserved=-100)


def lose_a_transfer(tables: Tables) -> None:
    record_id, _ = find(tables, "credits", toAgentId=CODER.agent_id)
    del tables["credits"][record_id]


def change_a_transfers_amount(tables: Tables) -> None:
    record_id, _ = find(tables, "credits", toAgentId=CODER.agent_id)
    change(tables, "credits", record_id, amount=8)


def lose_an_account(tables: Tables) -> None:
    del tables["credits"][f"account:{CODER.agent_id}"]


def pay_a_bounty_to_another(tables: Tables) -> None:
    record_id, _ = find(tables, "credits", status="captured")
    change(tables, "credits", record_id, capturedTo=REVIEWER.agent_id)


def keep_what_a_settled_bounty_reserved(tables: Tables) -> None:
    record_id, _ = find(tables, "credits", status="captured")
    change(tables, "credits", record_id, status="held", capturedTo=None)


def keep_what_a_cancelled_bounty_reserved(tables: Tables) -> None:
    record_id, _ = find(tables, "credits", status="voided")
    change(tables, "credits", record_id, status="held")


def lose_the_reservation_of_an_ended_bounty(tables: Tables) -> None:
    record_id, _ = find(tables, "credits", status="voided")
    del tables["credits"][record_id]


def expire_a_bounty_and_keep_its_reservation(tables: Tables) -> None:
    record_id, _ = find(tables, "bounties", status="open")
    change(tables, "bounties", record_id, status="expired")


def reserve_from_another(tables: Tables) -> None:
    _, document = find(tables, "bounties", status="open")
    record_id = f"reservation:{document['reservationId']}"
    change(tables, "credits", record_id, agentId=CODER.agent_id)


def fulfil_a_bounty_by_nothing(tables: Tables) -> None:
    record_id, _ = find(tables, "bounties", status="settled")
    change(tables, "bounties", record_id, fulfilledByCid="blake3:" + "0" * 64)


def complete_a_bounty_without_naming_by_what(tables: Tables) -> None:
    record_id, _ = find(tables, "bounties", status="completed")
    change(tables, "bounties", record_id, fulfilledByCid=None)


def fulfil_a_bounty_by_what_does_not_meet_it(tables: Tables) -> None:
    record_id, document = find(tables, "bounties", status="completed")
    criteria = {**document["criteria"], "requiredTags": ["fast"]}
    change(tables, "bounties", record_id, criteria=criteria)


def leave_the_claim_of_a_settled_bounty_active(tables: Tables) -> None:
    _, document = find(tables, "bounties", status="settled")
    change(tables, "claims", document["claimId"], status="active")


def release_the_claim_of_a_completed_bounty(tables: Tables) -> None:
    _, document = find(tables, "bounties", status="completed")
    change(tables, "claims", document["claimId"], status="released")


def put_a_delivered_handoff_back(tables: Tables) -> None:
    record_id, _ = find(tables, "handoffs", status="delivered")
    change(tables, "handoffs", record_id, status="pending_pickup")


def process_a_handoff_and_keep_its_delivery(tables: Tables) -> None:
    record_id, _ = find(tables, "handoffs", status="delivered")
    change(tables, "handoffs", record_id, status="processed")


def lose_a_delivered_handoff(tables: Tables) -> None:
    record_id, _ = find(tables, "handoffs", status="delivered")
    del tables["handoffs"][record_id]


def break_a_transfer(tables: Tables) -> None:
    record_id, _ = find(tables, "credits", toAgentId=CODER.agent_id)
    change(tables, "credits", record_id, amount=0)


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
    move_credits_without_a_transfer: "every credit is accounted for",
    free_what_is_reserved: "an account's reservations are its own",
    lose_a_transfer: "every credit is accounted for",
    change_a_transfers_amount: "every credit is accounted for",
    lose_an_account: "every credit is accounted for",
    pay_a_bounty_to_another: "a settled bounty has paid its claimant",
    keep_what_a_settled_bounty_reserved: "a settled bounty has paid its claimant",
    keep_what_a_cancelled_bounty_reserved: "what a bounty reserved goes back",
    lose_the_reservation_of_an_ended_bounty: "what a bounty reserved goes back",
    expire_a_bounty_and_keep_its_reservation: "what a bounty reserved goes back",
    reserve_from_another: "an unsettled bounty's amount is reserved",
    fulfil_a_bounty_by_nothing: "a fulfilled bounty has its contribution",
    complete_a_bounty_without_naming_by_what: "a fulfilled bounty has its contribution",
    fulfil_a_bounty_by_what_does_not_meet_it: "a fulfilled bounty has its contribution",
    leave_the_claim_of_a_settled_bounty_active: "a fulfilled bounty's claim is completed",
    release_the_claim_of_a_completed_bounty: "a fulfilled bounty's claim is completed",
    put_a_delivered_handoff_back: "a delivery has its handoff",
    process_a_handoff_and_keep_its_delivery: "a delivery has its handoff",
    lose_a_delivered_handoff: "a delivery has its handoff",
    break_a_transfer: "every record is readable",
    break_a_document: "every record is readable",
    break_a_rule: "every record is readable",
    rewrite_a_contribution: "every record is readable",
    put_one_contribution_in_anothers_place: "every record is readable",
}
ALSO_BROKEN = {
    lose_an_answered_contribution: "a handoff's contributions exist",
    leave_the_claim_of_a_settled_bounty_active: "a claim has its bounty",
    pay_a_bounty_to_another: "every credit is accounted for",
    free_what_is_reserved: "every credit is accounted for",
}
