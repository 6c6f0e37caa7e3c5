"""A key has one effect and one result, whoever asks again (Grove protocol, section 7)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from grove_sm import Agent, Contributed, Grove, GroveError, InsufficientCredits, StateConflict
from tests.groves import CODER, REVIEWER, SPONSOR, Clock, Names, open_files

DAY = 24 * 60 * 60
CRITERIA = {"description": "p99 below 5 ms"}


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


def claim_bounty(grove: Grove, key: str = "k", **changes: Any) -> object:
    arguments = {"bounty_id": grove.bounties.list()[0].bounty_id, "agent": CODER, **changes}
    return grove.claim_bounty(arguments.pop("bounty_id"), **arguments, idempotency_key=key)


Operation = Callable[..., object]
OPERATIONS: dict[Operation, dict[str, Any]] = {
    contribute: {
        "kind": "plan",
        "mode": "exploration",
        "summary": "another",
        "description": "d",
        "artifacts": {"a": "blake3:" + "0" * 64},
        "scores": {"p99": {"value": 1, "direction": "minimize"}},
        "tags": ["t"],
        "context": {"a": 1},
        "created_at": "2026-01-01T00:00:00Z",
        "agent": Agent(agent_id="coder-2", role="coder"),
    },
    grant: {"amount": 1001},
    create_bounty: {
        "title": "another",
        "amount": 11,
        "criteria": {"description": "d"},
        "description": "d",
        "deadline": "2026-01-05T00:00:00Z",
        "zone_id": "z",
        "context": {"a": 1},
    },
    claim: {
        "target_ref": "file:b",
        "intent_summary": "j",
        "lease_seconds": 60.0,
        "context": {"a": 1},
        "agent": Agent(agent_id="coder-2", role="coder"),
    },
    claim_bounty: {
        "intent_summary": "j",
        "lease_seconds": 60.0,
        "context": {"a": 1},
        "agent": Agent(agent_id="coder-2", role="coder"),
    },
}
WIRE_NAMES = {
    "created_at": "createdAt",
    "target_ref": "targetRef",
    "intent_summary": "intentSummary",
    "lease_seconds": "leaseSeconds",
    "zone_id": "zoneId",
}


@pytest.fixture
def grove(memory_grove: Grove) -> Grove:
    """With credits and a bounty."""
    memory_grove.grant_credits(SPONSOR.agent_id, 1000)
    memory_grove.create_bounty(title="b", amount=10, criteria=CRITERIA, agent=SPONSOR)
    return memory_grove


def everything(grove: Grove) -> object:
    with grove.coordinator.snapshots() as views:
        return {name: list(view.scan(name)) for name, view in views.items()}


def name(value: object) -> str:
    return getattr(value, "__name__", str(value))


@pytest.mark.parametrize("operation", OPERATIONS, ids=name)
def test_a_retry_has_the_same_result_and_no_effect(
    grove: Grove, clock: Clock, operation: Operation
) -> None:
    first = operation(grove)
    before = everything(grove)
    clock.advance(3600)
    assert operation(grove) == first
    assert everything(grove) == before


@pytest.mark.parametrize("operation", OPERATIONS, ids=name)
def test_a_retry_after_a_restart_has_the_same_result(
    tmp_path: Path, clock: Clock, names: Names, operation: Operation
) -> None:
    with open_files(tmp_path, clock, names) as grove:
        grove.grant_credits(SPONSOR.agent_id, 1000)
        grove.create_bounty(title="b", amount=10, criteria=CRITERIA, agent=SPONSOR)
        first = operation(grove)
        before = everything(grove)
    clock.advance(DAY - 1)
    with open_files(tmp_path, clock, names) as grove:
        assert operation(grove) == first
        assert everything(grove) == before


@pytest.mark.parametrize(
    ("operation", "field", "value"),
    [(o, field, value) for o, changes in OPERATIONS.items() for field, value in changes.items()],
    ids=name,
)
def test_another_request_under_the_key_names_what_differs(
    grove: Grove, operation: Operation, field: str, value: object
) -> None:
    operation(grove)
    before = everything(grove)
    with pytest.raises(StateConflict) as caught:
        operation(grove, **{field: value})
    assert "'k'" in caught.value.record
    differing = caught.value.reason.rpartition("differs in ")[2].split(", ")
    expected = {WIRE_NAMES.get(field, field)}
    # A bounty's description is its title where none is given.
    assert set(differing) - {"description"} == expected - {"description"} or (
        set(differing) == expected
    )
    assert everything(grove) == before


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
