"""Commands that list, search, count and follow relations: what they print, and what they refuse."""

from pathlib import Path
from typing import Any, Final

import pytest

from tests.cli.running import Commands

HISTORY: Final = Path(__file__).parent.parent / "data" / "h11-history.jsonl"
NO_CID: Final = "blake3:" + "0" * 64


@pytest.fixture
def filled(commands: Commands) -> Commands:
    """A grove with a small discussion, a bounty and some credits."""
    begin = commands.contribute("Fused kernel", "--tag", "fast", "--description", "café")
    review = ("review", begin["cid"], "--summary", "Right", "--agent", "r-1", "--role", "reviewer")
    first = commands.json(*review)
    relation = ("--relation", f"responds_to={first['cid']}")
    commands.contribute("Fused, tuned", *relation, "--tag", "fast", "--tag", "tuned")
    commands.contribute("Another way", "--relation", f"derives_from={begin['cid']}")
    commands.run("credits", "grant", "sponsor", "100")
    commands.run("credits", "transfer", "sponsor", "a", "30")
    offer = ("bounty", "create", "--title", "t", "--criteria", "c", "--agent", "sponsor")
    commands.run(*offer, "--amount", "10", "--require-tag", "fast")
    commands.run(*offer, "--amount", "20", "--deadline", "2999-01-01T00:00:00Z")
    return commands


def summaries(commands: Commands, *args: str) -> list[str]:
    return [record["summary"] for record in commands.records(*args)]


def test_every_filter_of_contributions_reaches_the_list(filled: Commands) -> None:
    begin = filled.records("contributions", "--limit", "4")[0]

    def found(*options: str) -> list[str]:
        listed = summaries(filled, "contributions", *options)
        counted = filled.json("contributions", "--count", *options)
        assert counted["total"] == len(listed)
        return listed

    assert found("--newest-first")[0] == "Another way"
    assert found("--kind", "review") == ["Right"]
    assert found("--mode", "exploration") == []
    assert found("--role", "reviewer") == ["Right"]
    assert found("--agent", "r-1") == ["Right"]
    assert found("--tag", "fast") == ["Fused kernel", "Fused, tuned"]
    assert found("--tag", "fast", "--tag", "tuned") == ["Fused, tuned"]
    assert found("--target", begin["cid"]) == ["Right", "Another way"]
    assert found("--before", begin["createdAt"]) == []
    assert len(found("--since", begin["createdAt"])) == 4


def test_every_filter_of_the_other_lists_reaches_them(filled: Commands) -> None:
    def count(*args: str) -> int:
        total: int = filled.json(*args, "--count")["total"]
        assert len(filled.records(*args)) == total
        return total

    assert count("handoffs") == count("handoffs", "--since", "2000-01-01T00:00:00Z") == 4
    assert count("handoffs", "--overdue") == 0
    assert count("handoffs", "--status", "replied") == 2
    assert count("claims", "--stalled-after", "60") == 0
    filled.run("claim", "file:a", "--agent", "a", "--intent", "i")
    assert count("claims", "--stalled-after", "0.001") == 1
    assert count("claims", "--before", "2000-01-01T00:00:00Z") == 0
    assert count("bounty", "list", "--tag", "fast") == 1
    assert count("bounty", "list", "--creator", "sponsor") == 2
    assert count("bounty", "list", "--claimant", "a") == 0
    assert count("bounty", "list", "--deadline-before", "2998-01-01T00:00:00Z") == 1
    assert count("bounty", "list", "--deadline-since", "2998-01-01T00:00:00Z") == 1
    assert count("credits", "grants", "--agent", "sponsor") == 1
    assert count("credits", "reservations", "--status", "held", "--agent", "sponsor") == 2
    assert count("credits", "transfers", "--from", "sponsor", "--to", "a") == 1
    assert count("credits", "transfers", "--from", "a") == 0
    assert [a["agentId"] for a in filled.records("credits", "accounts")] == ["a", "sponsor"]


def test_a_list_is_walked_page_by_page(filled: Commands) -> None:
    for listing in (["contributions"], ["search", "fused"], ["handoffs"], ["bounty", "list"]):
        walked: list[Any] = []
        more: list[str] = []
        while True:
            page = filled.json(*listing, "--limit", "1", *more)
            walked += page["records"]
            if "next" not in page:
                break
            more = ["--cursor", page["next"]]
        assert walked == filled.records(*listing)
        assert len(walked) > 1


def test_a_table_says_how_to_go_on(filled: Commands) -> None:
    *_, last = filled.run("contributions", "--limit", "3").stdout.splitlines()
    said, _, cursor = last.rpartition(" ")
    assert said == "more follow: --cursor"
    shown = filled.run("contributions", "--limit", "3", "--cursor", cursor).stdout
    assert "Another way" in shown
    assert "more follow" not in shown


def test_a_search_finds_words_phrases_and_beginnings(filled: Commands) -> None:
    assert summaries(filled, "search", "FUSED") == ["Fused kernel", "Fused, tuned"]
    assert summaries(filled, "search", '"fused kernel"') == ["Fused kernel"]
    assert summaries(filled, "search", "tun*", "--tag", "tuned") == ["Fused, tuned"]
    assert summaries(filled, "search", "cafe") == ["Fused kernel"]
    assert filled.run("search", "nothing").stdout == "nothing found\n"
    assert filled.json("search", "fused", "--count") == {"total": 2, "counts": {"work": 2}}


def test_counts_tell_how_many_there_are(filled: Commands) -> None:
    assert filled.json("counts") == {
        "contributions": {"review": 1, "work": 3},
        "handoffs": {"pending_pickup": 2, "replied": 2},
        "claims": {},
        "bounties": {"open": 2},
        "credits": {"account": 2, "grant": 1, "reservation": 2, "transfer": 1},
    }
    rows = [line.split() for line in filled.run("counts").stdout.splitlines()]
    assert ["bounties", "open", "2"] in rows
    rows = [line.split() for line in filled.run("contributions", "--count").stdout.splitlines()]
    assert rows[2:] == [["review", "1"], ["work", "3"], ["total", "4"]]


def test_nothing_is_told_as_nothing(commands: Commands) -> None:
    assert commands.run("counts").stdout == "nothing is here yet\n"
    assert commands.run("contributions", "--count").stdout == "no contributions\n"
    assert commands.json("claims") == {"records": []}


def test_a_thread_is_drawn_as_a_tree(filled: Commands) -> None:
    begin = filled.records("contributions")[0]["cid"]
    lines = filled.run("thread", begin).stdout.splitlines()
    short = [line.partition(" (")[0] for line in lines]
    assert short == [
        "Fused kernel",
        "├─ reviews: Right",
        "│  responds_to: Fused, tuned",
        "└─ derives_from: Another way",
    ]
    assert lines[0] == f"Fused kernel (work by coder-1, {begin}) [reviewer replied]"
    found = filled.json("thread", begin)
    assert [node["depth"] for node in found["nodes"]] == [0, 1, 2, 1]
    assert found["isComplete"] is True
    assert found["nodes"][0]["handoffs"][0]["status"] == "replied"
    *_, last = filled.run("thread", begin, "--limit", "2").stdout.splitlines()
    assert last == "more follow: raise --limit"


def test_children_and_ancestors_are_listed(filled: Commands) -> None:
    begin, review, tuned, _ = (record["cid"] for record in filled.records("contributions"))
    assert summaries(filled, "children", begin) == ["Right", "Another way"]
    assert summaries(filled, "children", begin, "--relation", "reviews") == ["Right"]
    found = filled.json("ancestors", tuned)
    assert [node["contribution"]["cid"] for node in found["nodes"]] == [review, begin]
    assert [node["relationType"] for node in found["nodes"]] == ["responds_to", "reviews"]
    assert filled.run("ancestors", begin).stdout == "no ancestors\n"
    assert filled.run("children", tuned).stdout == "no children\n"
    shown = filled.run("ancestors", tuned, "--limit", "1").stdout.splitlines()
    assert shown[-1] == "more follow: raise --limit"


def test_a_real_history_is_drawn_to_its_end(commands: Commands) -> None:
    commands.run("import", str(HISTORY))
    begin = commands.json("contributions", "--limit", "1")["records"][0]["cid"]
    assert len(commands.run("thread", begin).stdout.splitlines()) == 400
    newest = commands.json("contributions", "--limit", "1", "--newest-first")["records"][0]["cid"]
    assert len(commands.json("ancestors", newest)["nodes"]) > 300


REFUSED: Final[dict[str, tuple[tuple[str, ...], int, str]]] = {
    "a search for nothing": (
        ("search", "?"),
        2,
        "text must hold a word to look for: letters or digits (got '?')",
    ),
    "an open quotation": (
        ("search", '"a'),
        2,
        "text must close every quotation mark (got '\"a')",
    ),
    "a star in a word": (
        ("search", "a*b"),
        2,
        "text must have * at the end of a word only, as in kern* (got 'a*b')",
    ),
    "a cursor": (
        ("contributions", "--cursor", "x"),
        2,
        "cursor must be the next of an earlier page of the same list, unchanged (got 'x')",
    ),
    "a time": (
        ("handoffs", "--since", "monday"),
        2,
        "since must be a time such as 2026-01-01T18:30:00.000Z (got 'monday')",
    ),
    "a deadline": (
        ("bounty", "list", "--deadline-before", "soon"),
        2,
        "deadlineBefore must be a time such as 2026-01-01T18:30:00.000Z (got 'soon')",
    ),
    "a mode": (
        ("search", "a", "--mode", "idle"),
        2,
        "mode must be one of evaluation, exploration (got 'idle')",
    ),
    "a count with a limit": (
        ("claims", "--count", "--limit", "3"),
        2,
        "--count must not come with --limit (got 3)",
    ),
    "a thread of nothing": (("thread", NO_CID), 3, f"contribution {NO_CID} was not found"),
    "children of nothing": (("children", "x"), 3, "contribution x was not found"),
    "ancestors by what is no relation": (
        ("ancestors", NO_CID, "--relation", "likes"),
        2,
        "relationType must be one of derives_from, responds_to, reviews, reproduces, adopts "
        "(got 'likes')",
    ),
}


@pytest.mark.parametrize(("args", "status", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_refused_in_these_words(
    commands: Commands, args: tuple[str, ...], status: int, message: str
) -> None:
    result = commands.run(*args, status=status)
    assert (result.stdout, result.stderr) == ("", f"grove-sm: {message}\n")
