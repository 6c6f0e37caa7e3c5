"""Commands that keep and end claims."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from grove_sm import Grove
from tests.cli.running import Commands
from tests.groves import CODER, Clock, Names


def claim(commands: Commands, *more: str) -> Any:
    """A claim by agent a on a file."""
    who = ("--agent", "a", "--intent", "i")
    return commands.json("claim", "file:a", *who, *more)["claim"]


def test_heartbeat_runs_the_lease_anew(commands: Commands) -> None:
    held = claim(commands, "--lease", "60")
    kept = commands.json("heartbeat", held["claimId"], "--agent", "a", "--lease", "3600")
    assert kept["leaseExpiresAt"] > held["leaseExpiresAt"]
    assert kept["revision"] == held["revision"] + 1
    assert commands.records("claims") == [kept]
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
    assert commands.records("claims", "--status", status) == [ended]
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
    (reopened,) = commands.records("bounty", "list")
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
    assert commands.records("claims") == [first]


def test_who_has_stalled_is_listed_longest_without_a_heartbeat_first(commands: Commands) -> None:
    clock = Clock(datetime.now(UTC) - timedelta(days=2))
    with Grove.open(commands.folder, clock=clock, random=Names()) as grove:
        held = {}
        for target in ("file:a", "file:b", "file:c"):
            made = grove.claim(target, agent=CODER, intent_summary="i", lease_seconds=10**6).claim
            held[target] = made.claim_id
            clock.advance(3600)
        grove.claim("file:lost", agent=CODER, intent_summary="i")
        grove.heartbeat(held["file:a"], lease_seconds=10**6)
    commands.json("claim", "file:new", "--agent", "a", "--intent", "i", "--lease", "1000000")
    found = commands.json("stalled", "--after", "3600")
    assert [c["claimId"] for c in found] == [held[f"file:{name}"] for name in "bca"]
    assert commands.json("stalled", "--after", "3600", "--limit", "1") == found[:1]
    assert commands.json("stalled", "--after", "1000000") == []
    assert commands.run("stalled", "--after", "1000000").stdout == "nobody has stalled\n"
    lines = commands.run("stalled", "--after", "3600").stdout.splitlines()
    assert lines[0].split("  ")[0] == "claim"
    assert "last heartbeat" in lines[0]
    assert found[0]["heartbeatAt"] in lines[2]
    report = commands.json("sweep", "--stalled-after", "3600")
    assert set(held.values()) < set(report["claimsExpired"])
    assert commands.json("stalled", "--after", "3600") == []


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("--after", "0"), "after"),
        (("--after", "nan"), "after"),
        (("--after", "1e9"), "after"),
        (("--after", "1", "--limit", "-1"), "limit"),
    ],
)
def test_a_senseless_time_is_refused(
    commands: Commands, arguments: tuple[str, ...], field: str
) -> None:
    assert commands.error("stalled", *arguments, status=2)["facts"]["field"] == field
