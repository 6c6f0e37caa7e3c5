"""Contracts on what operators do by hand about what transactions left."""

from grove_sm.commit.contract import Recounted
from grove_sm.commit.intervention import Intervention, is_whole, require_unresolved
from grove_sm.commit.record import Redo, make_entry, members_of
from grove_sm.domain.errors import StateConflict
from grove_sm.operations.layout import CLAIMS, target_family
from grove_sm.operations.plan import Heuristic, Plan, Write
from grove_sm.operations.resolving import ResolveRequest, plan_resolve
from models.contracts.choices import chosen, settled
from models.contracts.registry import contract, getter
from models.contracts.worlds import CLAIM_ID, World, a_claim

OUTCOME = Heuristic("tx", "store", CLAIMS, "a", "revision 1", "no record")


@contract(plan_resolve)
def what_was_meant_is_written_over_what_was_seen(is_there: bool, meant: int, standing: int) -> bool:
    """What was meant is written over what stands there if that is what was seen, under the keys of
    both; nothing is written if it stands there already, and what has changed is refused.

    pre: 0 <= meant < 3 and 0 <= standing < 3
    post: _
    """
    there, number = chosen((False, True), is_there), chosen(range(3), meant)
    seen = chosen((0, 3, None), standing)
    with settled():
        claim = a_claim("here")
        text = (claim.to_json(), a_claim("there").to_json(), None)[number]
        world = World([claim] if there else [])
        request = ResolveRequest(Write(CLAIMS, CLAIM_ID, 7, text), seen)
        stands = 3 if there else 0
        try:
            plan = world.plan(lambda facts: plan_resolve(request, facts)).plan
        except StateConflict:
            return seen != stands
        is_so = (number == 0) if there else (number == 2)
        touched = [target_family("here")] * there
        touched += [target_family(("here", "there")[number])] if number < 2 else []
        assert plan.keys == tuple(sorted(set(touched)))
        expected = () if is_so else (Write(CLAIMS, CLAIM_ID, stands, text),)
        return seen == stands and plan.writes == expected


@contract(Intervention.resolves, require_unresolved, is_whole, getter(Heuristic.record))
def an_outcome_is_resolved_once(field: int, is_about: bool) -> bool:
    """An outcome is resolved by what was done about the same record of the same transaction, and by
    nothing else; what was resolved is refused.

    pre: 0 <= field < 5
    post: _
    """
    others: tuple[dict[str, str], ...] = (
        {},
        {"found": "revision 9"},
        {"txid": "tx-other"},
        {"store": "another"},
        {"record_id": "b"},
    )
    change, known = chosen(others, field), chosen((False, True), is_about)
    with settled():
        about = OUTCOME._replace(**change) if known else None  # type: ignore[arg-type]
        done = Intervention("tx", "keep", "me", "now", about)
        is_same = known and change in others[:2]
        try:
            require_unresolved(OUTCOME, [done])
            refused = False
        except StateConflict as error:
            refused = "claims a" in error.message
        assert OUTCOME.record == "claims a"
        assert "tx" in is_whole("tx").record
        return done.resolves(OUTCOME) == is_same == refused


@contract(getter(Recounted.keys), getter(Recounted.members), members_of)
def either_part_of_a_record_tells_what_it_holds(has_entry: bool, has_redo: bool) -> bool:
    """What a transaction holds and writes is told by either part of its record that is whole.

    post: _
    """
    first, second = chosen((False, True), has_entry), chosen((False, True), has_redo)
    with settled():
        plan = Plan("test", (Write(CLAIMS, "a", 4, "{}"),), (), ("k",), {})
        entry = make_entry(plan, txid="tx", coordinator=1, created_at="now")
        redo = Redo(entry.writes, {}, None, entry.keys)
        told = Recounted(
            "tx", 1, "committed", (), entry if first else None, redo if second else None, None
        )
        assert members_of(entry.members) == ((CLAIMS, "a", 5),)
        if not (first or second):
            return told.keys is None and told.members is None
        return told.keys == ("k",) and told.members == ((CLAIMS, "a", 5),)
