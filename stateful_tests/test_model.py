"""The reference model by itself: what is unknown stays so until it is seen."""

import pytest

from grove_sm import Agent
from grove_sm.domain.errors import ClaimConflict
from models.possible import ImpossibleError, Nothing, Possible, Unknown
from models.records import Balance, Records
from models.reference import Reference, World
from models.requests import Call, ClaimTarget, Grant

NOW = "2026-01-01T12:00:00.000Z"
LATER = "2026-01-01T12:00:01.000Z"
REFERENCE = Reference({}, "{} {}".format)


def grant(key: str | None = None) -> Call:
    """Ten credits for one agent."""
    return Call(Grant("coder-1", 10), NOW, ("a-0", "a-1"), key)


def claim(agent: str, now: str = NOW) -> Call:
    """A claim on the one target."""
    request = ClaimTarget("file:a", Agent(agent_id=agent), "rewrite it")
    return Call(request, now, (f"{agent}-0", f"{agent}-1"))


def with_balance(amount: int) -> Records:
    """What readers see of an agent with this much."""
    return Records(accounts={"coder-1": Balance(amount)})


@pytest.mark.parametrize("happened", [False, True])
def test_an_unknown_outcome_is_settled_by_what_is_seen(happened: bool) -> None:
    possible = Possible(REFERENCE)
    possible.heard((grant(), Unknown()))
    assert len(possible.worlds) == 2
    possible.seen(with_balance(10) if happened else Records())
    assert len(possible.worlds) == 1
    with pytest.raises(ImpossibleError, match="accounts coder-1"):
        possible.seen(Records() if happened else with_balance(10))


@pytest.mark.parametrize("happened", [False, True])
def test_an_unknown_outcome_is_settled_by_what_is_told(happened: bool) -> None:
    possible = Possible(REFERENCE)
    possible.heard((grant(), Unknown("tx-1")))
    possible.told("tx-1", happened=happened)
    (world,) = possible.worlds
    assert bool(world.records.accounts) is happened
    with pytest.raises(ImpossibleError, match="tx-1"):
        possible.told("tx-1", happened=not happened)


def test_what_was_not_written_is_not_seen() -> None:
    possible = Possible(REFERENCE)
    possible.heard((grant(), Nothing()))
    with pytest.raises(ImpossibleError):
        possible.seen(with_balance(10))


def test_what_was_acknowledged_is_seen() -> None:
    possible = Possible(REFERENCE)
    possible.heard((grant(), {"balance": Balance(10)}))
    with pytest.raises(ImpossibleError):
        possible.seen(Records())


def test_an_answer_that_cannot_be_is_refused() -> None:
    with pytest.raises(ImpossibleError, match="should have been"):
        Possible(REFERENCE).heard((grant(), {"balance": Balance(20)}))


def test_a_key_is_one_effect() -> None:
    world, answer = REFERENCE.apply(World(), grant("k"))
    again, same = REFERENCE.apply(world, grant("k"))
    assert same == answer
    assert again == world


def test_calls_at_once_have_some_order() -> None:
    first, _ = REFERENCE.apply(World(), claim("coder-1"))
    won = {"claim": first.records.claims["claim-coder-1-0"], "renewed": False}
    _, lost = REFERENCE.apply(first, claim("coder-2"))
    assert isinstance(lost, ClaimConflict)
    for order in ((0, 1), (1, 0)):
        possible = Possible(REFERENCE)
        ended = ((claim("coder-1"), won), (claim("coder-2"), lost))
        possible.heard(*(ended[index] for index in order))
        assert len(possible.worlds) == 1
    second, _ = REFERENCE.apply(World(), claim("coder-2"))
    also_won = {"claim": second.records.claims["claim-coder-2-0"], "renewed": False}
    with pytest.raises(ImpossibleError):
        Possible(REFERENCE).heard((claim("coder-1"), won), (claim("coder-2"), also_won))
