"""A refused operation says what is wrong with what, and has changed no byte of any file."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from grove_sm import (
    Agent,
    ClaimConflict,
    Grove,
    GroveError,
    InsufficientCredits,
    NotFound,
    StateConflict,
    ValidationError,
)
from tests.groves import CODER, REVIEWER, SPONSOR, Clock, Names, open_files

CID: Final = "blake3:" + "0" * 64
SURROGATE: Final = "a\ud800b"
NOBODY: Final = Agent(agent_id="nobody-1")
NAN: Final = float("nan")
INFINITY: Final = float("inf")


class Case(NamedTuple):
    """A call that is refused: what it is called with, and the field or record that is named."""

    operation: str
    arguments: dict[str, Any]
    error: type[GroveError]
    named: str


def invalid(operation: str, named: str, **arguments: Any) -> Case:
    return Case(operation, arguments, ValidationError, named)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def relation(**changes: Any) -> list[dict[str, Any]]:
    return [{"targetCid": CID, "relationType": "reviews", **changes}]


SCORE: Final = {"value": 1, "direction": "minimize"}

CONTRIBUTE: Final = (
    invalid("contribute", "kind", kind="worked"),
    invalid("contribute", "kind", kind=""),
    invalid("contribute", "kind", kind=None),
    invalid("contribute", "mode", mode="idle"),
    invalid("contribute", "summary", summary=""),
    invalid("contribute", "summary", summary="x" * 257),
    invalid("contribute", "summary", summary=7),
    invalid("contribute", "summary", summary=b"bytes"),
    invalid("contribute", "summary", summary=SURROGATE),
    invalid("contribute", "description", description="x" * 65_537),
    invalid("contribute", "artifacts", artifacts=[CID]),
    invalid("contribute", "artifacts", artifacts={f"a{n}": CID for n in range(1001)}),
    *(
        invalid("contribute", "artifacts", artifacts={name: CID})
        for name in (
            "",
            "x" * 257,
            ".a",
            "/a",
            " a",
            "a/../b",
            "a/..",
            "a:b",
            "a\nb",
            "é",
            "a\0",
            7,
        )
    ),
    *(
        invalid("contribute", "artifacts.a", artifacts={"a": cid})
        for cid in ("", CID[:-1], CID + "0", CID.upper(), "blake2:" + "0" * 64, CID + "\n", None, 7)
    ),
    invalid("contribute", "relations", relations="reviews"),
    invalid("contribute", "relations", relations=relation() * 1001),
    invalid("contribute", "relations[0].targetCid", relations=relation(targetCid="x")),
    invalid("contribute", "relations[0].relationType", relations=relation(relationType="likes")),
    invalid("contribute", "relations[0].weight", relations=relation(weight=1)),
    invalid("contribute", "relations[0].metadata", relations=relation(metadata=[])),
    invalid("contribute", "relations[0].metadata", relations=relation(metadata=None)),
    invalid(
        "contribute",
        "relations[0].metadata",
        relations=relation(metadata={f"{n}": n for n in range(101)}),
    ),
    invalid("contribute", "relations[0].targetCid", relations=[{"relationType": "reviews"}]),
    invalid("contribute", "scores.p99.value", scores={"p99": {**SCORE, "value": NAN}}),
    invalid("contribute", "scores.p99.value", scores={"p99": {**SCORE, "value": INFINITY}}),
    invalid("contribute", "scores.p99.value", scores={"p99": {**SCORE, "value": True}}),
    invalid("contribute", "scores.p99.value", scores={"p99": {**SCORE, "value": "1"}}),
    invalid("contribute", "scores.p99.direction", scores={"p99": {**SCORE, "direction": "up"}}),
    invalid("contribute", "scores.p99.unit", scores={"p99": {**SCORE, "unit": "x" * 65}}),
    invalid("contribute", "scores.p99.mean", scores={"p99": {**SCORE, "mean": 1}}),
    invalid("contribute", "scores", scores={f"{n}": SCORE for n in range(101)}),
    invalid("contribute", "scores", scores={SURROGATE: SCORE}),
    invalid("contribute", "tags[0]", tags=[""]),
    invalid("contribute", "tags[0]", tags=["x" * 129]),
    invalid("contribute", "tags[1]", tags=["a", "a"]),
    invalid("contribute", "tags", tags=[f"{n}" for n in range(101)]),
    invalid("contribute", "tags", tags="abc"),
    invalid("contribute", "context", context={f"{n}": n for n in range(101)}),
    invalid("contribute", "context", context=[]),
    invalid("contribute", "context.a", context={"a": NAN}),
    invalid("contribute", "context.a", context={"a": -INFINITY}),
    invalid("contribute", "context.a", context={"a": 10**400}),
    invalid("contribute", "context.a", context={"a": object()}),
    invalid("contribute", "context.a", context={"a": {1, 2}}),
    invalid("contribute", "context.a", context={"a": b"x"}),
    invalid("contribute", "context.a[1].b", context={"a": [0, {"b": SURROGATE}]}),
    invalid("contribute", "context", context={7: 1}),
    invalid("contribute", "context", context={SURROGATE: 1}),
    invalid("contribute", "context.a", context={"a": nested(500)}),
    invalid("contribute", "agent", agent=None),
    invalid("contribute", "agent", agent="coder-1"),
    *(
        invalid("contribute", "createdAt", created_at=time)
        for time in (
            "2026-01-01T00:00:00",
            "yesterday",
            "",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-01-01T25:00:00Z",
            "2026-01-01",
            "2026-01-01T00:00:00+99:00",
            1_700_000_000,
        )
    ),
    invalid("contribute", "idempotencyKey", idempotency_key=""),
    invalid("contribute", "idempotencyKey", idempotency_key="x" * 257),
    invalid("contribute", "idempotencyKey", idempotency_key=7),
    invalid("contribute", "idempotencyKey", idempotency_key=SURROGATE),
    Case("contribute", {"relations": relation()}, NotFound, CID),
    Case(
        "contribute", {"relations": relation(relationType="derives_from")}, NotFound, "relations[0]"
    ),
    Case("contribute", {"idempotency_key": "used"}, StateConflict, "summary"),
)

CREDITS: Final = (
    *(
        invalid("grant_credits", "amount", amount=amount)
        for amount in (0, -1, 1.0, 1.5, True, "1", None, NAN, 2**53, 10**400)
    ),
    *(
        invalid("grant_credits", "agentId", agent_id=agent_id)
        for agent_id in ("", "x" * 257, None, 7, SURROGATE)
    ),
    invalid("grant_credits", "idempotencyKey", idempotency_key=""),
)

BOUNTY: Final = (
    invalid("create_bounty", "title", title=""),
    invalid("create_bounty", "title", title=" \t\n"),
    invalid("create_bounty", "title", title=None),
    invalid("create_bounty", "title", title=SURROGATE),
    *(
        invalid("create_bounty", "amount", amount=amount)
        for amount in (0, -1, 1.0, True, "1", None, 2**53)
    ),
    invalid("create_bounty", "description", description=SURROGATE),
    invalid("create_bounty", "criteria.description", criteria={"description": SURROGATE}),
    invalid(
        "create_bounty",
        "criteria.metricName",
        criteria={"description": "d", "metricName": SURROGATE},
    ),
    invalid("create_bounty", "criteria", criteria=None),
    invalid("create_bounty", "criteria.description", criteria={}),
    invalid("create_bounty", "criteria.reward", criteria={"description": "d", "reward": 1}),
    invalid(
        "create_bounty",
        "criteria.metricThreshold",
        criteria={"description": "d", "metricName": "p99", "metricThreshold": NAN},
    ),
    invalid(
        "create_bounty",
        "criteria.metricDirection",
        criteria={"description": "d", "metricDirection": "up"},
    ),
    invalid(
        "create_bounty",
        "criteria.requiredTags",
        criteria={"description": "d", "requiredTags": ["a", "a"]},
    ),
    invalid("create_bounty", "deadline", deadline="2026-01-05T00:00:00"),
    invalid("create_bounty", "deadline", deadline="2025-12-31T00:00:00Z"),
    invalid("create_bounty", "deadline", deadline="2026-01-01T12:00:00Z"),
    invalid("create_bounty", "deadline", deadline="soon"),
    invalid("create_bounty", "zoneId", zone_id=7),
    invalid("create_bounty", "context.a", context={"a": NAN}),
    invalid("create_bounty", "creator", agent=None),
    Case("create_bounty", {"amount": 1001}, InsufficientCredits, SPONSOR.agent_id),
    Case("create_bounty", {"agent": NOBODY}, InsufficientCredits, NOBODY.agent_id),
)

CLAIM: Final = (
    *(
        invalid("claim", "targetRef", target_ref=target)
        for target in ("", "x" * 1025, None, 7, SURROGATE, "bounty:b1", "bounty:")
    ),
    invalid("claim", "intentSummary", intent_summary=""),
    invalid("claim", "intentSummary", intent_summary="x" * 1025),
    invalid("claim", "intentSummary", intent_summary=None),
    *(
        invalid("claim", "leaseSeconds", lease_seconds=seconds)
        for seconds in (0, -1, NAN, INFINITY, "60", 10**12, True)
    ),
    invalid("claim", "context.a", context={"a": NAN}),
    invalid("claim", "agent", agent=None),
    Case("claim", {"target_ref": "file:held", "agent": REVIEWER}, ClaimConflict, CODER.agent_id),
    Case("claim_bounty", {"agent": REVIEWER}, ClaimConflict, CODER.agent_id),
    Case("claim_bounty", {"bounty_id": "bounty-x"}, NotFound, "bounty-x"),
    invalid("claim_bounty", "leaseSeconds", lease_seconds=0),
    invalid("claim_bounty", "intentSummary", intent_summary=""),
)

OTHERS: Final = (
    invalid("outcome", "txid", txid="nonsense"),
    Case("get_contribution", {"id": CID}, NotFound, CID),
    Case("get_contribution", {"id": "nonsense"}, NotFound, "nonsense"),
    Case("get_bounty", {"id": "bounty-x"}, NotFound, "bounty-x"),
    invalid("list_contributions", "limit", limit=-1),
    invalid("list_contributions", "limit", limit=1.5),
    invalid("list_contributions", "limit", limit="1"),
    invalid("list_contributions", "limit", limit=True),
)

DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "contribute": {"kind": "work", "summary": "s", "agent": CODER},
    "grant_credits": {"agent_id": SPONSOR.agent_id, "amount": 1},
    "create_bounty": {
        "title": "t",
        "amount": 1,
        "criteria": {"description": "d"},
        "agent": SPONSOR,
    },
    "claim": {"target_ref": "file:free", "agent": CODER, "intent_summary": "i"},
    "claim_bounty": {"bounty_id": "bounty-claimed", "agent": CODER},
    "outcome": {},
    "get_contribution": {},
    "get_bounty": {},
    "list_contributions": {},
}


POSITIONAL: Final = {
    "claim": "target_ref",
    "claim_bounty": "bounty_id",
    "grant_credits": "agent_id",
    "get_contribution": "id",
    "get_bounty": "id",
}


def call(grove: Grove, operation: str, arguments: dict[str, Any]) -> object:
    arguments = {**DEFAULTS[operation], **arguments}
    functions: dict[str, Callable[..., object]] = {
        "get_contribution": grove.contributions.get,
        "get_bounty": grove.bounties.get,
        "list_contributions": grove.contributions.list,
    }
    function = functions.get(operation) or getattr(grove, operation)
    if operation in POSITIONAL:
        return function(arguments.pop(POSITIONAL[operation]), **arguments)
    return function(**arguments)


class Shared(NamedTuple):
    """A grove that all cases share, since none may change it."""

    grove: Grove
    folder: Path
    bounty_id: str
    descriptors: dict[str, int]

    def fingerprint(self) -> dict[str, str]:
        """Every file's content; the shared memory beside a log is none.

        Files stay open: to close one would take away the locks that this process has on it.
        """
        for path in self.folder.iterdir():
            if path.name not in self.descriptors and not path.name.endswith("-shm"):
                self.descriptors[path.name] = os.open(path, os.O_RDONLY)
        return {
            name: hashlib.blake2b(os.pread(descriptor, 1 << 30, 0)).hexdigest()
            for name, descriptor in self.descriptors.items()
        }

    def close(self) -> None:
        """Let go of the files, once nobody needs locks on them."""
        for descriptor in self.descriptors.values():
            os.close(descriptor)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """Five files, some of it finished and some not."""
    folder = tmp_path_factory.mktemp("refusals")
    with open_files(folder, Clock(), Names()) as grove:
        grove.contribute(kind="work", summary="used", agent=CODER, idempotency_key="used")
        grove.grant_credits(SPONSOR.agent_id, 1000)
        bounty = grove.create_bounty(
            title="t", amount=100, criteria={"description": "d"}, agent=SPONSOR
        )
        grove.flush()
        grove.claim("file:held", agent=CODER, intent_summary="mine")
        grove.claim_bounty(bounty.bounty_id, agent=CODER)
        watched = Shared(grove, folder, bounty.bounty_id, {})
        yield watched
        assert grove.audit().ok
    watched.close()


@pytest.mark.parametrize(
    "case",
    [*CONTRIBUTE, *CREDITS, *BOUNTY, *CLAIM, *OTHERS],
    ids=lambda case: f"{case.operation}-{case.named}"[:60],
)
def test_a_refusal_names_what_is_wrong_and_changes_no_byte(shared: Shared, case: Case) -> None:
    arguments = dict(case.arguments)
    if case.operation == "claim_bounty":
        arguments.setdefault("bounty_id", shared.bounty_id)
    before = shared.fingerprint()
    with pytest.raises(GroveError) as caught:
        call(shared.grove, case.operation, arguments)
    assert shared.fingerprint() == before
    error = caught.value
    assert type(error) is case.error, error
    if isinstance(error, ValidationError):
        assert error.field == case.named or error.field.startswith(
            (f"{case.named}[", f"{case.named}.")
        )
        assert error.rule
    assert case.named in error.message
    error.to_document()["message"].encode()


def test_what_is_called_with_nothing_wrong_does_change_the_files(
    tmp_path: Path, clock: Clock, names: Names
) -> None:
    """The other way round, so that the fingerprint is known to tell."""
    with open_files(tmp_path, clock, names) as grove:
        watched = Shared(grove, tmp_path, "", {})
        grove.grant_credits(SPONSOR.agent_id, 1000)
        for operation in ("contribute", "grant_credits", "create_bounty", "claim"):
            before = watched.fingerprint()
            call(grove, operation, {})
            assert watched.fingerprint() != before
    watched.close()


@pytest.mark.parametrize(
    "use",
    [
        lambda grove: grove.credits.balance(SPONSOR.agent_id),
        lambda grove: grove.grant_credits(SPONSOR.agent_id, 1),
    ],
    ids=["balance", "grant_credits"],
)
def test_a_grove_without_credits_says_so(
    clock: Clock, names: Names, use: Callable[[Grove], object]
) -> None:
    stores = dict.fromkeys(("contributions", "handoffs", "claims", "bounties"), "memory://")
    with Grove.open(
        journal="memory://", stores=stores, clock=clock, random=names, background=False
    ) as grove:
        made = grove.create_bounty(
            title="t", amount=1, criteria={"description": "d"}, agent=SPONSOR
        )
        assert made.reservation_id is None
        with pytest.raises(StateConflict) as caught:
            use(grove)
        assert "credits" in caught.value.reason
        assert grove.audit().ok
