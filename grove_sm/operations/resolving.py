"""Writing what a transaction had meant to write, after all, where other software came between.

Like every operation it is planned from what stands there, and holds what the record belongs to.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from grove_sm.domain import Account, Claim, Grant, Handoff, Reservation, Transfer
from grove_sm.domain.errors import Corrupt, StateConflict
from grove_sm.operations.credits import CREDIT_KINDS
from grove_sm.operations.documents import decode
from grove_sm.operations.handoffs import families
from grove_sm.operations.layout import (
    BOUNTIES,
    CLAIMS,
    CONTRIBUTIONS,
    CREDITS,
    HANDOFFS,
    account_family,
    bounty_family,
    contribution_family,
    target_family,
)
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
        return _FAMILIES[collection](Stored(record_id, 0, "", "[]", document))
    except Corrupt:
        return ()


def _accounts(stored: Stored) -> Iterable[str]:
    kind = CREDIT_KINDS[stored.record_id.partition(":")[0]]
    match decode(kind, stored):
        case Account(agent_id=agent_id) | Grant(agent_id=agent_id) | Reservation(agent_id=agent_id):
            return (account_family(agent_id),)
        case Transfer(from_agent_id=giver, to_agent_id=receiver):
            return account_family(giver), account_family(receiver)
        case _:
            raise AssertionError(kind)


_FAMILIES: Final[Mapping[str, Callable[[Stored], Iterable[str]]]] = {
    CONTRIBUTIONS: lambda stored: (contribution_family(stored.record_id),),
    HANDOFFS: lambda stored: families(decode(Handoff, stored)),
    CLAIMS: lambda stored: (target_family(decode(Claim, stored).target_ref),),
    BOUNTIES: lambda stored: (bounty_family(stored.record_id),),
    CREDITS: _accounts,
}
