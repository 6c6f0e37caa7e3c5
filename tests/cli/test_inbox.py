"""Commands that take handoffs as an inbox."""

from typing import Any

import pytest

from tests.cli.running import Commands

PICK_UP = ("pick-up", "--agent", "r-1", "--role", "reviewer")


def test_the_oldest_handoff_is_picked_up_with_its_contribution(commands: Commands) -> None:
    first = commands.contribute("first", "--context", '{"a": 1}')
    second = commands.contribute("second")
    picked = commands.json(*PICK_UP, "--visibility", "60", "--agent-field", "model=m")
    assert picked["contribution"] == first["contribution"]
    assert picked["handoff"]["handoffId"] == first["handoffIds"][0]
    assert picked["handoff"]["status"] == "delivered"
    assert picked["claim"]["agent"] == {"agentId": "r-1", "role": "reviewer", "model": "m"}
    assert commands.records("claims") == [picked["claim"]]
    assert commands.json("outcome", picked["txid"])["outcome"] == "committed"

    shown = commands.run(*PICK_UP).stdout
    (claim,) = commands.records("claims", "--target", f"handoff:{second['handoffIds'][0]}")
    assert shown.splitlines()[:-1] == [
        f"picked up      {second['handoffIds'][0]}",
        "from           coder",
        f"contribution   {second['cid']}",
        "kind           work",
        "summary        second",
        f"claim          {claim['claimId']}",
        f"lease expires  {claim['leaseExpiresAt']}",
    ]


@pytest.mark.parametrize("wait", [(), ("--wait", "0.05")])
def test_nothing_waits(commands: Commands, wait: tuple[str, ...]) -> None:
    commands.contribute("for reviewers alone")
    tester = ("pick-up", "--agent", "t-1", "--role", "tester", *wait)
    assert commands.run(*tester).stdout == "nothing waits for role tester\n"
    assert commands.run(*tester, "--json").stdout == "null\n"
    assert commands.records("claims") == []


def delivered(commands: Commands) -> Any:
    commands.contribute("work")
    return commands.json(*PICK_UP)


def test_a_handoff_that_was_processed_is_acknowledged(commands: Commands) -> None:
    picked = delivered(commands)
    handoff = picked["handoff"]["handoffId"]
    done = commands.json("acknowledge", handoff, "--agent", "r-1")
    assert (done["handoffId"], done["status"]) == (handoff, "processed")
    assert [c["status"] for c in commands.records("claims")] == ["completed"]
    assert commands.json(*PICK_UP) is None


def test_a_handoff_is_given_up(commands: Commands) -> None:
    handoff = delivered(commands)["handoff"]["handoffId"]
    done = commands.json("dead-letter", handoff, "--agent", "r-1")
    assert commands.records("handoffs", "--status", "dead_lettered") == [done]
    assert [c["status"] for c in commands.records("claims")] == ["released"]
    assert commands.json(*PICK_UP) is None


@pytest.mark.parametrize(
    ("command", "done"), [("acknowledge", "processed"), ("dead-letter", "dead-lettered")]
)
def test_how_a_handoff_ended_is_told(commands: Commands, command: str, done: str) -> None:
    handoff = delivered(commands)["handoff"]
    assert commands.run(command, handoff["handoffId"]).stdout.splitlines() == [
        f"{done}  {handoff['handoffId']}",
        f"{'from':<{len(done)}}  coder",
        f"{'to':<{len(done)}}  reviewer",
        f"{'of':<{len(done)}}  {handoff['sourceCid']}",
    ]


def test_a_delivery_is_a_claim(commands: Commands) -> None:
    picked = delivered(commands)
    claim = picked["claim"]["claimId"]
    kept = commands.json("heartbeat", claim, "--agent", "r-1", "--lease", "3600")
    assert kept["leaseExpiresAt"] > picked["claim"]["leaseExpiresAt"]
    commands.json("release", claim, "--agent", "r-1")
    again = commands.json("pick-up", "--agent", "r-2", "--role", "reviewer")
    assert again["handoff"] == picked["handoff"]
    assert again["claim"]["agent"]["agentId"] == "r-2"


def test_a_reply_ends_a_delivery(commands: Commands) -> None:
    picked = delivered(commands)
    who = ("--summary", "fine", "--agent", "r-1", "--role", "reviewer")
    done = commands.json("review", picked["contribution"]["cid"], *who)
    assert done["repliedIds"] == [picked["handoff"]["handoffId"]]
    assert [c["status"] for c in commands.records("claims")] == ["completed"]


@pytest.mark.parametrize("command", ["acknowledge", "dead-letter"])
def test_a_key_makes_a_retry_one_effect(commands: Commands, command: str) -> None:
    commands.contribute("one")
    commands.contribute("two")
    picked = commands.json(*PICK_UP, "--key", "k")
    assert commands.json(*PICK_UP, "--key", "k") == picked
    assert len(commands.records("claims")) == 1
    who = ("--agent", "r-1", "--role", "reviewer", "--key", "e")
    ended = commands.json(command, picked["handoff"]["handoffId"], *who)
    assert commands.json(command, picked["handoff"]["handoffId"], *who) == ended
