"""What holds for every record, and what is particular to a few."""

import copy
import json
import pickle
from typing import Any

import pydantic
import pytest

from grove_sm.domain import (
    Account,
    Agent,
    Bounty,
    Claim,
    Contribution,
    Criteria,
    Handoff,
    Record,
    Reservation,
    Score,
    parse_time,
)
from grove_sm.domain.errors import ValidationError
from grove_sm.domain.frozen import FrozenDict, FrozenList

from .samples import BOUNTY, CID, CONTRIBUTION, DEFAULTS, MISSING, NOW, OPTIONAL, SAMPLES, changed

every_record = pytest.mark.parametrize(
    ("record", "sample"), SAMPLES.items(), ids=[record.__name__ for record in SAMPLES]
)


def attributes(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in type(record).model_fields}


def assert_immutable(value: Any) -> None:
    if isinstance(value, Record):
        with pytest.raises(pydantic.ValidationError):
            setattr(value, next(iter(type(value).model_fields)), "x")
        for part in attributes(value).values():
            assert_immutable(part)
    elif isinstance(value, list):
        assert type(value) is FrozenList
        for item in value:
            assert_immutable(item)
    elif isinstance(value, dict):
        assert type(value) is FrozenDict
        for item in value.values():
            assert_immutable(item)
    else:
        assert value is None or type(value) in (str, int, float, bool)


def test_every_record_has_a_sample() -> None:
    in_domain = {kind for kind in Record.__subclasses__() if ".domain." in kind.__module__}
    assert in_domain == set(SAMPLES)


@every_record
def test_samples_hold_every_field(record: type[Record], sample: dict[str, Any]) -> None:
    computed = {"cid"} if record is Contribution else set()
    assert len(record.model_fields) == len(sample.keys() | computed)


@every_record
def test_documents_and_texts_come_back(record: type[Record], sample: dict[str, Any]) -> None:
    made = record.from_document(sample)
    document = made.to_document()
    assert {name: value for name, value in document.items() if name != "cid"} == sample
    assert record.from_document(document) == made
    text = made.to_json()
    assert "\n" not in text
    assert json.loads(text) == document
    assert record.from_document(json.loads(text)).to_json() == text


@every_record
def test_keywords_make_the_same_record(record: type[Record], sample: dict[str, Any]) -> None:
    made = record.from_document(sample)
    assert record(**attributes(made)) == made
    assert made.replace() == made
    assert hash(made.replace()) == hash(made)


@every_record
def test_copies_are_equal(record: type[Record], sample: dict[str, Any]) -> None:
    made = record.from_document(sample)
    for twin in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made), copy.copy(made)):  # noqa: S301
        assert twin == made
        assert twin.to_json() == made.to_json()
        assert_immutable(twin)


@every_record
def test_records_are_deeply_immutable_and_own_their_values(
    record: type[Record], sample: dict[str, Any]
) -> None:
    given = copy.deepcopy(sample)
    made = record.from_document(given)
    assert_immutable(made)
    for value in given.values():
        if isinstance(value, dict | list):
            value.clear()
    given.clear()
    assert made == record.from_document(sample)
    document = made.to_document()
    document.clear()
    assert made.to_document() == record.from_document(sample).to_document()


@every_record
def test_optional_fields_are_left_out(record: type[Record], sample: dict[str, Any]) -> None:
    absent = OPTIONAL.get(record, frozenset())
    made = record.from_document({k: v for k, v in sample.items() if k not in absent})
    assert not absent & made.to_document().keys()
    full = record.from_document(sample)
    if record is not Contribution:
        nothing = {name: None for name, wire in made._wire_names.items() if wire in absent}
        assert full.replace(**nothing) == made


@pytest.mark.parametrize("record", DEFAULTS, ids=lambda record: str(record.__name__))
def test_defaults(record: type[Record]) -> None:
    defaults = DEFAULTS[record]
    made = record.from_document({k: v for k, v in SAMPLES[record].items() if k not in defaults})
    assert {name: made.to_document()[name] for name in defaults} == defaults
    assert_immutable(made)
    assert record.from_document(made.to_document()) == made


def test_values_equal_the_plain_ones_given() -> None:
    made = Contribution.from_document(CONTRIBUTION)
    assert made.tags == ["b", "a"]
    assert made.context == CONTRIBUTION["context"]
    assert made.artifacts == {"src/main.py": CID}
    assert json.loads(json.dumps(made.context)) == CONTRIBUTION["context"]


def test_keywords_take_records_tuples_and_none() -> None:
    agent = Agent(agent_id="a1", role=None)
    made = Contribution(
        kind="work", summary="s", agent=agent, tags=("b", "a"), created_at=NOW, context=None
    )
    assert made == Contribution.from_document(
        {
            "kind": "work",
            "summary": "s",
            "agent": {"agentId": "a1"},
            "tags": ["b", "a"],
            "createdAt": NOW,
        }
    )


def test_keywords_raise_our_error() -> None:
    with pytest.raises(ValidationError, match="agentId is required"):
        Agent()  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="agentId is required"):
        Agent(agent_id=None)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="agentName must have at least 1 character"):
        Agent(agent_id="a", agent_name="")
    with pytest.raises(ValidationError, match="extra is not a field"):
        Agent(agent_id="a", extra=1)  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="revision must be at least 1"):
        Claim.from_document(SAMPLES[Claim]).replace(revision=0)


def test_times_other_than_of_a_manifest_are_normalised() -> None:
    times = {"createdAt": "2026-01-02T05:34:05.6789+02:30", "replyDueAt": parse_time(NOW)}
    made = Handoff.from_document(changed(SAMPLES[Handoff], **times))
    assert (made.created_at, made.reply_due_at) == (NOW, NOW)


def test_a_contribution_keeps_its_canonical_manifest() -> None:
    made = Contribution.from_document(CONTRIBUTION)
    assert json.loads(made.manifest()) == CONTRIBUTION
    assert list(json.loads(made.manifest())) == sorted(CONTRIBUTION)
    assert made.to_json() == f'{{"cid":"{made.cid}",{made.manifest().decode()[1:]}'
    with pytest.raises(ValidationError, match="cid must be the CID of the other fields"):
        made.replace(summary="t")


def test_a_new_reservation_is_held() -> None:
    left_out = changed(SAMPLES[Reservation], status=MISSING, capturedTo=MISSING)
    assert Reservation.from_document(left_out).status == "held"


def test_account_total() -> None:
    assert Account(agent_id="a", available=5, reserved=2).total == 7


@pytest.mark.parametrize("status", ["expired", "cancelled"])
def test_an_ended_bounty_may_keep_its_claimant(status: str) -> None:
    kept = Bounty.from_document(changed(BOUNTY, status=status))
    assert kept.claim_id == "c1"
    without = changed(BOUNTY, status=status, claimedBy=MISSING, claimId=MISSING)
    assert Bounty.from_document(without).claim_id is None


@pytest.mark.parametrize(
    ("criteria", "tags", "p99", "met"),
    [
        (Criteria(description="any"), [], None, True),
        (Criteria(description="d", required_tags=["a", "b"]), ["b", "c", "a"], None, True),
        (Criteria(description="d", required_tags=["a", "b"]), ["a"], None, False),
        (Criteria(description="d", metric_name="p99"), [], None, True),
        (Criteria(description="d", metric_name="p99", metric_threshold=5), [], 5, True),
        (Criteria(description="d", metric_name="p99", metric_threshold=5), [], 4.9, True),
        (Criteria(description="d", metric_name="p99", metric_threshold=5), [], 5.1, False),
        (Criteria(description="d", metric_name="p99", metric_threshold=5), [], None, False),
        (Criteria(description="d", metric_name="qps", metric_threshold=5), [], 5, False),
        (
            Criteria(
                description="d", metric_name="p99", metric_threshold=0, metric_direction="maximize"
            ),
            [],
            0,
            True,
        ),
        (
            Criteria(
                description="d", metric_name="p99", metric_threshold=0, metric_direction="maximize"
            ),
            [],
            -0.1,
            False,
        ),
        (
            Criteria(description="d", metric_name="p99", metric_threshold=5, required_tags=["a"]),
            [],
            1,
            False,
        ),
    ],
)
def test_criteria(criteria: Criteria, tags: list[str], p99: float | None, met: bool) -> None:
    scores = None if p99 is None else {"p99": Score(value=p99, direction="maximize")}
    contribution = Contribution(
        kind="work",
        summary="s",
        agent=Agent(agent_id="a"),
        tags=tags,
        scores=scores,
        created_at=NOW,
    )
    assert criteria.met_by(contribution) is met
