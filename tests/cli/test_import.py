"""`grove-sm import`, on a real history and on bad files."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Commands, everything

HISTORY = Path(__file__).parent.parent / "data" / "h11-history.jsonl"
ANSWERS = {"reviews", "responds_to", "adopts"}
TOPOLOGIES: dict[str, dict[str, list[str]]] = {
    "of the template": {"coder": ["reviewer"], "reviewer": ["coder"]},
    "with two receivers": {"coder": ["reviewer", "tester"], "reviewer": ["coder", "reviewer"]},
}
GOOD: dict[str, Any] = {
    "kind": "work",
    "summary": "a",
    "agent": {"agentId": "a"},
    "createdAt": "2026-01-01T00:00:00.000Z",
}
UNKNOWN = "blake3:" + "0" * 64


def expected_handoffs(
    lines: list[dict[str, Any]], topology: dict[str, list[str]]
) -> Counter[tuple[str, ...]]:
    """What the protocol's section 7 says of these lines, worked out from their JSON alone."""
    handoffs: list[dict[str, str]] = []
    for line in lines:
        role = line["agent"]["role"]
        answered = {r["targetCid"] for r in line["relations"] if r["relationType"] in ANSWERS}
        for handoff in handoffs:
            is_open = handoff["resolvedBy"] == ""
            if is_open and handoff["source"] in answered and handoff["to"] == role:
                handoff["resolvedBy"] = line["cid"]
        for to in topology[role]:
            handoffs.append({"source": line["cid"], "from": role, "to": to, "resolvedBy": ""})
    return Counter((h["source"], h["from"], h["to"], h["resolvedBy"]) for h in handoffs)


def found_handoffs(commands: Commands) -> Counter[tuple[str, ...]]:
    found = commands.records("handoffs")
    for handoff in found:
        status = "replied" if "resolvedByCid" in handoff else "pending_pickup"
        assert handoff["status"] == status
        assert handoff["requiresReply"] is False
    return Counter(
        (h["sourceCid"], h["fromRole"], h["toRole"], h.get("resolvedByCid", "")) for h in found
    )


def set_topology(commands: Commands, topology: dict[str, list[str]]) -> None:
    settings = commands.folder / "grove.toml"
    text = settings.read_text()
    for role, to in TOPOLOGIES["of the template"].items():
        text = text.replace(f"{role} = {json.dumps(to)}", f"{role} = {json.dumps(topology[role])}")
    settings.write_text(text)


@pytest.mark.parametrize("topology", TOPOLOGIES.values(), ids=TOPOLOGIES)
def test_a_real_history_gets_its_cids_and_exactly_the_handoffs_of_the_topology(
    commands: Commands, topology: dict[str, list[str]]
) -> None:
    set_topology(commands, topology)
    lines = [json.loads(line) for line in HISTORY.read_text().splitlines()]
    expected = expected_handoffs(lines, topology)
    replies = sum(count for (*_, resolved_by), count in expected.items() if resolved_by)

    report = commands.json("import", str(HISTORY))
    assert report == {
        "imported": 400,
        "alreadyThere": 0,
        "failed": 0,
        "heldBack": 0,
        "handoffs": expected.total(),
        "replies": replies,
        "failures": [],
    }
    assert replies > 0
    listed = commands.records("contributions")
    assert [c["cid"] for c in sorted(listed, key=lambda c: c["cid"])] == sorted(
        line["cid"] for line in lines
    )
    assert found_handoffs(commands) == expected

    before = everything(commands)
    again = commands.json("import", str(HISTORY))
    assert again == report | {"imported": 0, "alreadyThere": 400, "handoffs": 0, "replies": 0}
    assert everything(commands) == before
    assert commands.json("audit")["ok"] is True


def test_lines_wait_for_targets_that_come_later(commands: Commands) -> None:
    lines = HISTORY.read_bytes().splitlines(keepends=True)[::-1]
    report = commands.json("import", "-", stdin=b"".join(lines))
    assert (report["imported"], report["failed"], report["handoffs"]) == (400, 0, 400)
    listed = {c["cid"] for c in commands.records("contributions")}
    assert listed == {json.loads(line)["cid"] for line in lines}


def test_bad_lines_are_told_by_number_field_and_rule_and_stop_no_others(
    commands: Commands, tmp_path: Path
) -> None:
    bad: list[dict[str, Any]] = [
        GOOD | {"colour": "red"},
        GOOD | {"relations": [{"targetCid": UNKNOWN, "relationType": "adopts"}]},
    ]
    documents = [GOOD, *bad, GOOD | {"summary": "b"}]
    file = tmp_path / "mixed.jsonl"
    file.write_text("\n".join(json.dumps(document) for document in documents))

    report = commands.json("import", str(file), status=2)
    assert (report["imported"], report["failed"]) == (2, 2)
    told = [(f["line"], f["error"]["code"], f["error"]["facts"]) for f in report["failures"]]
    assert [(line, code) for line, code, _ in told] == [(2, "VALIDATION_ERROR"), (3, "NOT_FOUND")]
    assert told[0][2]["field"] == "colour"
    assert told[0][2]["rule"] == "is not a field of this record"
    assert UNKNOWN in told[1][2]["record"]

    shown = commands.run("import", str(file), status=2)
    assert "line 2: colour is not a field of this record" in shown.stderr
    assert f"line 3: contribution {UNKNOWN} was not found" in shown.stderr
    assert "already there      2" in shown.stdout.splitlines()

    file.write_text(json.dumps(bad[1]))
    assert commands.json("import", str(file), status=3)["failed"] == 1


def test_stop_on_error_stops_at_the_first_bad_line(commands: Commands) -> None:
    lines = b"\n".join(json.dumps(d).encode() for d in (GOOD, {}, GOOD | {"summary": "b"}))
    report = commands.json("import", "-", "--stop-on-error", status=2, stdin=lines)
    assert (report["imported"], report["failed"]) == (1, 1)
    assert report["stoppedBy"]["facts"]["field"] == "kind"
    assert len(commands.records("contributions")) == 1


@pytest.mark.parametrize("name", ["missing.jsonl", ".", "a\0b"])
def test_a_file_that_cannot_be_read_is_refused_at_once(
    commands: Commands, tmp_path: Path, name: str
) -> None:
    error = commands.error("import", f"{tmp_path}/{name}", status=2)
    assert error["facts"]["field"] == "FILE.jsonl"
