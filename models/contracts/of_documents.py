"""Contracts on the text at rest of records."""

from typing import Final

from grove_sm.domain import (
    Account,
    Bounty,
    Claim,
    Contribution,
    Grant,
    Handoff,
    Record,
    Reservation,
)
from grove_sm.domain.errors import Corrupt, NotFound
from grove_sm.operations.documents import create, decode, delete, known, look_up, update
from grove_sm.operations.plan import Facts, Get, Plan, Stored, Write, make_plan
from models.contracts.choices import chosen, settled
from models.contracts.registry import contract
from models.contracts.worlds import (
    OTHER_WORK,
    WORK,
    World,
    bounty_records,
    handoff_records,
)

KINDS: Final[tuple[type[Record], ...]] = (
    Contribution,
    Handoff,
    Claim,
    Bounty,
    Account,
    Grant,
    Reservation,
)
SAMPLES: Final[tuple[Record, ...]] = tuple(
    next(
        record
        for record in (*bounty_records("claimed"), *handoff_records("replied"))
        if type(record) is kind
    )
    for kind in KINDS
)


def _id_of(record: Record) -> str:
    return record.cid if isinstance(record, Contribution) else "the id"


@contract(decode, create, update)
def what_is_written_is_read(sample: int, revision: int) -> bool:
    """A record that is written, new or in another's place, is read back as it was.

    pre: 0 <= sample < len(SAMPLES) and 1 <= revision < 3
    post: _
    """
    record, at = chosen(SAMPLES, sample), chosen((0, 1, 2), revision)
    with settled():
        made = create("any", _id_of(record), record)
        stored = Stored(made.record_id, at, "tx", "[]", made.document or "")
        assert made.base == 0
        assert update("any", stored, record) == Write("any", _id_of(record), at, made.document)
        assert decode(type(record), stored) == record
        return delete("any", stored) == Write("any", _id_of(record), at, None)


@contract(decode)
def a_damaged_record_is_never_returned(sample: int, place: int, tail: int) -> bool:
    """A document that is cut short at either end, is of another kind, or has a field that no record
    has, is Corrupt.

    pre: 0 <= sample < len(SAMPLES) and 0 <= place < 4 and 0 <= tail < 3
    post: _
    """
    record, number = chosen(SAMPLES, sample), chosen(range(4), place)
    left = chosen((1, 9, 40), tail)
    with settled():
        text = create("any", _id_of(record), record).document or ""
        other = SAMPLES[(SAMPLES.index(record) + 1) % len(SAMPLES)]
        damaged = (
            text[:-left],
            text[left:],
            create("any", "", other).document or "",
            '{"unknown":1,' + text[1:],
        )[number]
        try:
            decode(type(record), Stored(_id_of(record), 1, "tx", "[]", damaged), "here")
        except Corrupt as error:
            return error.where == "here" and _id_of(record) in error.what
        return False


@contract(decode)
def a_contribution_is_the_one_of_its_cid(is_other: bool) -> bool:
    """A contribution that stands under another one's CID is Corrupt.

    post: _
    """
    found = chosen((WORK, OTHER_WORK), is_other)
    with settled():
        stored = Stored(WORK.cid, 1, "tx", "[]", found.to_json())
        try:
            return decode(Contribution, stored) == WORK and found == WORK
        except Corrupt:
            return found != WORK


@contract(look_up, known, delete)
def what_is_deleted_is_not_found(is_there: bool, is_deleted: bool) -> bool:
    """A record is looked up as it was read; where there is none, or none any more, it is not found.

    post: _
    """
    there, gone = chosen((False, True), is_there), chosen((False, True), is_deleted)
    with settled():
        account = Account(agent_id="ada", available=1)
        world = World([account] if there else [])

        def remove(facts: Facts) -> Plan:
            _, found = known(Account, "credits", "account:ada", facts, reason="it is needed")
            assert found == account
            stored = facts.known[Get("credits", "account:ada")][0]
            return make_plan(
                "test", facts, writes=[delete("credits", stored)], keys=["account:ada"], result={}
            )

        def look(facts: Facts) -> Plan:
            found = look_up(Account, "credits", "account:ada", facts)
            result = {"found": found is not None and found[1] == account}
            return make_plan("test", facts, writes=(), keys=(), result=result)

        if there and gone:
            world = world.after(world.plan(remove).plan)
        try:
            known_now = world.plan(remove) is not None
        except NotFound as error:
            known_now = "it is needed" not in error.message
        found_now = bool(world.plan(look).plan.result["found"])
        return known_now == found_now == (there and not gone)
