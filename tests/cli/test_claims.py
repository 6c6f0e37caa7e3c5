"""Commands that keep and end claims."""

from typing import Any

import pytest

from tests.cli.running import Commands


def claim(commands: Commands, *more: str) -> Any:
    """A claim by agent a on a file."""
    who = ("--agent", "a", "--intent", "i")
    return commands.json("claim", "file:a", *who, *more)["claim"]


def test_heartbeat_runs_the_lease_anew(commands: Commands) -> None:
    held = claim(commands, "--lease", "60")
    kept = commands.json("heartbeat", held["claimId"], "--agent", "a", "--lease", "3600")
    assert kept["leaseExpiresAt"] > held["leaseExpiresAt"]
    assert kept["revision"] == held["revision"] + 1
    assert commands.json("claims") == [kept]
    shown = commands.run("heartbeat", held["claimId"], "--lease", "1").stdout
    assert shown.splitlines() == [
        "kept           file:a",
        f"claim          {held['claimId']}",
        f"lease expires  {kept['leaseExpiresAt']}",
    ]


@pytest.mark.parametrize(
    ("command", "status"), [("release", "released"), ("complete", "completed")]
)
def test_a_claim_that_is_ended_frees_its_target(
    commands: Commands, command: str, status: str
) -> None:
    held = claim(commands)
    ended = commands.json(command, held["claimId"], "--agent", "a")
    assert (ended["claimId"], ended["status"]) == (held["claimId"], status)
    assert commands.json("claims", "--status", status) == [ended]
    other = commands.json("claim", "file:a", "--agent", "b", "--intent", "i")["claim"]
    assert commands.run(command, other["claimId"]).stdout.splitlines() == [
        f"{status}  file:a",
        f"{'claim':<{len(status)}}  {other['claimId']}",
    ]


def test_releasing_the_claim_on_a_bounty_opens_it_again(commands: Commands) -> None:
    commands.json("credits", "grant", "s", "1")
    bounty = commands.json(
        "bounty", "create", "--title", "t", "--amount", "1", "--criteria", "c", "--agent", "s"
    )
    won = commands.json("bounty", "claim", bounty["bountyId"], "--agent", "a")
    commands.json("release", won["claim"]["claimId"])
    (reopened,) = commands.json("bounty", "list")
    assert reopened["status"] == "open"
    assert "claimId" not in reopened


def test_a_claim_with_a_key_is_no_renewal(commands: Commands) -> None:
    retry = ("claim", "file:a", "--agent", "a", "--intent", "i", "--key", "k")
    first = commands.json(*retry)
    assert commands.json(*retry) == first
    assert first["renewed"] is False


@pytest.mark.parametrize("command", ["heartbeat", "release", "complete"])
def test_a_key_makes_a_retry_one_effect(commands: Commands, command: str) -> None:
    held = claim(commands)
    retry = (command, held["claimId"], "--agent", "a", "--role", "coder", "--key", "k")
    first = commands.json(*retry)
    assert commands.json(*retry) == first
    assert commands.json("claims") == [first]
