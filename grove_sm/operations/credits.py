"""Credits: accounts, and what changes them (Grove protocol, section 6).

Every change of an account is made here, by functions that keep the sum of all accounts but for a
grant.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from grove_sm.domain import Account, Grant, Record, Reservation, Transfer
from grove_sm.domain.errors import InsufficientCredits, NotFound, StateConflict
from grove_sm.operations.documents import create, decode, update
from grove_sm.operations.layout import (
    CREDITS,
    account_family,
    account_record,
    grant_record,
    reservation_record,
    transfer_record,
)
from grove_sm.operations.plan import Facts, Plan, Stored, Write, make_plan

OPERATION: Final = "grant_credits"
TRANSFER: Final = "transfer_credits"

CREDIT_KINDS: Final[Mapping[str, type[Record]]] = {
    "account": Account,
    "grant": Grant,
    "reservation": Reservation,
    "transfer": Transfer,
}
"""What the records of credits are, by what their ids begin with."""


class GrantRequest(NamedTuple):
    """Credits to give to an agent."""

    grant: Grant


class TransferRequest(NamedTuple):
    """Credits to move from one agent to another."""

    transfer: Transfer


class Movement(NamedTuple):
    """The writes of a change of credits, and the families to hold for it."""

    writes: tuple[Write, ...] = ()
    keys: tuple[str, ...] = ()


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


def plan_transfer(request: TransferRequest, facts: Facts) -> Plan:
    """What to write for a transfer. Raises InsufficientCredits if its giver has too little."""
    transfer = request.transfer
    giver = account_of(facts, transfer.from_agent_id)
    if giver.available < transfer.amount:
        raise InsufficientCredits(
            agent_id=giver.agent_id, needed=transfer.amount, available=giver.available
        )
    receiver = account_of(facts, transfer.to_agent_id)
    given = giver.replace(available=giver.available - transfer.amount)
    received = receiver.replace(available=receiver.available + transfer.amount)
    return make_plan(
        TRANSFER,
        facts,
        writes=(
            write_account(facts, given),
            write_account(facts, received),
            create(CREDITS, transfer_record(transfer.transfer_id), transfer),
        ),
        keys=(account_family(giver.agent_id), account_family(receiver.agent_id)),
        result={"account": given.to_document()},
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


def reservation(facts: Facts, made: Reservation) -> Movement:
    """Set a new reservation's amount aside. Raises InsufficientCredits."""
    account = reserve(account_of(facts, made.agent_id), made.amount)
    return Movement(
        (
            write_account(facts, account),
            create(CREDITS, reservation_record(made.reservation_id), made),
        ),
        (account_family(made.agent_id),),
    )


def capture(facts: Facts, reservation_id: str, to_agent_id: str) -> Movement:
    """Pay a reserved amount to an agent; nothing, if that has been done.

    Raises NotFound; StateConflict if it was voided, or captured by another.
    """

    def pay(held: Reservation) -> tuple[Account, ...]:
        payer = account_of(facts, held.agent_id)
        payer = payer.replace(reserved=payer.reserved - held.amount)
        receiver = payer if to_agent_id == held.agent_id else account_of(facts, to_agent_id)
        receiver = receiver.replace(available=receiver.available + held.amount)
        return (receiver,) if receiver.agent_id == payer.agent_id else (payer, receiver)

    done = {"status": "captured", "captured_to": to_agent_id}
    return _end(facts, reservation_id, done, pay)


def void(facts: Facts, reservation_id: str) -> Movement:
    """Give a reserved amount back; nothing, if that has been done.

    Raises NotFound; StateConflict if it was captured.
    """

    def give_back(held: Reservation) -> tuple[Account, ...]:
        account = account_of(facts, held.agent_id)
        return (
            account.replace(
                available=account.available + held.amount, reserved=account.reserved - held.amount
            ),
        )

    return _end(facts, reservation_id, {"status": "voided"}, give_back)


def _end(
    facts: Facts,
    reservation_id: str,
    done: dict[str, str],
    accounts_after: Callable[[Reservation], tuple[Account, ...]],
) -> Movement:
    stored, held = _known_reservation(facts, reservation_id)
    if held.status != "held":
        if held.replace(**done) == held:
            return Movement()
        to = f" to agent {held.captured_to}" if held.captured_to else ""
        raise StateConflict(
            record=f"reservation {reservation_id}", reason=f"it was {held.status}{to}"
        )
    accounts = accounts_after(held)
    return Movement(
        (
            *(write_account(facts, account) for account in accounts),
            update(CREDITS, stored, held.replace(**done)),
        ),
        tuple(account_family(account.agent_id) for account in accounts),
    )


def _known_reservation(facts: Facts, reservation_id: str) -> tuple[Stored, Reservation]:
    stored = facts.get(CREDITS, reservation_record(reservation_id))
    if stored is None:
        raise NotFound(record=f"reservation {reservation_id}")
    return stored, decode(Reservation, stored)
