"""Credits: accounts, and what changes them (Grove protocol, section 6).

Every change of an account is made here, by functions that keep its total but for a grant.
"""

from typing import Final, NamedTuple

from grove_sm.domain import Account, Grant, Reservation
from grove_sm.domain.errors import InsufficientCredits
from grove_sm.operations.documents import create, decode, update
from grove_sm.operations.layout import (
    CREDITS,
    account_family,
    account_record,
    grant_record,
    reservation_record,
)
from grove_sm.operations.plan import Facts, Plan, Write, make_plan

OPERATION: Final = "grant_credits"


class GrantRequest(NamedTuple):
    """Credits to give to an agent."""

    grant: Grant


def plan_grant(request: GrantRequest, facts: Facts) -> Plan:
    """What to write for a grant: the agent's account, and the grant."""
    grant = request.grant
    account = account_of(facts, grant.agent_id)
    granted = account.replace(available=account.available + grant.amount)
    return make_plan(
        OPERATION,
        facts,
        writes=(
            write_account(facts, granted),
            create(CREDITS, grant_record(grant.grant_id), grant),
        ),
        keys=(account_family(grant.agent_id),),
        result={"account": granted.to_document()},
    )


def account_of(facts: Facts, agent_id: str) -> Account:
    """An agent's account; an empty one, if it never had any."""
    stored = facts.get(CREDITS, account_record(agent_id))
    return Account(agent_id=agent_id) if stored is None else decode(Account, stored)


def write_account(facts: Facts, account: Account) -> Write:
    """The write that leaves an account so."""
    record_id = account_record(account.agent_id)
    stored = facts.get(CREDITS, record_id)
    if stored is None:
        return create(CREDITS, record_id, account)
    return update(CREDITS, stored, account)


def reserve(account: Account, amount: int) -> Account:
    """The account with an amount moved from available to reserved.

    Raises InsufficientCredits if it has too little.
    """
    if account.available < amount:
        raise InsufficientCredits(
            agent_id=account.agent_id, needed=amount, available=account.available
        )
    return account.replace(available=account.available - amount, reserved=account.reserved + amount)


def plan_reservation(facts: Facts, reservation: Reservation) -> tuple[Write, ...]:
    """The writes that set a reservation's amount aside."""
    account = reserve(account_of(facts, reservation.agent_id), reservation.amount)
    return (
        write_account(facts, account),
        create(CREDITS, reservation_record(reservation.reservation_id), reservation),
    )
