"""Contracts on plans, and on which records are held together."""

from typing import Final

from grove_sm.operations.bounties import bounty_target
from grove_sm.operations.handoffs import handoff_target
from grove_sm.operations.layout import (
    account_family,
    account_record,
    bounty_family,
    contribution_family,
    grant_record,
    handoff_family,
    reservation_record,
    target_family,
    transfer_record,
)
from grove_sm.operations.plan import (
    Facts,
    Find,
    Get,
    IdempotencyKey,
    MissingFacts,
    Read,
    Stored,
    Write,
    make_plan,
)
from models.contracts.choices import chosen
from models.contracts.registry import contract, getter

READ: Final = Get("claims", "read")
WRITTEN: Final = Get("claims", "written")
FOUND: Final = Find("claims", (("status", "active"), ("targetRef", "a")))
NEWEST: Final = Find("claims", (("targetRef", "a"),), newest=True)


def _stored(name: str, revision: int) -> Stored:
    return Stored(name, revision, "tx", "[]", "{}")


@contract(make_plan)
def all_facts_are_preconditions(
    read: int, is_there: bool, written: int, was_read: bool, base: int
) -> bool:
    """Whatever a plan looked at is its precondition, as it was found; whatever it writes without
    having looked is one too, at the revision that it replaces.

    pre: read >= 1 and written >= 1 and base >= 0
    post: _
    """
    known: dict[Read, tuple[Stored, ...]] = {READ: (_stored("read", read),) if is_there else ()}
    if was_read:
        known[WRITTEN] = (_stored("written", written),)
    write = Write("claims", "written", written if was_read else base, "{}")
    plan = make_plan("test", Facts(known), writes=[write], keys=["b", "a", "b"], result={})
    expected = dict(plan.expectations)
    assert len(expected) == len(plan.expectations), "it expects two things of one read"
    assert expected[READ] == ((("read", read),) if is_there else ())
    assert set(expected) == {READ, WRITTEN}
    assert plan.keys == ("a", "b")
    assert plan.writes == (write,)
    return expected[WRITTEN] == ((("written", write.base),) if write.base else ())


@contract(make_plan)
def what_a_list_found_is_expected_there(first: int, second: int, count: int, base: int) -> bool:
    """Records that were found together are a precondition together: none more, none less; one of
    them that is written needs no other.

    pre: first >= 1 and second >= 1 and 0 <= count < 3 and base >= 1
    post: _
    """
    rows = (_stored("one", first), _stored("two", second))[: chosen(range(3), count)]
    writes = [Write("claims", row.record_id, row.revision, "{}") for row in rows]
    writes.append(Write("claims", "three", base, "{}"))
    plan = make_plan("test", Facts({FOUND: rows}), writes=writes, keys=[], result={})
    expected = dict(plan.expectations)
    assert expected.pop(FOUND) == tuple((row.record_id, row.revision) for row in rows)
    return expected == {Get("claims", "three"): (("three", base),)}


@contract(Facts.need, Facts.get, Facts.find, Facts.find_newest)
def what_is_not_known_is_asked_for(
    kind: int, is_known: bool, is_there: bool, revision: int
) -> bool:
    """A look at what was read finds what was read, and any other asks for it, and for nothing else.

    pre: 0 <= kind < 3 and revision >= 1
    post: _
    """
    number = chosen(range(3), kind)
    read = (READ, FOUND, NEWEST)[number]
    rows = (_stored("read", revision),) if is_there else ()
    facts = Facts({read: rows} if is_known else {})
    try:
        if number == 0:
            found = facts.get("claims", "read")
        elif number == 1:
            assert facts.find("claims", targetRef="a", status="active") == rows
            found = rows[0] if rows else None
        else:
            found = facts.find_newest("claims", targetRef="a")
        facts.need(read)
    except MissingFacts as missing:
        return not is_known and missing.reads == (read,)
    return is_known and found == (rows[0] if rows else None)


@contract(getter(Write.revision))
def a_write_counts_one_change(base: int) -> bool:
    """The revision of a write is one more than what it replaces.

    pre: base >= 0
    post: _
    """
    return Write("claims", "a", base, "{}").revision == base + 1


@contract(target_family, contribution_family, account_family)
def families_of_unlike_records_differ(one: str, other: str) -> bool:
    """No name makes the family of a target that of a contribution or an account, and two names of
    one kind have two families.

    pre: len(one) <= 4 and len(other) <= 4
    post: _
    """
    return _have_families_of_their_own(one, other)


def _have_families_of_their_own(one: str, other: str) -> bool:
    makers = (target_family, contribution_family, account_family)
    families = {make(one) for make in makers} | {make(other) for make in makers}
    return len(families) == (3 if one == other else 6)


@contract(bounty_family, handoff_family, bounty_target, handoff_target)
def a_claim_on_a_record_is_covered_by_its_family(name: str) -> bool:
    """The family of a bounty and that of a handoff's deliveries cover the claims on them.

    pre: len(name) <= 4
    post: _
    """
    return (
        bounty_family(name) == target_family(bounty_target(name))
        and handoff_family(name) == target_family(handoff_target(name))
        and bounty_family(name) != handoff_family(name)
    )


@contract(account_record, grant_record, transfer_record, reservation_record)
def records_of_credits_do_not_mix(one: str, other: str, kind: int, other_kind: int) -> bool:
    """Two records of credits have the same id only if they are of one kind and one name.

    pre: len(one) <= 4 and len(other) <= 4 and 0 <= kind < 4 and 0 <= other_kind < 4
    post: _
    """
    makers = (account_record, grant_record, transfer_record, reservation_record)
    make, make_other = chosen(makers, kind), chosen(makers, other_kind)
    return (make(one) == make_other(other)) == (make is make_other and one == other)


SCOPES: Final = ("a", "a:1", "1:a", ":")


@contract(getter(IdempotencyKey.record_id))
def an_idempotency_key_is_its_owners(one: int, first: int, other: int, second: int) -> bool:
    """Two keys are kept as one only if both their scopes and their texts are the same, however
    these are put together.

    pre: 0 <= one < 4 and 0 <= first < 4 and 0 <= other < 4 and 0 <= second < 4 and one <= other
    post: _
    """
    pair = chosen(SCOPES, one), chosen(SCOPES, first)
    another = chosen(SCOPES, other), chosen(SCOPES, second)
    kept = IdempotencyKey(*pair, {}, "").record_id == IdempotencyKey(*another, {}, "").record_id
    return kept == (pair == another)


@contract(getter(IdempotencyKey.record_id), nightly=True)
def an_idempotency_key_is_its_owners_whatever_they_are(
    one: str, first: str, other: str, second: str
) -> bool:
    """The same, for any short scopes and texts.

    pre: max(map(len, (one, first, other, second))) <= 3
    post: _
    """
    kept = IdempotencyKey(one, first, {}, "").record_id
    return (kept == IdempotencyKey(other, second, {}, "").record_id) == (
        (one, first) == (other, second)
    )


@contract(target_family, contribution_family, account_family, nightly=True)
def families_of_unlike_records_differ_whatever_their_names(one: str, other: str) -> bool:
    """The same as for short names, for names of any length.

    post: _
    """
    return _have_families_of_their_own(one, other)
