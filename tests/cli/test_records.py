"""Commands that write records and list them."""

import json
from typing import Any

import pytest

from grove_sm import Contribution, compute_cid
from tests.cli.running import Commands, everything

CID = "blake3:" + "a" * 64


def test_every_option_of_contribute_reaches_the_record(commands: Commands) -> None:
    target = commands.contribute("the target")
    done = commands.json(
        "contribute",
        *("--kind", "review", "--summary", "s", "--mode", "exploration", "--description", "d"),
        *("--agent", "r-1", "--role", "reviewer", "--agent-field", "model=m=1"),
        *("--tag", "b", "--tag", "a", "--artifact", f"src/a b.py={CID}"),
        *("--relation", f"reviews={target['cid']}", "--relation", f"adopts={target['cid']}"),
        *("--score", "p99=1.50:minimize:ms", "--score", "wins=3:maximize"),
        *("--context", '{"a": [1, null]}', "--created-at", "2026-01-01T12:00:00+05:30"),
    )
    assert done["contribution"] == {
        "cid": done["cid"],
        "manifestVersion": 1,
        "kind": "review",
        "mode": "exploration",
        "summary": "s",
        "description": "d",
        "artifacts": {"src/a b.py": CID},
        "relations": [
            {"targetCid": target["cid"], "relationType": "reviews"},
            {"targetCid": target["cid"], "relationType": "adopts"},
        ],
        "scores": {
            "p99": {"value": 1.5, "direction": "minimize", "unit": "ms"},
            "wins": {"value": 3, "direction": "maximize"},
        },
        "tags": ["b", "a"],
        "context": {"a": [1, None]},
        "agent": {"agentId": "r-1", "role": "reviewer", "model": "m=1"},
        "createdAt": "2026-01-01T06:30:00.000Z",
    }
    assert done["cid"] == compute_cid(done["contribution"])
    assert done["routedTo"] == ["coder"]
    assert done["repliedIds"] == target["handoffIds"]
    assert done["duplicate"] is False
    assert commands.json("outcome", done["txid"]) == {"txid": done["txid"], "outcome": "committed"}


def test_an_idempotency_key_makes_a_retry_one_effect(commands: Commands) -> None:
    first = commands.contribute("once", "--key", "k")
    assert commands.contribute("once", "--key", "k")["cid"] == first["cid"]
    assert len(commands.records("contributions")) == 1
    error = commands.error(
        *("contribute", "--kind", "work", "--summary", "twice", "--agent", "coder-1"),
        *("--role", "coder", "--key", "k"),
        status=4,
    )
    assert error["code"] == "STATE_CONFLICT"
    assert "summary" in error["message"]


def test_listings_filter_and_limit(commands: Commands) -> None:
    first = commands.contribute("1", "--created-at", "2026-01-01T00:00:00Z")
    commands.contribute("2", "--created-at", "2026-01-02T00:00:00Z", agent="coder-2")

    def summaries(*options: str) -> list[str]:
        return [c["summary"] for c in commands.records("contributions", *options)]

    assert summaries() == ["1", "2"]
    assert summaries("--limit", "1") == ["1"]
    assert summaries("--agent", "coder-2") == ["2"]
    assert summaries("--kind", "review") == []
    read_back = [Contribution.from_document(c) for c in commands.records("contributions")]
    assert read_back[0].cid == first["cid"]
    assert [h["handoffId"] for h in commands.records("handoffs", "--source", first["cid"])] == (
        first["handoffIds"]
    )
    assert len(commands.records("handoffs", "--to-role", "reviewer")) == 2
    assert commands.records("handoffs", "--status", "replied") == []


def test_a_target_has_one_holder(commands: Commands) -> None:
    claimed = commands.json("claim", "file:a", "--agent", "a", "--intent", "i", "--lease", "60")
    assert claimed["renewed"] is False
    renewed = commands.json("claim", "file:a", "--agent", "a", "--intent", "i")
    assert renewed["renewed"] is True
    assert renewed["claim"]["claimId"] == claimed["claim"]["claimId"]
    error = commands.error("claim", "file:a", "--agent", "b", "--intent", "i", status=4)
    assert error["code"] == "CLAIM_CONFLICT"
    assert error["facts"]["holder"] == "a"
    assert error["facts"]["claimId"] == claimed["claim"]["claimId"]
    assert commands.records("claims", "--target", "file:a", "--status", "active") == [
        renewed["claim"]
    ]
    assert commands.records("claims", "--agent", "b") == []


def test_a_bounty_from_its_credits_to_its_claim(commands: Commands) -> None:
    create = ("bounty", "create", "--title", "t", "--criteria", "c", "--agent", "sponsor")
    error = commands.error(*create, "--amount", "60", status=4)
    assert error["code"] == "INSUFFICIENT_CREDITS"
    assert commands.json("credits", "grant", "sponsor", "100")["available"] == 100
    bounty = commands.json(
        *create,
        *("--amount", "60", "--metric", "p99", "--threshold", "5", "--direction", "minimize"),
        *("--require-tag", "x", "--deadline", "2999-01-01T00:00:00Z", "--zone", "z"),
        *("--description", "d", "--context", "{}"),
    )
    assert bounty["criteria"] == {
        "description": "c",
        "metricName": "p99",
        "metricThreshold": 5,
        "metricDirection": "minimize",
        "requiredTags": ["x"],
    }
    assert (bounty["description"], bounty["zoneId"], bounty["context"]) == ("d", "z", {})
    assert bounty["deadline"] == "2999-01-01T00:00:00.000Z"
    balance = {"agentId": "sponsor", "available": 40, "reserved": 60, "total": 100}
    assert commands.json("credits", "balance", "sponsor") == balance

    won = commands.json("bounty", "claim", bounty["bountyId"], "--agent", "a")
    assert won["bounty"]["status"] == "claimed"
    assert won["bounty"]["claimId"] == won["claim"]["claimId"]
    assert commands.records("bounty", "list", "--status", "claimed") == [won["bounty"]]
    assert commands.records("bounty", "list", "--status", "open") == []
    error = commands.error("bounty", "claim", bounty["bountyId"], "--agent", "b", status=4)
    assert error["facts"]["holder"] == "a"
    error = commands.error("bounty", "claim", "none", "--agent", "b", status=3)
    assert error["code"] == "NOT_FOUND"


WHO = ("--agent", "a")
CONTRIBUTE = ("contribute", "--kind", "work", "--summary", "s", *WHO)
BAD: dict[str, tuple[tuple[str, ...], str]] = {
    "kind": (("contribute", "--kind", "magic", "--summary", "s", *WHO), "kind"),
    "tag": ((*CONTRIBUTE, "--tag", "x", "--tag", "x"), "tags[1]"),
    "artifact without a name": ((*CONTRIBUTE, "--artifact", "x"), "--artifact"),
    "artifact twice": ((*CONTRIBUTE, *("--artifact", f"a={CID}") * 2), "--artifact"),
    "artifact that is no CID": ((*CONTRIBUTE, "--artifact", "a=b"), "artifacts.a"),
    "relation type": (
        (*CONTRIBUTE, "--relation", f"likes={CID}"),
        "relations[0].relationType",
    ),
    "score without a number": ((*CONTRIBUTE, "--score", "p=x:minimize"), "--score"),
    "score that is no number": ((*CONTRIBUTE, "--score", "p=nan:minimize"), "scores.p.value"),
    "score without a direction": ((*CONTRIBUTE, "--score", "p=1"), "scores.p.direction"),
    "context that is no JSON": ((*CONTRIBUTE, "--context", "{"), "context"),
    "context that is no object": ((*CONTRIBUTE, "--context", "1"), "context"),
    "context with a field twice": ((*CONTRIBUTE, "--context", '{"a":1,"a":2}'), "context.a"),
    "time without a zone": ((*CONTRIBUTE, "--created-at", "2026-01-01T00:00:00"), "createdAt"),
    "agent field": ((*CONTRIBUTE, "--agent-field", "shoe=9"), "shoe"),
    "agent": (("contribute", "--kind", "work", "--summary", "s", "--agent", ""), "agentId"),
    "filter by kind": (("contributions", "--kind", "magic"), "kind"),
    "filter by handoff status": (("handoffs", "--status", "lost"), "status"),
    "filter by claim status": (("claims", "--status", "open"), "status"),
    "filter by bounty status": (("bounty", "list", "--status", "active"), "status"),
    "limit": (("claims", "--limit", "-1"), "limit"),
    "amount": (("credits", "grant", "a", "0"), "amount"),
    "lease": (("claim", "t", *WHO, "--intent", "i", "--lease", "nan"), "leaseSeconds"),
    "bounty as target": (("claim", "bounty:b", *WHO, "--intent", "i"), "targetRef"),
}


@pytest.mark.parametrize(("arguments", "field"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_by_field_and_changes_nothing(
    commands: Commands, arguments: tuple[str, ...], field: str
) -> None:
    error = commands.error(*arguments, status=2)
    assert error["code"] == "VALIDATION_ERROR"
    assert error["facts"]["field"] == field
    assert everything(commands) == [[], [], [], []]


def test_what_an_agent_wrote_reaches_no_terminal_as_a_command(commands: Commands) -> None:
    hostile = "[red]\x1b[31m\u202e\x9b1m\x07\ntwo"
    escaped = r"[red]\x1b[31m\u202e\x9b1m\x07\ntwo"
    commands.json("claim", hostile, "--agent", hostile, "--intent", hostile)
    shown = commands.run("claims").stdout
    assert shown.count(escaped) == 3
    assert len(shown.splitlines()) == 3
    refused = commands.run("claim", hostile, "--agent", "b", "--intent", "i", status=4)
    assert f"target {escaped} is held by agent {escaped}" in refused.stderr
    assert "\x1b" not in shown + refused.stderr
    text = commands.run("claims", "--json").stdout
    assert text.isascii()
    (claim,) = json.loads(text)["records"]
    assert claim["targetRef"] == hostile


def test_tables_fit_a_narrow_terminal_and_lose_no_id(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: dict[str, Any] = commands.contribute("a summary of several words")
    monkeypatch.setenv("COLUMNS", "80")
    lines = commands.run("contributions").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    folded = "".join(line.split(" ")[0] for line in lines[2:])
    assert folded == done["cid"]
    lines = commands.run("handoffs").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "".join(line.split(" ")[0] for line in lines[2:]) == done["handoffIds"][0]
    monkeypatch.delenv("COLUMNS")
    assert done["cid"] in commands.run("contributions").stdout
    assert done["handoffIds"][0] in commands.run("handoffs").stdout
