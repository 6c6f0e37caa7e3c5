"""Writing what a transaction had meant to write, after all, where other software came between.

Like every operation it is planned from what stands there, and holds what the record belongs to.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from grove_sm.domain.errors import Corrupt, StateConflict
from grove_sm.operations.families import families_of
from grove_sm.operations.plan import Facts, Plan, Stored, Write, make_plan

OPERATION: Final = "resolve_heuristic_outcome"


class ResolveRequest(NamedTuple):
    """What was to be written, and the revision that was seen to stand there.

    0 if there was no record, None if that could not be seen.
    """

    meant: Write
    standing: int | None


def plan_resolve(request: ResolveRequest, facts: Facts) -> Plan:
    """What to write: what was meant, over what stands there; nothing, if that is the same.

    Raises StateConflict if something else stands there than was seen.
    """
    meant = request.meant
    found = facts.get(meant.collection, meant.record_id)
    standing = found.revision if found else 0
    if standing != request.standing:
        raise StateConflict(
            record=f"{meant.collection} {meant.record_id}",
            reason="it has changed since it was looked at; look again",
        )
    is_so = meant.document == (found.document if found else None)
    documents = {meant.document, found.document if found else None} - {None}
    return make_plan(
        OPERATION,
        facts,
        writes=() if is_so else (meant._replace(base=standing),),
        keys={
            family
            for document in documents
            for family in _families(meant.collection, meant.record_id, document or "")
        },
        result={},
    )


def _families(collection: str, record_id: str, document: str) -> Iterable[str]:
    """The families that a record belongs to; none if what stands there breaks a rule."""
    try:
        return families_of(collection, Stored(record_id, 0, "", "[]", document))
    except Corrupt:
        return ()
