"""Contracts on credits, for amounts of any size.

The records stand here as plain values, without the text at rest that they are read from and
written to, so that amounts stay open: the code that ships computes with symbols. That the text says
what the record does is in `models.contracts.of_documents`; that no balance goes beyond the
protocol's largest integer is seen to by the records.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Self, cast

from grove_sm.domain import Account, Grant, Reservation, Transfer
from grove_sm.domain.errors import GroveError, NotFound, StateConflict
from grove_sm.operations import credits
from grove_sm.operations.credits import (
    GrantRequest,
    Movement,
    TransferRequest,
    account_of,
    capture,
    plan_grant,
    plan_transfer,
    reservation,
    reserve,
    void,
    write_account,
)
from grove_sm.operations.layout import CREDITS, account_family, account_record, reservation_record
from grove_sm.operations.plan import Facts, Get, Plan, Stored, Write, make_plan
from models.contracts.choices import chosen, settled
from models.contracts.registry import contract
from models.contracts.worlds import ADA, BEN, World

HERS: Final = account_record(ADA.agent_id)
HIS: Final = account_record(BEN.agent_id)
HELD: Final = reservation_record("reservation-1")


class PlainAccount(NamedTuple):
    """An account whose balances may be open."""

    agent_id: str
    available: Any = 0
    reserved: Any = 0

    def replace(self, **changes: Any) -> Self:
        """The same account with other balances."""
        return self._replace(**changes)

    def to_document(self) -> Mapping[str, Any]:
        """What the result of a call holds."""
        return self._asdict()


class PlainReservation(NamedTuple):
    """A reservation whose amount may be open."""

    reservation_id: str
    agent_id: str
    amount: Any
    status: str = "held"
    captured_to: str | None = None

    def replace(self, **changes: Any) -> Self:
        """The same reservation, ended."""
        return self._replace(**changes)


class PlainGrant(NamedTuple):
    """A grant whose amount may be open."""

    grant_id: str
    agent_id: str
    amount: Any


class PlainTransfer(NamedTuple):
    """A transfer whose amount may be open."""

    transfer_id: str
    from_agent_id: str
    to_agent_id: str
    amount: Any


class TooFew(Exception):  # noqa: N818 - stands for InsufficientCredits
    """Too few credits, without a message: one would have to name open amounts digit by digit."""

    def __init__(self, *, agent_id: str, needed: Any, available: Any) -> None:
        super().__init__(agent_id)
        self.is_so = available < needed


@contextmanager
def _plainly() -> Iterator[None]:
    """Have the credits' code read and write plain values."""
    stand_ins: dict[str, Any] = {
        "Account": PlainAccount,
        "InsufficientCredits": TooFew,
        "decode": lambda _, stored: stored.document,
        "create": lambda collection, record_id, record: Write(collection, record_id, 0, record),
        "update": lambda collection, stored, record: Write(
            collection, stored.record_id, stored.revision, record
        ),
    }
    real = {name: getattr(credits, name) for name in stand_ins}
    try:
        for name, stand_in in stand_ins.items():
            setattr(credits, name, stand_in)
        yield
    finally:
        for name, kept in real.items():
            setattr(credits, name, kept)


def _facts(*records: tuple[str, Any]) -> Facts:
    """What is found: these records, and no other account or reservation."""
    known: dict[Any, tuple[Stored, ...]] = {Get(CREDITS, name): () for name in (HERS, HIS, HELD)}
    for name, record in records:
        known[Get(CREDITS, name)] = (Stored(name, 1, "tx", "[]", record),)
    return Facts(known)


def _written(writes: tuple[Write, ...]) -> dict[str, Any]:
    found = {write.record_id: cast("Any", write.document) for write in writes}
    assert len(found) == len(writes), "it writes a record twice"
    return found


def _accounts(facts: Facts, writes: tuple[Write, ...]) -> tuple[PlainAccount, PlainAccount]:
    """Both accounts as these writes leave them."""
    found = {HERS: PlainAccount(ADA.agent_id), HIS: PlainAccount(BEN.agent_id)}
    for name in found:
        for stored in facts.known[Get(CREDITS, name)]:
            found[name] = cast("Any", stored.document)
    found |= {name: record for name, record in _written(writes).items() if name in found}
    return found[HERS], found[HIS]


def _total(*accounts: PlainAccount) -> Any:
    return sum(account.available + account.reserved for account in accounts)


def _none_is_negative(*accounts: PlainAccount) -> bool:
    return all(account.available >= 0 and account.reserved >= 0 for account in accounts)


@contract(reserve)
def a_reservation_moves_what_is_there(available: int, reserved: int, amount: int) -> bool:
    """What is reserved leaves available and adds to reserved; more than there is, is refused.

    pre: available >= 0 and reserved >= 0 and amount >= 1
    post: _
    """
    account = cast("Account", PlainAccount(ADA.agent_id, available, reserved))
    try:
        with _plainly():
            after = reserve(account, amount)
    except TooFew as refusal:
        return available < amount and refusal.is_so
    return (
        after.available == available - amount
        and after.reserved == reserved + amount
        and after.available >= 0
    )


@contract(plan_grant)
def a_grant_adds_to_available(
    has_account: bool, available: int, reserved: int, amount: int
) -> bool:
    """A grant adds its amount to what its agent has available, and nothing else.

    pre: available >= 0 and reserved >= 0 and amount >= 1
    post: _
    """
    account = PlainAccount(ADA.agent_id, available, reserved)
    facts = _facts((HERS, account)) if has_account else _facts()
    before, _ = _accounts(facts, ())
    grant = cast("Grant", PlainGrant("grant-1", ADA.agent_id, amount))
    with _plainly():
        plan = plan_grant(GrantRequest(grant), facts)
    after, _ = _accounts(facts, plan.writes)
    return (
        after == before._replace(available=before.available + amount)
        and set(_written(plan.writes)) == {HERS, "grant:grant-1"}
        and plan.keys == (account_family(ADA.agent_id),)
    )


@contract(plan_transfer)
def a_transfer_makes_and_loses_nothing(
    has_account: bool, hers: int, his: int, his_reserved: int, amount: int
) -> bool:
    """A transfer takes its amount from the giver's available and adds it to the receiver's; more
    than there is, is refused.

    pre: hers >= 0 and his >= 0 and his_reserved >= 0 and amount >= 1
    post: _
    """
    found = [(HERS, PlainAccount(ADA.agent_id, hers, 3))]
    if has_account:
        found.append((HIS, PlainAccount(BEN.agent_id, his, his_reserved)))
    facts = _facts(*found)
    giver, receiver = _accounts(facts, ())
    transfer = cast("Transfer", PlainTransfer("transfer-1", ADA.agent_id, BEN.agent_id, amount))
    try:
        with _plainly():
            plan = plan_transfer(TransferRequest(transfer), facts)
    except TooFew:
        return hers < amount
    given, received = _accounts(facts, plan.writes)
    return (
        given == giver._replace(available=hers - amount)
        and received == receiver._replace(available=receiver.available + amount)
        and _none_is_negative(given, received)
        and _total(given, received) == _total(giver, receiver)
        and plan.keys == tuple(sorted(map(account_family, (ADA.agent_id, BEN.agent_id))))
    )


@contract(capture)
def a_capture_pays_what_was_reserved(
    receiver: int, hers: int, reserved: int, his: int, amount: int
) -> bool:
    """A capture takes the amount from the reserver's reserved and adds it to the available of the
    receiver, who may be new, or the same.

    pre: 0 <= receiver < 3
    pre: hers >= 0 and his >= 0 and amount >= 1 and reserved >= amount
    post: _
    """
    found: list[tuple[str, Any]] = [
        (HERS, PlainAccount(ADA.agent_id, hers, reserved)),
        (HELD, PlainReservation("reservation-1", ADA.agent_id, amount)),
    ]
    who = chosen(("new", "known", "the same"), receiver)
    if who == "known":
        found.append((HIS, PlainAccount(BEN.agent_id, his)))
    facts, to = _facts(*found), ADA.agent_id if who == "the same" else BEN.agent_id
    payer, receiving = _accounts(facts, ())
    with _plainly():
        movement = capture(facts, "reservation-1", to)
    paid, received = _accounts(facts, movement.writes)
    ended = _written(movement.writes)[HELD]
    assert (ended.status, ended.captured_to, ended.amount) == ("captured", to, amount)
    assert set(movement.keys) >= {account_family(ADA.agent_id), account_family(to)}
    assert paid.reserved == reserved - amount
    assert (paid if to == ADA.agent_id else received).available == (
        (payer if to == ADA.agent_id else receiving).available + amount
    )
    return _none_is_negative(paid, received) and (
        _total(paid, received) == _total(payer, receiving)
    )


@contract(void)
def a_void_gives_back_what_was_reserved(hers: int, reserved: int, amount: int) -> bool:
    """A void moves the amount from reserved back to available.

    pre: hers >= 0 and amount >= 1 and reserved >= amount
    post: _
    """
    facts = _facts(
        (HERS, PlainAccount(ADA.agent_id, hers, reserved)),
        (HELD, PlainReservation("reservation-1", ADA.agent_id, amount)),
    )
    with _plainly():
        movement = void(facts, "reservation-1")
    after, _ = _accounts(facts, movement.writes)
    ended = _written(movement.writes)[HELD]
    assert (ended.status, ended.captured_to, ended.amount) == ("voided", None, amount)
    assert movement.keys == (account_family(ADA.agent_id),)
    return after == (ADA.agent_id, hers + amount, reserved - amount)


@contract(reservation)
def a_new_reservation_is_set_aside_with_its_record(hers: int, reserved: int, amount: int) -> bool:
    """A reservation and what it sets aside are written together, under the key of its account.

    pre: hers >= 0 and reserved >= 0 and amount >= 1
    post: _
    """
    facts = _facts((HERS, PlainAccount(ADA.agent_id, hers, reserved)))
    made = cast("Reservation", PlainReservation("reservation-1", ADA.agent_id, amount))
    try:
        with _plainly():
            movement = reservation(facts, made)
    except TooFew:
        return hers < amount
    after, _ = _accounts(facts, movement.writes)
    assert _written(movement.writes)[HELD] == made
    assert movement.keys == (account_family(ADA.agent_id),)
    return after == (ADA.agent_id, hers - amount, reserved + amount)


@contract(capture, void)
def a_reservation_ends_once(status: int, kind: int) -> bool:
    """What was captured or voided is so for good: the same again changes nothing, anything else is
    refused, and so is what was never reserved.

    pre: 0 <= status < 4 and 0 <= kind < 3
    post: _
    """
    found = chosen(
        (
            None,
            PlainReservation("reservation-1", ADA.agent_id, 5, "captured", BEN.agent_id),
            PlainReservation("reservation-1", ADA.agent_id, 5, "captured", ADA.agent_id),
            PlainReservation("reservation-1", ADA.agent_id, 5, "voided"),
        ),
        status,
    )
    ends: tuple[Callable[[Facts], Movement], ...] = (
        lambda facts: capture(facts, "reservation-1", BEN.agent_id),
        lambda facts: capture(facts, "reservation-1", ADA.agent_id),
        lambda facts: void(facts, "reservation-1"),
    )
    end = chosen(ends, kind)
    facts = _facts() if found is None else _facts((HELD, found))
    told: type[GroveError] | Movement
    try:
        with _plainly():
            told = end(facts)
    except (NotFound, StateConflict) as refusal:
        told = type(refusal)
    if found is None:
        return told is NotFound
    is_same = ends.index(end) == ("captured", "captured", "voided").index(found.status) + (
        found.captured_to == ADA.agent_id
    )
    return told == Movement() if is_same else told is StateConflict


@contract(account_of, write_account)
def an_account_is_there_when_it_has_been_written(has_account: bool, available: int) -> bool:
    """An agent without an account has an empty one, and what is written is found again.

    pre: 0 <= available < 3
    post: _
    """
    there, balance = chosen((False, True), has_account), chosen((0, 1, 2**53 - 1), available)
    with settled():
        account = Account(agent_id=ADA.agent_id, available=balance)
        world = World([account] if there else [])
        found: list[Account] = []

        def look(facts: Facts) -> Plan:
            found.append(account_of(facts, ADA.agent_id))
            return make_plan(
                "test",
                facts,
                writes=(write_account(facts, account.replace(reserved=1)),),
                keys=(account_family(ADA.agent_id),),
                result={},
            )

        then = world.after(world.plan(look).plan)
        assert found[-1] == (account if there else Account(agent_id=ADA.agent_id))
        then.plan(look)
        return found[-1] == account.replace(reserved=1)
