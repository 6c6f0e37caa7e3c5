"""CIDs are those that existing groves compute."""

import json
from pathlib import Path
from typing import Any

import pytest

from grove_sm.domain import Contribution, compute_cid
from grove_sm.domain.errors import ValidationError

from .samples import CID, CONTRIBUTION, NOW

DATA = Path(__file__).parent.parent / "data"
VECTORS = json.loads((DATA / "cid-vectors.json").read_text())
HISTORY = [json.loads(line) for line in (DATA / "h11-history.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))
def test_vector(vector: dict[str, Any]) -> None:
    assert compute_cid(vector["input"]) == vector["cid"]
    assert Contribution.from_document({**vector["input"], "cid": vector["cid"]})


def test_every_line_of_a_real_history() -> None:
    assert len(HISTORY) == 400
    for line in HISTORY:
        contribution = Contribution.from_document(line)
        assert contribution.cid == line["cid"] == compute_cid(line)
        assert contribution.to_document() == {**line, "manifestVersion": 1}
        assert Contribution.from_document(json.loads(contribution.to_json())) == contribution


@pytest.mark.parametrize(
    ("given", "same_as"),
    [
        (1.0, 1),
        (-0.0, 0),
        (1e21, 10**21),
        (2**53 + 1, 2**53),
        (2**60 + 1, float(2**60)),
        (1e20, 10**20),
    ],
)
def test_numbers_that_print_alike_have_one_cid(given: float, same_as: float) -> None:
    assert compute_cid({**CONTRIBUTION, "context": {"n": given}}) == compute_cid(
        {**CONTRIBUTION, "context": {"n": same_as}}
    )


def test_a_given_cid_must_be_the_computed_one() -> None:
    computed = compute_cid(CONTRIBUTION)
    with pytest.raises(ValidationError, match=computed) as caught:
        Contribution.from_document({**CONTRIBUTION, "cid": CID})
    assert caught.value.field == "cid"
    assert compute_cid({**CONTRIBUTION, "cid": CID}) == computed


def test_each_field_is_in_the_cid() -> None:
    changes: dict[str, Any] = {
        "kind": "review",
        "mode": "exploration",
        "summary": "t",
        "description": "other",
        "artifacts": {"src/main.py": "blake3:" + "cd" * 32},
        "relations": [],
        "scores": {},
        "tags": ["a", "b"],
        "context": {},
        "agent": {"agentId": "a1"},
        "createdAt": "2026-01-02T03:04:05.679Z",
    }
    assert changes.keys() == CONTRIBUTION.keys() - {"manifestVersion"}
    cids = {compute_cid({**CONTRIBUTION, field: value}) for field, value in changes.items()}
    assert len(cids | {compute_cid(CONTRIBUTION)}) == len(changes) + 1


def test_the_time_of_a_manifest_is_kept_as_written() -> None:
    written = "2026-01-02T08:34:05.678+05:30"
    contribution = Contribution.from_document({**CONTRIBUTION, "createdAt": written})
    assert contribution.created_at == written
    assert contribution.cid != compute_cid({**CONTRIBUTION, "createdAt": NOW})


def test_documents_that_are_no_objects() -> None:
    documents: list[Any] = [[], "x", None, 5]
    for document in documents:
        with pytest.raises(ValidationError, match="must be an object"):
            compute_cid(document)
