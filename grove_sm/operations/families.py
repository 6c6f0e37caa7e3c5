"""Which keys a transaction has to hold for a record that it writes, whatever it is about. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from grove_sm.domain import Account, Claim, Grant, Handoff, Reservation, Transfer
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
from grove_sm.operations.plan import Stored


def families_of(collection: str, record: Stored) -> Iterable[str]:
    """The families that a record belongs to. Raises Corrupt if it breaks a rule."""
    return _FAMILIES[collection](record)


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
