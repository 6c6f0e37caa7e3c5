"""Each error says what it is about, crosses process borders, and has a JSON form."""

import copy
import inspect
import json
import pickle
from typing import Any

import pytest

from grove_sm.domain import errors
from grove_sm.domain.errors import (
    ABSENT,
    ClaimConflict,
    Corrupt,
    GroveError,
    InDoubt,
    InsufficientCredits,
    NotFound,
    OutcomeUnknown,
    StateConflict,
    StoreUnavailable,
    ValidationError,
    shorten,
)

EXAMPLES: list[tuple[GroveError, str, dict[str, Any]]] = [
    (
        ValidationError(field="tags[3]", rule="must be a string", value=5),
        "VALIDATION_ERROR",
        {"field": "tags[3]", "rule": "must be a string", "value": "5"},
    ),
    (
        NotFound(record="contribution x", reason="a relation names it"),
        "NOT_FOUND",
        {"record": "contribution x", "reason": "a relation names it"},
    ),
    (
        StateConflict(record="claim c1", reason="it has run out"),
        "STATE_CONFLICT",
        {"record": "claim c1", "reason": "it has run out"},
    ),
    (
        ClaimConflict(target_ref="t", holder="a1", claim_id="c1", lease_expires_at="2026"),
        "CLAIM_CONFLICT",
        {"targetRef": "t", "holder": "a1", "claimId": "c1", "leaseExpiresAt": "2026"},
    ),
    (
        InsufficientCredits(agent_id="a1", needed=5, available=3),
        "INSUFFICIENT_CREDITS",
        {"agentId": "a1", "needed": 5, "available": 3},
    ),
    (
        StoreUnavailable(store="store claims", reason="disk full"),
        "STORE_UNAVAILABLE",
        {"store": "store claims", "reason": "disk full"},
    ),
    (
        InDoubt(record="target t", txid="x1", coordinator=7),
        "IN_DOUBT",
        {"record": "target t", "txid": "x1", "coordinator": 7},
    ),
    (
        OutcomeUnknown(txid="x1", reason="acknowledgement lost"),
        "OUTCOME_UNKNOWN",
        {"txid": "x1", "reason": "acknowledgement lost"},
    ),
    (
        Corrupt(what="contribution x", where="a.db", reason="CID differs"),
        "CORRUPT",
        {"what": "contribution x", "where": "a.db", "reason": "CID differs"},
    ),
]


def test_every_error_has_an_example() -> None:
    defined = {
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, GroveError) and kind is not GroveError
    }
    assert defined == {type(error) for error, _, _ in EXAMPLES}
    assert len({code for _, code, _ in EXAMPLES}) == len(EXAMPLES)


@pytest.mark.parametrize(
    ("error", "code", "facts"), EXAMPLES, ids=[code for _, code, _ in EXAMPLES]
)
def test_error(error: GroveError, code: str, facts: dict[str, Any]) -> None:
    assert error.code == code
    assert error.to_document() == {"code": code, "message": str(error), "facts": facts}
    assert json.dumps(error.to_document())
    for fact in facts.values():
        assert str(fact) in error.message
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301
        assert type(twin) is type(error)
        assert twin.to_document() == error.to_document()
        assert vars(twin) == vars(error)


def test_base_error() -> None:
    assert GroveError("something").to_document() == {
        "code": "GROVE_ERROR",
        "message": "something",
        "facts": {},
    }


def test_notes_survive_a_process_border() -> None:
    error = NotFound(record="claim c1")
    error.add_note("seen twice")
    twin = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert twin.__notes__ == ["seen twice"]
    assert "seen twice" not in json.dumps(twin.to_document())
    assert twin.message == "claim c1 was not found"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (ABSENT, "nothing"),
        (None, "None"),
        ("x", "'x'"),
        ([], "[]"),
        ([1] * 10**6, "list of 1000000"),
        ({"a": 1}, "dict of 1"),
        (10**5000, "an integer of 16610 bits"),
        (object(), "an object of type object"),
        (0.5, "0.5"),
    ],
    ids=range(9),
)
def test_values_are_shown_short(value: object, shown: str) -> None:
    assert shorten(value) == shown


@pytest.mark.parametrize("value", ["x" * 10**6, b"x" * 10**6, "\n" * 81, "\U0001f600" * 1000])
def test_long_text_is_cut(value: str | bytes) -> None:
    assert len(shorten(value)) == 80
    assert shorten(value).endswith("...")
