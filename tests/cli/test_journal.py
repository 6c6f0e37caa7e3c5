"""Commands that tell what the journal holds, and by which operators deal with what it left."""

import getpass
import sqlite3
from contextlib import closing
from typing import NamedTuple

import pytest

from grove_sm import Grove
from grove_sm.operations.documents import create, update
from grove_sm.operations.layout import BOUNTIES, CLAIMS
from grove_sm.operations.plan import Get
from grove_sm.stores.sqlite import SQLiteStore
from tests.cli.running import Commands, abandon
from tests.groves import CODER, SPONSOR

TITLE = "theirs \x1b[31m"


class Meddled(NamedTuple):
    """A transaction that met other software's documents in place of its two records."""

    txid: str
    claim_id: str
    bounty_id: str


@pytest.fixture
def meddled(commands: Commands) -> Meddled:
    """A claim on a bounty: another claim stood in its place, and the bounty had been changed."""
    with Grove.open(commands.folder, background=False) as grove:
        grove.grant_credits(SPONSOR.agent_id, 1)
        bounty = grove.create_bounty(
            title="ours", amount=1, criteria={"description": "d"}, agent=SPONSOR
        )
    grove = Grove.open(commands.folder, background=False)
    grove.coordinator.applier.lag = 100
    done = grove.claim_bounty(bounty.bounty_id, agent=CODER, intent_summary="ours")
    claim = done.claim
    with closing(SQLiteStore(commands.folder / "stores.db")) as store:
        (stored,) = store.read(Get(BOUNTIES, bounty.bounty_id))
        theirs = (
            create(CLAIMS, claim.claim_id, claim.replace(intent_summary="theirs")),
            update(BOUNTIES, stored, bounty.replace(title=TITLE)),
        )
        assert store.apply("somebody", "[]", theirs) == ()
    grove.abandon()
    commands.run("recover")
    return Meddled(done.txid, claim.claim_id, bounty.bounty_id)


def contents(commands: Commands) -> tuple[str, str, str]:
    """Whose claim and whose bounty are there, and whether that is claimed."""
    (claim,) = commands.records("claims")
    (bounty,) = commands.records("bounty", "list")
    return claim["intentSummary"], bounty["title"], bounty["status"]


THEIRS = ("theirs", TITLE, "open")
OURS = ("ours", "ours", "claimed")


def test_the_journal_is_shown_as_it_was_left(commands: Commands) -> None:
    txid = abandon(commands)
    for _ in range(2):
        (row,) = commands.json("journal", "ls")
        assert row.pop("createdAt").endswith("Z")
        assert row == {
            "txid": txid,
            "state": "committed",
            "operation": "contribute",
            "coordinator": row["coordinator"],
            "coordinatorLives": False,
        }
    story = commands.json("journal", "show", txid)
    (cid,) = (write["recordId"] for write in story["writes"] if write["collection"] != "handoffs")
    assert story["writes"][0] == {
        "collection": "contributions",
        "recordId": cid,
        "revision": 1,
        "store": f"sqlite:///{commands.folder}/stores.db",
        "shows": True,
        "found": f"revision 1 by {txid}",
        "document": story["writes"][0]["document"],
    }
    assert story["writes"][0]["document"]["summary"] == "last words"
    assert (story["outcome"], story["holdsKeys"]) == ("committed", True)
    assert story["keys"] == [f"contribution:{cid}"]

    commands.run("recover")
    done = commands.json("journal", "show", txid)
    assert (done["state"], done["holdsKeys"]) == ("finished", False)
    assert "document" not in done["writes"][0]
    assert {write["shows"] for write in done["writes"]} == {True}
    assert [reached["state"] for reached in done["times"]] == [
        "planned",
        "committed",
        "applied",
        "finished",
    ]
    assert [write["recordId"] for write in done["writes"]] == [
        write["recordId"] for write in story["writes"]
    ]
    shown = commands.run("journal", "show", txid).stdout
    assert f"held         contribution:{cid}" in shown


def test_a_living_coordinators_transaction_is_shown_as_such(commands: Commands) -> None:
    with Grove.open(commands.folder, background=False) as grove:
        done = grove.contribute(kind="work", summary="at work", agent=CODER)
        (row,) = commands.json("journal", "ls")
        assert (row["txid"], row["coordinatorLives"]) == (done.txid, True)
        assert "(lives)" in commands.run("journal", "show", done.txid).stdout


def test_the_journal_lists_the_newest_first_and_finds_the_oldest(commands: Commands) -> None:
    txids = [commands.contribute(f"{number}")["txid"] for number in range(12)]
    listed = [row["txid"] for row in commands.json("journal", "ls", "--limit", "3")]
    assert listed == txids[:-4:-1]
    assert commands.json("journal", "show", txids[0])["txid"] == txids[0]


def test_a_transaction_that_never_was(commands: Commands) -> None:
    unknown = "tx-019a8c33d2f0-1-6c1f09"
    assert commands.error("journal", "show", unknown, status=3)["code"] == "NOT_FOUND"
    assert commands.json("outcome", unknown)["outcome"] == "aborted"
    # What was told is from then on so.
    assert commands.json("journal", "show", unknown)["state"] == "aborted"
    for command in (("outcome", "x"), ("journal", "show", "x")):
        assert commands.error(*command, status=2)["facts"]["field"] == "txid"


def test_a_store_that_is_not_there_hides_only_its_part(commands: Commands) -> None:
    txid = abandon(commands)
    for file in commands.folder.glob("stores.db*"):
        file.unlink()
    story = commands.json("journal", "show", txid)
    assert all("shows" not in write for write in story["writes"])
    assert {"there is no such file" in write["found"] for write in story["writes"]} == {True}
    assert "(unknown)" in commands.run("journal", "show", txid).stdout
    # Looking makes nothing.
    assert not list(commands.folder.glob("stores.db*"))


def test_a_damaged_transaction_is_told_as_far_as_it_is_known(commands: Commands) -> None:
    txid = abandon(commands)
    damage(commands, "head = 'x'")
    story = commands.json("journal", "show", txid)
    assert "operation" not in story
    assert "is corrupt" in story["damage"]
    # Its redo repeats this.
    assert {write["shows"] for write in story["writes"]} == {True}
    assert story["writes"][0]["document"]["summary"] == "last words"
    assert story["keys"]
    (listed,) = commands.json("journal", "ls")
    assert "operation" not in listed
    assert "(damaged)" in commands.run("journal", "ls").stdout


def damage(commands: Commands, change: str) -> None:
    with closing(sqlite3.connect(commands.folder / "journal.db")) as journal, journal:
        journal.execute(f"UPDATE transactions SET {change}")


# heuristic outcomes


def test_what_waits_is_listed_and_told(commands: Commands, meddled: Meddled) -> None:
    waiting = commands.json("journal", "heuristics")
    assert [(w["txid"], w["collection"], w["recordId"]) for w in waiting] == [
        (meddled.txid, "claims", meddled.claim_id),
        (meddled.txid, "bounties", meddled.bounty_id),
    ]
    claim, bounty = waiting
    assert (claim["expected"], claim["found"]) == ("no record", "revision 1 by somebody")
    assert (bounty["expected"], bounty["found"]) == ("revision 1", "revision 2 by somebody")
    assert (claim["meant"]["intentSummary"], claim["standing"]["intentSummary"]) == (
        "ours",
        "theirs",
    )
    assert (bounty["meant"]["status"], bounty["standing"]["status"]) == ("claimed", "open")
    shown = commands.run("journal", "heuristics").stdout
    assert meddled.claim_id in shown
    story = commands.json("journal", "show", meddled.txid)
    assert story["heuristics"] == waiting
    assert [write["shows"] for write in story["writes"]] == [False, False]
    told = commands.run("journal", "show", meddled.txid).stdout
    assert "expected           no record" in told
    assert "\x1b" not in told
    assert "journal resolve" in commands.run("audit", status=8).stdout


@pytest.mark.parametrize(("choice", "expected"), [("--keep", THEIRS), ("--write", OURS)])
def test_a_script_resolves_all_of_a_transaction(
    commands: Commands, meddled: Meddled, choice: str, expected: tuple[str, str, str]
) -> None:
    done = commands.json("journal", "resolve", meddled.txid, choice, "--yes", "--by", "alice")
    assert [each["resolved"]["by"] for each in done] == ["alice", "alice"]
    assert [each["resolved"]["action"] for each in done] == [choice.strip("-")] * 2
    assert contents(commands) == expected
    assert commands.json("journal", "heuristics") == []
    assert commands.run("journal", "heuristics").stdout == "no heuristic outcomes wait\n"
    assert commands.json("journal", "heuristics", "--all") == done
    assert commands.json("journal", "show", meddled.txid)["heuristics"] == done
    assert "alice chose so at" in commands.run("journal", "show", meddled.txid).stdout
    if choice == "--write":
        commands.run("audit")
    again = commands.error("journal", "resolve", meddled.txid, "--keep", "--yes", status=4)
    assert "by alice" in again["message"] or "alice chose so" in again["message"]


def test_a_person_is_shown_both_and_asked_for_each(commands: Commands, meddled: Meddled) -> None:
    answers = b"what?\nwrite\ny\n\n"
    shown = commands.run("journal", "resolve", meddled.txid, stdin=answers).stdout
    assert '"intentSummary": "ours"' in shown
    assert '"intentSummary": "theirs"' in shown
    assert f"{getpass.getuser()} chose so at" in shown
    assert shown.splitlines()[-1] == "left as it is"
    assert contents(commands) == ("ours", TITLE, "open")
    (waits,) = commands.json("journal", "heuristics")
    assert waits["recordId"] == meddled.bounty_id


@pytest.mark.parametrize("answers", [b"leave\nleave\n", b"keep\nn\nwrite\nn\n", b"\n\n"])
def test_who_says_no_changes_nothing(commands: Commands, meddled: Meddled, answers: bytes) -> None:
    shown = commands.run("journal", "resolve", meddled.txid, stdin=answers).stdout
    assert shown.count("left as it is") == 2
    assert len(commands.json("journal", "heuristics")) == 2
    assert contents(commands) == THEIRS


@pytest.mark.parametrize("named", ["{id}", "claims {id}"])
def test_one_record_of_several_is_resolved(
    commands: Commands, meddled: Meddled, named: str
) -> None:
    record = named.format(id=meddled.claim_id)
    commands.run("journal", "resolve", meddled.txid, "--record", record, "--keep", stdin=b"y\n")
    (waits,) = commands.json("journal", "heuristics")
    assert waits["recordId"] == meddled.bounty_id


WRONG = {
    "--yes": (("--yes",), "must come with --keep or --write"),
    "--write": (("--keep", "--write", "--yes"), "must not come with --keep"),
    "by": (("--keep", "--yes", "--by", " "), "must not be empty"),
}


@pytest.mark.parametrize(("field", "case"), WRONG.items(), ids=WRONG)
def test_what_is_not_clear_is_refused(
    commands: Commands, meddled: Meddled, field: str, case: tuple[tuple[str, ...], str]
) -> None:
    options, rule = case
    error = commands.error("journal", "resolve", meddled.txid, *options, status=2)
    assert (error["facts"]["field"], error["facts"]["rule"]) == (field, rule)
    assert len(commands.json("journal", "heuristics")) == 2


def test_where_nobody_can_be_asked_nothing_is_done(commands: Commands, meddled: Meddled) -> None:
    damaged = abandon(commands)
    damage(commands, f"redo = 'x' WHERE txid = '{damaged}'")
    for command in (
        ("resolve", meddled.txid),
        ("resolve", meddled.txid, "--keep"),
        ("discard", damaged),
    ):
        told = commands.run("journal", *command, status=2)
        assert "--yes is required where nobody can be asked" in told.stderr
        error = commands.error("journal", *command, status=2)
        assert error["facts"]["field"] == "--yes"
    assert len(commands.json("journal", "heuristics")) == 2
    assert commands.json("journal", "show", damaged)["interventions"] == []


def test_what_has_no_outcome_is_not_resolved(commands: Commands, meddled: Meddled) -> None:
    keep = ("--keep", "--yes")
    error = commands.error("journal", "resolve", "tx-1", *keep, status=3)
    assert error["message"] == "heuristic outcome of tx-1 was not found"
    error = commands.error("journal", "resolve", meddled.txid, "--record", "x", *keep, status=3)
    assert error["message"] == f"heuristic outcome of {meddled.txid} on x was not found"


# letting go


def test_a_damaged_transaction_is_let_go_of_and_its_parts_are_resolved(commands: Commands) -> None:
    txid = abandon(commands, applied=False)
    damage(commands, "head = 'x'")
    commands.run("recover", status=8)
    commands.run("claim", "file:a", "--agent", "a", "--intent", "i")
    commands.run("contributions", status=7)
    asked = commands.run("journal", "discard", txid, "--by", "alice", stdin=b"y\n")
    assert "is corrupt" in asked.stdout
    assert "its damaged record was let go of" in asked.stdout
    story = commands.json("journal", "show", txid)
    assert (story["state"], story["outcome"], story["holdsKeys"]) == (
        "finished",
        "committed",
        False,
    )
    assert story["interventions"][0]["by"] == "alice"
    commands.run("recover")
    assert commands.records("contributions") == []
    assert (
        commands.json("audit", status=8)["violations"][0]["rule"] == "what was committed is there"
    )
    commands.run("journal", "resolve", txid, "--write", "--yes")
    commands.run("audit")
    (found,) = commands.records("contributions")
    assert found["summary"] == "last words"


def test_who_does_not_want_it_let_go_of_keeps_it(commands: Commands) -> None:
    txid = abandon(commands)
    damage(commands, "redo = 'x'")
    shown = commands.run("journal", "discard", txid, stdin=b"n\n").stdout
    assert shown.splitlines()[-1] == "left as it is"
    assert commands.json("recover", status=8)["inDoubt"] == [txid]
    story = commands.json("journal", "discard", txid, "--yes")
    assert story["interventions"][0]["by"] == getpass.getuser()
    commands.run("recover")


def test_what_is_not_damaged_is_not_let_go_of(commands: Commands) -> None:
    txid = commands.contribute("whole")["txid"]
    error = commands.error("journal", "discard", txid, "--yes", status=3)
    assert error["message"] == f"unfinished transaction {txid} was not found"
    commands.error("journal", "discard", "tx-019a8c33d2f0-1-6c1f09", "--yes", status=3)
