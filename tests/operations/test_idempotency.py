"""A key has one effect and one result, whoever asks again (Grove protocol, section 7)."""

import inspect
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from grove_sm import Agent, Contributed, Grove, GroveError, InsufficientCredits, StateConflict
from grove_sm.calls.contributing import ANSWERS
from tests.groves import CODER, REVIEWER, SPONSOR, Clock, Names, open_files
from tests.keyed import CRITERIA, KEYED, Keyed

DAY = 24 * 60 * 60


def contribute(grove: Grove, key: str = "k", **changes: Any) -> Contributed:
    return grove.contribute(
        **{"kind": "work", "summary": "s", "agent": CODER, "idempotency_key": key, **changes}
    )


def grant(grove: Grove, key: str = "k", **changes: Any) -> object:
    arguments = {"agent_id": SPONSOR.agent_id, "amount": 1000, **changes}
    return grove.grant_credits(**arguments, idempotency_key=key)


def create_bounty(grove: Grove, key: str = "k", **changes: Any) -> object:
    arguments = {"title": "t", "amount": 10, "criteria": CRITERIA, "agent": SPONSOR, **changes}
    return grove.create_bounty(**arguments, idempotency_key=key)


def claim(grove: Grove, key: str = "k", **changes: Any) -> object:
    arguments = {"target_ref": "file:a", "agent": CODER, "intent_summary": "i", **changes}
    return grove.claim(arguments.pop("target_ref"), **arguments, idempotency_key=key)


def test_every_operation_that_takes_a_key_is_tested() -> None:
    taking = {
        name
        for name, method in inspect.getmembers(Grove, inspect.isfunction)
        if not name.startswith("_") and "idempotency_key" in inspect.signature(method).parameters
    } - {"picking_up"}  # what pick_up is made of
    # Contribute's family passes it on.
    assert taking | set(ANSWERS) == {keyed.name for keyed in KEYED}
    for keyed in KEYED:
        parameters = inspect.signature(getattr(Grove, keyed.name)).parameters
        # Another owner of a key has another key; how long one waits is no part of a request.
        beside = {"self", "idempotency_key", "fields", "wait", "agent", "agent_id", "from_agent_id"}
        assert set(parameters) - beside <= set(keyed.others), keyed.name


@pytest.fixture
def grove(memory_grove: Grove) -> Grove:
    """With credits and a bounty."""
    memory_grove.grant_credits(SPONSOR.agent_id, 1000)
    memory_grove.create_bounty(title="b", amount=10, criteria=CRITERIA, agent=SPONSOR)
    return memory_grove


def everything(grove: Grove) -> object:
    with grove.coordinator.snapshots() as views:
        return {name: list(view.scan(name)) for name, view in views.items()}


@pytest.mark.parametrize("keyed", KEYED, ids=lambda keyed: keyed.name)
def test_a_retry_has_the_same_result_and_no_effect(
    memory_grove: Grove, clock: Clock, keyed: Keyed
) -> None:
    arguments = keyed.prepare(memory_grove)
    first = keyed.call(memory_grove, arguments, "k")
    before = everything(memory_grove)
    clock.advance(3600)
    assert keyed.call(memory_grove, arguments, "k") == first
    assert everything(memory_grove) == before


@pytest.mark.parametrize("keyed", KEYED, ids=lambda keyed: keyed.name)
def test_a_retry_after_a_restart_has_the_same_result(
    tmp_path: Path, clock: Clock, names: Names, keyed: Keyed
) -> None:
    with open_files(tmp_path, clock, names) as grove:
        arguments = keyed.prepare(grove)
        first = keyed.call(grove, arguments, "k")
        before = everything(grove)
    clock.advance(DAY - 1)
    with open_files(tmp_path, clock, names) as grove:
        assert keyed.call(grove, arguments, "k") == first
        assert everything(grove) == before


@pytest.mark.parametrize(
    ("keyed", "argument"),
    [(keyed, argument) for keyed in KEYED for argument in keyed.others],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_another_request_under_the_key_names_what_differs(
    memory_grove: Grove, keyed: Keyed, argument: str
) -> None:
    other = keyed.others[argument]
    arguments = keyed.prepare(memory_grove)
    keyed.call(memory_grove, arguments, "k")
    before = everything(memory_grove)
    with pytest.raises(StateConflict) as caught:
        keyed.call(memory_grove, arguments, "k", **{argument: other.value})
    assert caught.value.message == (
        f"idempotency key 'k': it was used for another request, which differs in {other.field}"
    )
    assert everything(memory_grove) == before


def test_several_differences_are_all_named(grove: Grove) -> None:
    contribute(grove)
    with pytest.raises(StateConflict) as caught:
        contribute(grove, summary="another", tags=["t"], kind="plan")
    assert caught.value.reason.endswith("differs in kind, summary, tags")


def test_another_operation_under_the_key_is_another_request(grove: Grove) -> None:
    contribute(grove)
    with pytest.raises(StateConflict) as caught:
        claim(grove)
    assert "operation" in caught.value.reason


@pytest.mark.parametrize(
    ("agent", "is_shared"),
    [
        (Agent(agent_id="coder-1", role="coder"), True),
        (Agent(agent_id="coder-1", role="reviewer"), False),
        (Agent(agent_id="coder-1"), False),
        (Agent(agent_id="coder"), False),
        (Agent(agent_id="x", role="coder:k"), False),
    ],
)
def test_a_key_belongs_to_the_role_or_without_one_to_the_agent(
    grove: Grove, agent: Agent, is_shared: bool
) -> None:
    first = contribute(grove)
    if is_shared:
        assert contribute(grove, agent=agent) == first
    else:
        assert contribute(grove, agent=agent).cid != first.cid


def test_agents_of_one_role_share_their_keys(grove: Grove) -> None:
    contribute(grove)
    with pytest.raises(StateConflict) as caught:
        contribute(grove, agent=Agent(agent_id="coder-2", role="coder"))
    assert caught.value.reason.endswith("differs in agent")


@pytest.mark.parametrize(("age", "is_kept"), [(DAY - 0.001, True), (DAY, False)])
def test_a_key_is_kept_for_a_day(grove: Grove, clock: Clock, age: float, is_kept: bool) -> None:
    first = grant(grove)
    clock.advance(age)
    assert (grant(grove) == first) is is_kept


def test_a_refused_request_leaves_its_key_free(grove: Grove) -> None:
    with pytest.raises(InsufficientCredits):
        create_bounty(grove, amount=100_000)
    create_bounty(grove, amount=10)


def test_without_a_key_each_call_is_its_own(grove: Grove) -> None:
    assert grove.grant_credits("a", 5).available == 5
    assert grove.grant_credits("a", 5).available == 10


def test_one_who_finds_it_done_already_has_a_key_too(grove: Grove) -> None:
    """The same manifest, first without a key, then with one: recorded, though nothing changed."""
    at = "2026-01-01T00:00:00Z"
    first = contribute(grove, created_at=at)
    again = contribute(grove, "k2", created_at=at)
    assert again.duplicate
    assert contribute(grove, "k2", created_at=at) == again
    assert again.cid == first.cid
    with pytest.raises(StateConflict):
        contribute(grove, "k2", summary="another", created_at=at)


@pytest.mark.parametrize("kind", ["one", "four"])
def test_requests_at_once_under_one_key_have_one_effect(
    tmp_path: Path, clock: Clock, names: Names, kind: str
) -> None:
    """Threads of one coordinator, and of several."""
    groves = [open_files(tmp_path, clock, names) for _ in range(4 if kind == "four" else 1)]
    callers = 8

    def call(number: int) -> object:
        try:
            return grant(groves[number % len(groves)], amount=7)
        except GroveError as error:
            return error

    with ThreadPoolExecutor(callers) as pool:
        results = list(pool.map(call, range(callers)))
    assert all(result == results[0] for result in results), results
    assert groves[0].credits.balance(SPONSOR.agent_id).available == 7
    for grove in groves:
        grove.close()


def test_a_reviewers_key_is_not_a_coders(grove: Grove) -> None:
    assert claim(grove) != claim(grove, agent=REVIEWER, target_ref="file:b")
