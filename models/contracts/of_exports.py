"""Contracts on exports, and on what is taken over from one."""

from typing import Final

from grove_sm.domain import Account, Bounty, Claim, Handoff
from grove_sm.domain.errors import Corrupt, StateConflict
from grove_sm.operations.exported import (
    Export,
    Records,
    export_lines,
    is_export,
    read_export,
    with_parts_that_are_there,
)
from grove_sm.operations.families import families_of
from grove_sm.operations.layout import (
    BOUNTIES,
    CLAIMS,
    COLLECTIONS,
    CONTRIBUTIONS,
    CREDITS,
    HANDOFFS,
    account_family,
    bounty_family,
    contribution_family,
    handoff_family,
)
from grove_sm.operations.plan import Deleted, Find, Stored
from grove_sm.operations.restoring import not_empty, plan_restore
from models.contracts.choices import chosen, settled
from models.contracts.of_audit import WHOLE
from models.contracts.registry import contract, getter
from models.contracts.worlds import BOUNTY_ID, CLAIM_ID, World, bounty_records, handoff_records

GONE: Final = Deleted("gone", 4, "tx-gone", '[["claims","gone",4]]')


def _held(number: int, is_gone: bool) -> Records:
    """What a whole grove holds."""
    with World(chosen(WHOLE, number)).store.snapshot() as snapshot:
        found = {name: [*snapshot.scan(name)] for name in COLLECTIONS}
    records: dict[str, list[Stored | Deleted]] = {
        name: [each for each in scan if isinstance(each, Stored | Deleted)]
        for name, scan in found.items()
    }
    if is_gone:
        records[CLAIMS].append(GONE)
    return records


@contract(export_lines, read_export, is_export, getter(Export.counts), getter(Export.deleted))
def what_is_exported_is_read(number: int, is_gone: bool) -> bool:
    """An export is read as the records that it was made of, and makes the same lines again.

    pre: 0 <= number < len(WHOLE)
    post: _
    """
    which, gone = chosen(range(len(WHOLE)), number), chosen((False, True), is_gone)
    with settled():
        records = _held(which, gone)
        lines = list(export_lines(records))
        export = read_export(lines, "here")
        assert export.records == records
        assert export.deleted == int(gone)
        assert sum(export.counts.values()) + export.deleted == len(lines) - 2
        return is_export(lines[0]) and list(export_lines(export.records)) == lines


@contract(read_export)
def an_export_that_is_not_whole_is_refused(number: int, lost: int, is_cut: bool) -> bool:
    """Of an export without one of its lines, or cut off in one, nothing is read.

    pre: 0 <= number < len(WHOLE) and 0 <= lost < 4
    post: _
    """
    which, without = chosen(range(len(WHOLE)), number), chosen(range(4), lost)
    cut = chosen((False, True), is_cut)
    with settled():
        lines = list(export_lines(_held(which, True)))
        place = without % len(lines)
        kept = lines[:place] + ([lines[place][:-1]] if cut else lines[place + 1 :])
        try:
            read_export(kept, "here")
        except Corrupt as error:
            return error.where == "here" and error.what.startswith("line ")
        return False


@contract(with_parts_that_are_there)
def parts_that_are_there_stay_named(first: int, second: int) -> bool:
    """A record names what its transaction wrote as far as that is there, or was written over.

    pre: 0 <= first < 4 and 0 <= second < 4
    post: _
    """
    one, other = chosen(range(4), first), chosen(range(4), second)
    with settled():
        members = f'[["claims","a",2],["claims","b",{one}],["claims","gone",{other}]]'
        record = Stored("a", 2, "tx", members, "{}")
        there: Records = {
            CLAIMS: [record, Stored("b", 2, "tx", "[]", "{}"), Deleted("gone", 1, "", "[]")]
        }
        kept = with_parts_that_are_there(there)[CLAIMS][0].members
        expected = ['["claims","a",2]']
        expected += [f'["claims","b",{one}]'] * (one <= 2)
        expected += [f'["claims","gone",{other}]'] * (other <= 1)
        return kept == f"[{','.join(expected)}]"


@contract(plan_restore, not_empty)
def an_empty_grove_takes_over_all_and_another_nothing(
    number: int, is_gone: bool, there: int
) -> bool:
    """Every record is written as it was, where there is none; where there is one, it is refused.

    pre: 0 <= number < len(WHOLE) and 0 <= there < 3
    post: _
    """
    which, gone = chosen(range(len(WHOLE)), number), chosen((False, True), is_gone)
    held = chosen(range(3), there)
    with settled():
        records = _held(which, gone)
        world = World([(), [Account(agent_id="ada")], bounty_records("open")][held])
        try:
            plan = world.plan(lambda facts: plan_restore(records, facts)).plan
        except StateConflict as error:
            return held > 0 and "it must be empty" in error.message
        assert {Find(name, ()) for name in COLLECTIONS} <= {e.read for e in plan.expectations}
        written = {(w.collection, w.record_id, *(w.origin or ()), w.document) for w in plan.writes}
        expected = {
            (name, *each[:4], each.document if isinstance(each, Stored) else None)
            for name, scan in records.items()
            for each in scan
        }
        assert all(write.base == 0 for write in plan.writes)
        return held == 0 and written == expected


@contract(families_of)
def a_record_belongs_to_the_families_of_what_it_is_about(kind: int) -> bool:
    """A record belongs to the families that its operations hold; each written one is covered.

    pre: 0 <= kind < 5
    post: _
    """
    number = chosen(range(5), kind)
    with settled():
        (handoff,) = (each for each in handoff_records("delivered") if isinstance(each, Handoff))
        (claim,) = (each for each in bounty_records("claimed") if isinstance(each, Claim))
        (bounty,) = (each for each in bounty_records("claimed") if isinstance(each, Bounty))
        work = contribution_family(handoff.source_cid)
        collection, record_id, record, expected = (
            (CONTRIBUTIONS, handoff.source_cid, None, {work}),
            (HANDOFFS, "any", handoff, {work, handoff_family(handoff.handoff_id)}),
            (CLAIMS, CLAIM_ID, claim, {bounty_family(BOUNTY_ID)}),
            (BOUNTIES, BOUNTY_ID, bounty, {bounty_family(BOUNTY_ID)}),
            (CREDITS, "account:ada", Account(agent_id="ada"), {account_family("ada")}),
        )[number]
        text = record.to_json() if record else "{}"
        return set(families_of(collection, Stored(record_id, 1, "tx", "[]", text))) == expected
