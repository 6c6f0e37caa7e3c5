"""Taking a whole grove over into an empty one, as one transaction. Pure."""

from typing import Final

from grove_sm.domain.errors import StateConflict
from grove_sm.operations.exported import Export, Records
from grove_sm.operations.families import families_of
from grove_sm.operations.plan import Facts, Find, Origin, Plan, Stored, Write, make_plan

OPERATION: Final = "restore"


def plan_restore(records: Records, facts: Facts) -> Plan:
    """Write all of these records, each with what it had where it comes from.

    Raises StateConflict if there are records already.
    """
    facts.need(*(Find(collection, ()) for collection in records))
    there = {name: facts.find(name) for name in records}
    if any(there.values()):
        raise not_empty(there)
    found = [(name, each) for name, scan in records.items() for each in scan]
    return make_plan(
        OPERATION,
        facts,
        writes=[
            Write(
                name,
                each.record_id,
                0,
                each.document if isinstance(each, Stored) else None,
                Origin(each.revision, each.txid, each.members),
            )
            for name, each in found
        ],
        keys={
            family
            for name, each in found
            if isinstance(each, Stored)
            for family in families_of(name, each)
        },
        result={},
    )


def not_empty(there: Records) -> StateConflict:
    """The refusal of a grove that holds these already."""
    export = Export(there, "")
    numbers = {**export.counts, "deleted records": export.deleted}
    told = ", ".join(f"{number:,} {name}" for name, number in numbers.items() if number)
    return StateConflict(
        record="the grove",
        reason=f"it must be empty to take over an export, and has {told}; "
        "make a new one with 'grove-sm init FOLDER'",
    )
