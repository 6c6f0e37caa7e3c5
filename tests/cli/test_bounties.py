"""Commands that open and end bounties, and what becomes of the credits."""

from typing import Any

import pytest

from tests.cli.running import Commands

CREATE = ("bounty", "create", "--title", "t", "--amount", "60", "--criteria", "c", "--agent", "s")


@pytest.fixture
def funded(commands: Commands) -> Commands:
    """A grove whose sponsor s has 100 credits."""
    commands.json("credits", "grant", "s", "100")
    return commands


def balance(commands: Commands, agent: str) -> tuple[int, int]:
    account = commands.json("credits", "balance", agent)
    return account["available"], account["reserved"]


def claimed(commands: Commands) -> tuple[str, Any]:
    """The id of a bounty that agent a has claimed, and the claim."""
    bounty = commands.json(*CREATE)["bountyId"]
    return bounty, commands.json("bounty", "claim", bounty, "--agent", "a")["claim"]


def statuses(commands: Commands, listing: str) -> list[str]:
    return [record["status"] for record in commands.records(*listing.split())]


def test_a_draft_reserves_nothing_until_it_is_opened(funded: Commands) -> None:
    shown = funded.run(*CREATE, "--draft").stdout
    assert shown.startswith("drafted ")
    assert "reservation" not in shown
    (draft,) = funded.records("bounty", "list", "--status", "draft")
    assert balance(funded, "s") == (100, 0)
    opened = funded.json("bounty", "open", draft["bountyId"], "--agent", "s")
    assert (opened["bountyId"], opened["status"]) == (draft["bountyId"], "open")
    assert balance(funded, "s") == (40, 60)
    funded.json("credits", "grant", "s", "20")
    other = funded.json(*CREATE, "--draft")
    shown = funded.run("bounty", "open", other["bountyId"], "--agent", "s").stdout
    assert shown.splitlines()[0] == f"opened       {other['bountyId']}"
    assert shown.splitlines()[-1].startswith("reservation  reservation-")


def test_a_bounty_that_is_settled_at_once_pays_its_claimant(funded: Commands) -> None:
    bounty, _ = claimed(funded)
    cid = funded.contribute("the work", agent="a")["cid"]
    shown = funded.run("bounty", "settle", bounty, "--by", cid).stdout
    assert shown.splitlines() == [
        f"settled       {bounty}",
        "amount        60",
        "claimed by    a",
        f"fulfilled by  {cid}",
    ]
    assert statuses(funded, "bounty list") == ["settled"]
    assert statuses(funded, "claims") == ["completed"]
    assert (balance(funded, "s"), balance(funded, "a")) == ((40, 0), (60, 0))


def test_a_bounty_that_is_completed_first_is_settled_by_what_completed_it(funded: Commands) -> None:
    bounty, _ = claimed(funded)
    cid = funded.contribute("the work", agent="a")["cid"]
    completed = funded.json("bounty", "complete", bounty, "--by", cid, "--agent", "a")
    assert (completed["status"], completed["fulfilledByCid"]) == ("completed", cid)
    assert balance(funded, "s") == (40, 60)
    settled = funded.json("bounty", "settle", bounty)
    assert (settled["status"], settled["fulfilledByCid"]) == ("settled", cid)
    assert (balance(funded, "s"), balance(funded, "a")) == ((40, 0), (60, 0))
    funded.json("credits", "grant", "s", "20")
    bounty, _ = claimed(funded)
    shown = funded.run("bounty", "complete", bounty, "--by", cid).stdout
    assert shown.startswith(f"completed     {bounty}\n")


def test_a_bounty_that_is_given_up_is_open_for_others(funded: Commands) -> None:
    bounty, claim = claimed(funded)
    released = funded.json("bounty", "release", bounty, "--agent", "a")
    assert released["status"] == "open"
    assert "claimedBy" not in released
    assert [c["claimId"] for c in funded.records("claims", "--status", "released")] == [
        claim["claimId"]
    ]
    assert balance(funded, "s") == (40, 60)
    funded.json("bounty", "claim", bounty, "--agent", "b")
    shown = funded.run("bounty", "release", bounty).stdout
    assert shown.splitlines() == [f"open again  {bounty}", "amount      60"]


def test_a_bounty_that_is_cancelled_gives_its_credits_back(funded: Commands) -> None:
    bounty, _ = claimed(funded)
    cancelled = funded.json("bounty", "cancel", bounty, "--agent", "s")
    assert cancelled["status"] == "cancelled"
    assert statuses(funded, "claims") == ["released"]
    assert balance(funded, "s") == (100, 0)
    bounty = funded.json(*CREATE)["bountyId"]
    shown = funded.run("bounty", "cancel", bounty, "--agent", "s").stdout
    assert shown.splitlines() == [f"cancelled  {bounty}", "amount     60"]


def test_a_key_makes_a_retry_of_each_one_effect(funded: Commands) -> None:
    def twice(*arguments: str) -> Any:
        first = funded.json(*arguments)
        assert funded.json(*arguments) == first
        return first

    draft = twice(*CREATE, "--draft", "--key", "1")["bountyId"]
    twice("bounty", "open", draft, "--agent", "s", "--key", "2")
    twice("bounty", "claim", draft, "--agent", "a", "--key", "8")
    twice("bounty", "release", draft, "--agent", "a", "--key", "3")
    funded.json("bounty", "claim", draft, "--agent", "a")
    cid = funded.contribute("the work", agent="a")["cid"]
    twice("bounty", "complete", draft, "--by", cid, "--agent", "a", "--key", "4")
    twice("bounty", "settle", draft, "--agent", "a", "--role", "coder", "--key", "5")
    twice("credits", "grant", "s", "20", "--key", "9")
    other = funded.json(*CREATE)["bountyId"]
    twice("bounty", "cancel", other, "--agent", "s", "--key", "6")
    twice("credits", "transfer", "a", "s", "10", "--key", "7")
    assert (balance(funded, "s"), balance(funded, "a")) == ((70, 0), (50, 0))
    assert funded.json("audit")["ok"]


def test_a_transfer_shows_the_givers_account(funded: Commands) -> None:
    assert funded.json("credits", "transfer", "s", "a", "30") == {
        "agentId": "s",
        "available": 70,
        "reserved": 0,
        "total": 70,
    }
    shown = funded.run("credits", "transfer", "s", "a", "30").stdout
    assert shown.splitlines() == ["agent      s", "available  40", "reserved   0", "total      40"]
    assert balance(funded, "a") == (60, 0)
