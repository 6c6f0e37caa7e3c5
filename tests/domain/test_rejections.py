"""Every input that the protocol forbids is refused, naming the field and the rule."""

import math
from typing import Any, NamedTuple

import pytest

from grove_sm.domain import (
    Account,
    Agent,
    Bounty,
    Claim,
    Contribution,
    Criteria,
    Grant,
    Handoff,
    Record,
    Relation,
    Reservation,
    Score,
    Transfer,
)
from grove_sm.domain.errors import ValidationError

from .samples import CID, DEFAULTS, MISSING, OPTIONAL, SAMPLES, changed


class Case(NamedTuple):
    """Setting `given` in the sample breaks the rule of `field` that `words` tells."""

    record: type[Record]
    given: dict[str, Any]
    field: str
    words: str


def text_limits(record: type[Record], name: str, least: int, most: int) -> list[Case]:
    cases = [
        Case(record, {name: "x" * (most + 1)}, name, f"at most {most} characters"),
        Case(record, {name: 5}, name, "must be a string"),
        Case(record, {name: "\ud800"}, name, "lone surrogate"),
    ]
    return cases + [Case(record, {name: ""}, name, "at least 1 character")] * least


def no_cid(record: type[Record], name: str) -> list[Case]:
    given = ["blake3:" + "0" * 63, CID.upper(), CID[7:], "sha256:" + "0" * 64, CID + "\n", "", 5]
    return [Case(record, {name: value}, name, "must be a CID") for value in given]


def no_time(record: type[Record], name: str) -> list[Case]:
    return [
        Case(record, {name: "2026-01-01T00:00:00"}, name, "zone"),
        Case(record, {name: "yesterday"}, name, "a time such as"),
        Case(record, {name: "2026-02-30T00:00:00Z"}, name, "exists"),
        Case(record, {name: 0}, name, "a time such as"),
    ]


def no_choice(record: type[Record], name: str) -> list[Case]:
    return [Case(record, {name: value}, name, "must be one of") for value in ("", "WORK", 1, True)]


def no_integer(record: type[Record], name: str, least: int) -> list[Case]:
    return [
        Case(record, {name: least - 1}, name, f"at least {least}"),
        Case(record, {name: True}, name, "must be an integer"),
        Case(record, {name: 1.5}, name, "must be an integer"),
        Case(record, {name: "1"}, name, "must be an integer"),
        Case(record, {name: 2**53}, name, "at most 9007199254740991"),
    ]


def no_agent(record: type[Record], name: str) -> list[Case]:
    return [
        Case(record, {name: "a1"}, name, "must be an object"),
        Case(record, {name: {}}, f"{name}.agentId", "is required"),
        Case(record, {name: {"agentId": "a", "agent_id": "a"}}, f"{name}.agent_id", "not a field"),
        Case(record, {name: {"agentId": "a", "role": None}}, f"{name}.role", "never null"),
    ]


def no_context(record: type[Record], name: str) -> list[Case]:
    return [
        Case(record, {name: []}, name, "must be an object"),
        Case(record, {name: {str(i): i for i in range(101)}}, name, "at most 100"),
        Case(record, {name: {"a": [1, math.nan]}}, f"{name}.a[1]", "finite number"),
        Case(record, {name: {"a": -math.inf}}, f"{name}.a", "finite number"),
        Case(record, {name: {"a": 10**400}}, f"{name}.a", "beyond the largest double"),
        Case(record, {name: {"a": "\udead"}}, f"{name}.a", "lone surrogate"),
        Case(record, {name: {1: 1}}, name, "strings as object keys"),
        Case(record, {name: {"a": {"b": {1, 2}}}}, f"{name}.a.b", "must be a JSON value"),
        Case(record, {name: {"a": (1, 2)}}, f"{name}.a", "must be a JSON value"),
        Case(record, {name: {"a": b""}}, f"{name}.a", "must be a JSON value"),
    ]


def no_tags(record: type[Record], name: str) -> list[Case]:
    return [
        Case(record, {name: "abc"}, name, "must be a list"),
        Case(record, {name: ["a", "b", "a"]}, f"{name}[2]", "must not repeat"),
        Case(record, {name: ["a", ""]}, f"{name}[1]", "at least 1 character"),
        Case(record, {name: ["x" * 129]}, f"{name}[0]", "at most 128 characters"),
        Case(record, {name: ["a", None]}, f"{name}[1]", "must be a string"),
        Case(record, {name: [str(i) for i in range(101)]}, name, "at most 100"),
    ]


RELATION = {"targetCid": CID, "relationType": "reviews"}
SCORE = {"value": 1, "direction": "minimize"}

SECTION_1 = [
    *text_limits(Agent, "agentId", 1, 256),
    *text_limits(Agent, "agentName", 1, 256),
    *text_limits(Agent, "provider", 0, 128),
    *text_limits(Agent, "model", 0, 128),
    *text_limits(Agent, "platform", 0, 128),
    *text_limits(Agent, "version", 0, 128),
    *text_limits(Agent, "toolchain", 0, 128),
    *text_limits(Agent, "runtime", 0, 128),
    *text_limits(Agent, "role", 0, 128),
    *[Case(Score, {"value": v}, "value", "finite number") for v in (math.nan, math.inf, True, "1")],
    Case(Score, {"value": 10**400}, "value", "beyond the largest double"),
    *no_choice(Score, "direction"),
    *text_limits(Score, "unit", 0, 64),
]

SECTION_2 = [
    *no_cid(Contribution, "cid"),
    Case(Contribution, {"cid": CID}, "cid", "the CID of the other fields"),
    *[Case(Contribution, {"manifestVersion": v}, "manifestVersion", "must be 1") for v in (0, 2)],
    Case(Contribution, {"manifestVersion": True}, "manifestVersion", "must be 1"),
    Case(Contribution, {"manifestVersion": "1"}, "manifestVersion", "must be 1"),
    *no_choice(Contribution, "kind"),
    *no_choice(Contribution, "mode"),
    *text_limits(Contribution, "summary", 1, 256),
    *text_limits(Contribution, "description", 0, 65_536),
    Case(Contribution, {"artifacts": []}, "artifacts", "must be an object"),
    Case(Contribution, {"artifacts": {str(i): CID for i in range(1001)}}, "artifacts", "most 1000"),
    Case(Contribution, {"artifacts": {"a": "x"}}, "artifacts.a", "must be a CID"),
    Case(Contribution, {"artifacts": {"a": None}}, "artifacts.a", "must be a CID"),
    *[
        Case(Contribution, {"artifacts": {name: CID}}, f'artifacts["{shown}"]', words)
        for name, shown, words in (
            ("", "", "1 to 256 characters"),
            (".hidden", ".hidden", "begins with a letter or digit"),
            ("/etc/passwd", "/etc/passwd", "begins with a letter or digit"),
            ("../x", "../x", "begins with a letter or digit"),
            ("a/../x", "a/../x", "'..' path part"),
            ("a/..", "a/..", "'..' path part"),
            ("a\\b", "a\\b", "holds only"),
            ("a\n", "a\n", "holds only"),
            ("caf\u00e9", "caf\u00e9", "holds only"),
            ("x" * 257, "x" * 64 + "...", "1 to 256 characters"),
        )
    ],
    Case(Contribution, {"relations": {}}, "relations", "must be a list"),
    Case(Contribution, {"relations": [RELATION] * 1001}, "relations", "at most 1000"),
    Case(Contribution, {"relations": [CID]}, "relations[0]", "must be an object"),
    Case(
        Contribution,
        {"relations": [RELATION, {**RELATION, "targetCid": "x"}]},
        "relations[1].targetCid",
        "must be a CID",
    ),
    Case(
        Contribution,
        {"relations": [{**RELATION, "metadata": {"a": [0, {"b": math.nan}]}}]},
        "relations[0].metadata.a[1].b",
        "finite number",
    ),
    *no_cid(Relation, "targetCid"),
    *no_choice(Relation, "relationType"),
    *no_context(Relation, "metadata"),
    Case(Contribution, {"scores": []}, "scores", "must be an object"),
    Case(Contribution, {"scores": {str(i): SCORE for i in range(101)}}, "scores", "at most 100"),
    Case(Contribution, {"scores": {"p": {"value": 1}}}, "scores.p.direction", "is required"),
    Case(Contribution, {"scores": {"p": {**SCORE, "unit": None}}}, "scores.p.unit", "never null"),
    *no_tags(Contribution, "tags"),
    *no_context(Contribution, "context"),
    *no_agent(Contribution, "agent"),
    *no_time(Contribution, "createdAt"),
]

SECTION_3 = [
    *no_cid(Handoff, "sourceCid"),
    *text_limits(Handoff, "fromRole", 0, 128),
    *text_limits(Handoff, "toRole", 0, 128),
    *no_choice(Handoff, "status"),
    Case(Handoff, {"requiresReply": 1}, "requiresReply", "must be true or false"),
    *no_time(Handoff, "replyDueAt"),
    *no_cid(Handoff, "resolvedByCid"),
    Case(Handoff, {"resolvedByCid": MISSING}, "resolvedByCid", "required when the status is repl"),
    *[
        Case(Handoff, {"status": status}, "resolvedByCid", f"absent when the status is {status}")
        for status in ("pending_pickup", "delivered", "processed", "expired", "dead_lettered")
    ],
    *no_time(Handoff, "createdAt"),
]

SECTION_4 = [
    *text_limits(Claim, "targetRef", 1, 1024),
    *no_agent(Claim, "agent"),
    *no_choice(Claim, "status"),
    *text_limits(Claim, "intentSummary", 1, 1024),
    *no_time(Claim, "createdAt"),
    *no_time(Claim, "heartbeatAt"),
    *no_time(Claim, "leaseExpiresAt"),
    *no_context(Claim, "context"),
    *no_integer(Claim, "attemptCount", 0),
    *no_integer(Claim, "revision", 1),
]

SECTION_5 = [
    *[Case(Bounty, {"title": blank}, "title", "blank") for blank in ("", "  ", "\t\n", "\u3000")],
    *no_choice(Bounty, "status"),
    *no_agent(Bounty, "creator"),
    *no_integer(Bounty, "amount", 1),
    Case(Bounty, {"criteria": "fast"}, "criteria", "must be an object"),
    Case(Bounty, {"criteria": {}}, "criteria.description", "is required"),
    Case(
        Bounty,
        {"criteria": {"description": "d", "metricThreshold": 1}},
        "criteria.metricName",
        "is required when there is a metricThreshold",
    ),
    *no_time(Bounty, "deadline"),
    *no_agent(Bounty, "claimedBy"),
    *no_cid(Bounty, "fulfilledByCid"),
    *no_context(Bounty, "context"),
    *no_time(Bounty, "createdAt"),
    *no_time(Bounty, "updatedAt"),
    *[
        Case(Bounty, {"status": status, name: MISSING}, name, "is required when the status is")
        for status in ("claimed", "completed", "settled")
        for name in ("claimedBy", "claimId")
    ],
    *[
        Case(Bounty, {"status": status, name: MISSING}, other, "must be absent when the status is")
        for status in ("draft", "open")
        for name, other in (("claimedBy", "claimId"), ("claimId", "claimedBy"))
    ],
    *[
        Case(Bounty, {"status": status, name: MISSING}, name, "is required where there is a claim")
        for status in ("expired", "cancelled")
        for name in ("claimedBy", "claimId")
    ],
    Case(Bounty, {"fulfilledByCid": MISSING}, "fulfilledByCid", "required when the status is sett"),
    Case(Criteria, {"metricName": MISSING}, "metricName", "when there is a metricThreshold"),
    Case(Criteria, {"metricThreshold": math.nan}, "metricThreshold", "finite number"),
    Case(Criteria, {"metricThreshold": "5"}, "metricThreshold", "finite number"),
    *no_choice(Criteria, "metricDirection"),
    *no_tags(Criteria, "requiredTags"),
]

SECTION_6 = [
    *text_limits(Account, "agentId", 1, 256),
    *no_integer(Account, "available", 0),
    *no_integer(Account, "reserved", 0),
    *text_limits(Grant, "agentId", 1, 256),
    *no_integer(Grant, "amount", 1),
    *no_time(Grant, "createdAt"),
    *text_limits(Reservation, "agentId", 1, 256),
    *no_integer(Reservation, "amount", 1),
    *no_time(Reservation, "expiresAt"),
    *no_choice(Reservation, "status"),
    Case(Reservation, {"capturedTo": MISSING}, "capturedTo", "required when the status is capt"),
    Case(Reservation, {"status": "held"}, "capturedTo", "absent when the status is held"),
    Case(Reservation, {"status": "voided"}, "capturedTo", "absent when the status is voided"),
    *no_time(Reservation, "createdAt"),
    *text_limits(Transfer, "fromAgentId", 1, 256),
    *text_limits(Transfer, "toAgentId", 1, 256),
    *no_integer(Transfer, "amount", 1),
    *no_time(Transfer, "createdAt"),
]

IDENTIFIERS = [
    Case(record, {name: value}, name, words)
    for record, name in (
        (Handoff, "handoffId"),
        (Claim, "claimId"),
        (Bounty, "bountyId"),
        (Bounty, "zoneId"),
        (Bounty, "claimId"),
        (Bounty, "reservationId"),
        (Grant, "grantId"),
        (Reservation, "reservationId"),
        (Transfer, "transferId"),
    )
    for value, words in (("", "at least 1 character"), (5, "must be a string"))
]

UNKNOWN = [Case(record, {"extra": 1}, "extra", "is not a field") for record in SAMPLES]
SNAKE_CASE = [
    Case(record, {"created_at": "2026-01-01T00:00:00Z"}, "created_at", "is not a field")
    for record, sample in SAMPLES.items()
    if "createdAt" in sample
]
NULL = [
    Case(record, {name: None}, name, "never null")
    for record, sample in SAMPLES.items()
    for name in sample
]
# A reservation without a status is held, which the sample's capturedTo contradicts.
LEFT_OUT = [
    Case(record, {name: MISSING}, name, "is required")
    for record, sample in SAMPLES.items()
    for name in sample
    if name not in OPTIONAL.get(record, ()) and name not in DEFAULTS.get(record, ())
    if (record, name) != (Reservation, "status")
]

CASES = [
    *SECTION_1,
    *SECTION_2,
    *SECTION_3,
    *SECTION_4,
    *SECTION_5,
    *SECTION_6,
    *IDENTIFIERS,
    *UNKNOWN,
    *SNAKE_CASE,
    *NULL,
    *LEFT_OUT,
]


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.record.__name__}-{case.field[:24]}"
)
def test_refused(case: Case) -> None:
    with pytest.raises(ValidationError) as caught:
        case.record.from_document(changed(SAMPLES[case.record], **case.given))
    assert caught.value.field == case.field
    assert case.words in caught.value.rule
    assert len(caught.value.message) < 500


@pytest.mark.parametrize("document", [[], None, "x", 5, [("agentId", "a")]])
def test_documents_must_be_objects(document: object) -> None:
    with pytest.raises(ValidationError, match="must be an object"):
        Agent.from_document(document)


@pytest.mark.parametrize("key", [1, None, "\ud800", ("agentId",)])
def test_document_keys_must_be_text(key: object) -> None:
    with pytest.raises(ValidationError):
        Agent.from_document({"agentId": "a", key: 1})


def test_limits_are_inclusive() -> None:
    for case in CASES:
        ((name, value), *_) = case.given.items()
        if isinstance(value, str) and case.words.endswith("characters") and "." not in case.field:
            longest = changed(SAMPLES[case.record], **{name: value[:-1]})
            assert case.record.from_document(longest), case
    fullest = {
        "artifacts": {str(i): CID for i in range(1000)},
        "relations": [RELATION] * 1000,
        "scores": {str(i): SCORE for i in range(100)},
        "tags": [f"{i:0128}" for i in range(100)],
        "context": {str(i): i for i in range(100)},
    }
    assert Contribution.from_document(changed(SAMPLES[Contribution], **fullest))
    assert Contribution.from_document(
        changed(SAMPLES[Contribution], artifacts={"a" * 256: CID, "0..a/b ..c/_-.": CID})
    )
