"""Credits (Grove protocol, section 6); a bounty's reservation is held while the bounty lasts."""

from dataclasses import replace

from grove_sm.domain import Bounty
from grove_sm.domain.errors import InsufficientCredits
from models.records import Balance, Records, Step
from models.requests import Call, Grant, Transfer


def grant(records: Records, request: Grant, _call: Call) -> Step:
    """More available."""
    records = _moved(records, request.agent_id, available=request.amount)
    return records, {"balance": records.accounts[request.agent_id]}


def transfer(records: Records, request: Transfer, _call: Call) -> Step:
    """From one agent to another."""
    _require(records, request.from_agent_id, request.amount)
    records = _moved(records, request.from_agent_id, available=-request.amount)
    records = _moved(records, request.to_agent_id, available=request.amount)
    return records, {"balance": balance(records, request.from_agent_id)}


def reserve(records: Records, bounty: Bounty) -> Records:
    """A bounty's amount, set aside."""
    creator = bounty.creator.agent_id
    _require(records, creator, bounty.amount)
    return _moved(records, creator, available=-bounty.amount, reserved=bounty.amount)


def capture(records: Records, bounty: Bounty) -> Records:
    """A bounty's amount, paid to its claimant."""
    assert bounty.claimed_by is not None
    records = _moved(records, bounty.creator.agent_id, reserved=-bounty.amount)
    return _moved(records, bounty.claimed_by.agent_id, available=bounty.amount)


def void(records: Records, bounty: Bounty) -> Records:
    """A bounty's amount, given back; of a draft there is none."""
    if bounty.reservation_id is None:
        return records
    creator = bounty.creator.agent_id
    return _moved(records, creator, available=bounty.amount, reserved=-bounty.amount)


def balance(records: Records, agent_id: str) -> Balance:
    """An agent's account."""
    return records.accounts.get(agent_id, Balance())


def _require(records: Records, agent_id: str, amount: int) -> None:
    available = balance(records, agent_id).available
    if available < amount:
        raise InsufficientCredits(agent_id=agent_id, needed=amount, available=available)


def _moved(records: Records, agent_id: str, *, available: int = 0, reserved: int = 0) -> Records:
    before = balance(records, agent_id)
    after = Balance(before.available + available, before.reserved + reserved)
    assert min(after) >= 0, f"a negative balance: {after}"
    accounts = {**records.accounts, agent_id: after}
    # Who never had anything and who has nothing look the same.
    if after == Balance():
        del accounts[agent_id]
    return replace(records, accounts=accounts)
