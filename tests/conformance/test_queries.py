"""What readers ask for: filters, ranges, words, either order, and counts, the same in every store.

What each query has to find is said by a predicate of its own, not by the library's.
"""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import pytest

from grove_sm.commit.contract import Participant, Snapshot
from grove_sm.operations.plan import Find, Stored, Write
from grove_sm.operations.query import Between, Place, Query, place_of
from grove_sm.operations.words import parse_search

Document = dict[str, Any]

TIMES: Final = {
    "2026-01-01T00:00:00.000Z": "2026-01-01T00:00:00.000Z",
    "2026-01-01T06:00:00+05:30": "2026-01-01T00:30:00.000Z",
    "2026-01-01T00:45:00.1239Z": "2026-01-01T00:45:00.123Z",
    "2026-01-01t01:00z": "2026-01-01T01:00:00.000Z",
    "2025-12-31T20:15:00-05:00": "2026-01-01T01:15:00.000Z",
    "2026-01-01T01:30:00,5Z": "2026-01-01T01:30:00.500Z",
}
"""Times as they were given, and in their normal form, in order."""

SUMMARIES: Final = (
    "Fused kernel",
    "Kernel, fused late",
    "Größe des Cafés: naïve",
    "内核 tuned",
    "state_machine rewritten",
    "p99 below 5 ms 🚀",
    "nothing to see",
)


def contribution(number: int) -> tuple[str, Document]:
    """One of many contributions, no two of them alike in all that is asked for."""
    document: Document = {
        "kind": ("work", "review", "plan")[number % 3],
        "mode": ("evaluation", "exploration")[number % 2],
        "summary": SUMMARIES[number % len(SUMMARIES)],
        "tags": [("fast", "slow", "näh\0er")[n] for n in range(3) if number % (n + 2) == 0],
        "relations": [
            {"targetCid": f"cid-{target}", "relationType": "adopts"}
            for target in {number // 5, number // 3}
        ],
        "agent": {"agentId": f"agent-{number % 4}"},
        "createdAt": list(TIMES)[number % len(TIMES)],
    }
    if number % 4:
        document["agent"]["role"] = ("coder", "reviewer")[number % 2]
    if number % 5 == 0:
        document["description"] = "A fused kernel; the summary does not say so."
    return f"cid-{number * 7919 % 1000:03}", document


CONTRIBUTIONS: Final = dict(map(contribution, range(60)))


def created(document: Document) -> str:
    return TIMES[document["createdAt"]]


def has(*names: str) -> Callable[[Document], bool]:
    """Whether one of these words, as plain text, is in what is searched."""

    def found(document: Document) -> bool:
        text = f"{document['summary']} {document.get('description', '')}".lower()
        return any(name in text for name in names)

    return found


def _any(_: Document) -> bool:
    return True


def _none(_: Document) -> bool:
    return False


Case = tuple[dict[str, Any], Callable[[Document], bool]]
CASES: Final[dict[str, Case]] = {
    "everything": ({}, _any),
    "kind": ({"where": (("kind", "review"),)}, lambda d: d["kind"] == "review"),
    "mode": ({"where": (("mode", "exploration"),)}, lambda d: d["mode"] == "exploration"),
    "agent": ({"where": (("agentId", "agent-3"),)}, lambda d: d["agent"]["agentId"] == "agent-3"),
    "role": ({"where": (("role", "coder"),)}, lambda d: d["agent"].get("role") == "coder"),
    "tag": ({"where": (("tag", "slow"),)}, lambda d: "slow" in d["tags"]),
    "odd tag": ({"where": (("tag", "näh\0er"),)}, lambda d: "näh\0er" in d["tags"]),
    "a part of a tag": ({"where": (("tag", "näh"),)}, _none),
    "tags": (
        {"where": (("tag", "slow"), ("tag", "fast"))},
        lambda d: {"slow", "fast"} <= set(d["tags"]),
    ),
    "target": (
        {"where": (("targetCid", "cid-3"),)},
        lambda d: any(r["targetCid"] == "cid-3" for r in d["relations"]),
    ),
    "target and kind": (
        {"where": (("targetCid", "cid-3"), ("kind", "work"))},
        lambda d: any(r["targetCid"] == "cid-3" for r in d["relations"]) and d["kind"] == "work",
    ),
    "one of several kinds": (
        {"among": (("kind", ("plan", "work", "none")),)},
        lambda d: d["kind"] != "review",
    ),
    "one of several tags": (
        {"among": (("tag", ("slow", "fast")),)},
        lambda d: bool({"slow", "fast"} & set(d["tags"])),
    ),
    "one of none": ({"among": (("kind", ()),)}, _none),
    "since": (
        {"between": (Between("createdAt", since="2026-01-01T00:45:00.123Z"),)},
        lambda d: created(d) >= "2026-01-01T00:45:00.123Z",
    ),
    "before": (
        {"between": (Between("createdAt", before="2026-01-01T00:45:00.123Z"),)},
        lambda d: created(d) < "2026-01-01T00:45:00.123Z",
    ),
    "between, of a tag": (
        {
            "where": (("tag", "fast"),),
            "between": (
                Between("createdAt", "2026-01-01T00:30:00.000Z", "2026-01-01T01:15:00.000Z"),
            ),
        },
        lambda d: (
            "fast" in d["tags"]
            and "2026-01-01T00:30:00.000Z" <= created(d) < "2026-01-01T01:15:00.000Z"
        ),
    ),
    "two words": ({"text": "kernel FUSED"}, has("kernel")),
    "a phrase": ({"text": '"fused kernel"'}, has("fused kernel")),
    "a phrase with punctuation": ({"text": "kernel,fused"}, has("kernel, fused")),
    "the beginning of a word": ({"text": "ker*"}, has("kernel")),
    "the beginning of a phrase's last": ({"text": '"fused k"*'}, has("fused kernel")),
    "a word cut short without a star": ({"text": "ker"}, _none),
    "without accents": ({"text": "grosse naive"}, has("größe")),
    "with accents": ({"text": "CAFÉS"}, has("cafés")),
    "one character of many": ({"text": "核"}, has("内核")),
    "characters in a row": ({"text": "内核"}, has("内核")),
    "characters the other way round": ({"text": "核内"}, _none),
    "joined words": ({"text": "state_machine"}, has("state_machine")),
    "a picture": ({"text": "🚀"}, has("🚀")),
    "across two fields": ({"text": '"late a"'}, _none),
    "words that mean something to others": ({"text": "fused OR kernel"}, _none),
    "NEAR(fused kernel)": ({"text": "NEAR(fused kernel)"}, _none),
    "words of a kind and tag": (
        {"text": "kernel", "where": (("kind", "work"), ("tag", "fast"))},
        lambda d: has("kernel")(d) and d["kind"] == "work" and "fast" in d["tags"],
    ),
    "words since": (
        {
            "text": "kernel",
            "between": (Between("createdAt", since="2026-01-01T01:00:00.000Z"),),
        },
        lambda d: has("kernel")(d) and created(d) >= "2026-01-01T01:00:00.000Z",
    ),
}


def query(asked: dict[str, Any], *, newest_first: bool = False) -> Query:
    rest = {name: value for name, value in asked.items() if name != "text"}
    terms = parse_search(asked["text"]) if "text" in asked else ()
    return Query("contributions", terms=terms, newest_first=newest_first, **rest)


def expected(admits: Callable[[Document], bool], *, newest_first: bool = False) -> list[str]:
    found = [(created(d), cid) for cid, d in CONTRIBUTIONS.items() if admits(d)]
    return [cid for _, cid in sorted(found, reverse=newest_first)]


def ids(found: tuple[Stored, ...]) -> list[str]:
    return [stored.record_id for stored in found]


def place(stored: Stored, collection: str = "contributions") -> Place:
    return place_of(collection, stored.record_id, json.loads(stored.document))


@pytest.fixture
def filled(store: Participant) -> Participant:
    """A store with all contributions, written in no order and in several transactions."""
    writes = [
        Write("contributions", cid, 0, json.dumps(document))
        for cid, document in CONTRIBUTIONS.items()
    ]
    for start in range(0, len(writes), 7):
        assert store.apply(f"tx-{start}", "[]", writes[start : start + 7]) == ()
    return store


@pytest.mark.parametrize(("asked", "admits"), CASES.values(), ids=CASES)
def test_a_query_finds_and_counts_what_it_asks_for(
    filled: Participant, asked: dict[str, Any], admits: Callable[[Document], bool]
) -> None:
    with filled.snapshot() as snapshot:
        for newest_first in (False, True):
            wanted = expected(admits, newest_first=newest_first)
            made = query(asked, newest_first=newest_first)
            assert ids(filled.page(made, None)) == ids(snapshot.page(made, None)) == wanted
            assert ids(filled.page(made, 3)) == wanted[:3]
            walked: list[Stored] = []
            while page := filled.page(made, 4, place(walked[-1]) if walked else None):
                walked += page
                assert len(walked) <= len(wanted), "it goes round in circles"
            assert ids(tuple(walked)) == wanted
        found = [d for d in CONTRIBUTIONS.values() if admits(d)]
        assert filled.counts(made, "kind") == Counter(d["kind"] for d in found)
        assert filled.counts(made, "role") == Counter(d["agent"].get("role", "") for d in found)
        assert snapshot.counts(made, "mode") == Counter(d["mode"] for d in found)


@pytest.mark.parametrize(
    ("asked", "admits"), [CASES[name] for name in CASES if "text" not in CASES[name][0]]
)
def test_a_read_goes_by_the_same_conditions(
    filled: Participant, asked: dict[str, Any], admits: Callable[[Document], bool]
) -> None:
    if set(asked) <= {"where"}:
        found = filled.read(Find("contributions", asked.get("where", ())))
        assert ids(found) == expected(admits)
        with filled.snapshot() as snapshot:
            assert snapshot.read(Find("contributions", asked.get("where", ()))) == found


def test_what_finds_a_record_follows_its_changes(store: Participant) -> None:
    """Contributions never change, but a store need not know that."""

    def put(base: int, summary: str, *tags: str, collection: str = "contributions") -> None:
        document = {"summary": summary, "tags": tags, "criteria": {"requiredTags": tags}}
        write = Write(collection, "a", base, json.dumps(document))
        assert store.apply(f"tx-{base}", "[]", (write,)) == ()

    def found(collection: str, *tags: str, text: str | None = None) -> list[str]:
        terms = parse_search(text) if text else ()
        where = tuple(("tag", tag) for tag in tags)
        return ids(store.page(Query(collection, where, terms=terms), None))

    for collection in ("contributions", "bounties"):
        put(0, "first", "x", "y", collection=collection)
        put(1, "second words", "y", "z", collection=collection)
        put(0, "first", "x", "y", collection=collection)
        assert found(collection, "x") == []
        assert found(collection, "y") == found(collection, "y", "z") == ["a"]
        with store.snapshot() as snapshot:
            assert [r for r in snapshot.scan(collection) if isinstance(r, Exception)] == []
    assert found("contributions", text="first") == []
    assert found("contributions", text="second") == ["a"]
    assert found("contributions", "z", text="words") == ["a"]


def test_what_was_undone_is_not_found(store: Participant) -> None:
    document = json.dumps({"summary": "undone", "tags": ["x"]})

    def apply_and_raise() -> None:
        with store.together():
            store.apply("tx-1", "[]", (Write("contributions", "a", 0, document),))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        apply_and_raise()
    assert store.page(Query("contributions", terms=parse_search("undone")), None) == ()
    assert store.page(Query("contributions", (("tag", "x"),)), None) == ()
    assert store.counts(Query("contributions"), "kind") == {}


def test_a_snapshot_finds_what_was_there(store: Participant) -> None:
    def put(number: int) -> None:
        document = {"summary": f"number {number}", "tags": ["x"], "kind": "work"}
        write = Write("contributions", f"cid-{number}", 0, json.dumps(document))
        store.apply(f"tx-{number}", "[]", (write,))

    def look(view: Participant | Snapshot) -> object:
        by_words = Query("contributions", terms=parse_search("number"))
        by_tag = Query("contributions", (("tag", "x"),))
        pages = [ids(view.page(asked, None)) for asked in (by_words, by_tag)]
        return pages, view.counts(by_words, "kind"), ids(view.read(Find("contributions", ())))

    put(1)
    before = look(store)
    with store.snapshot() as snapshot:
        put(2)
        assert look(snapshot) == before
    assert look(store) != before


def test_times_of_claims_are_ranges(store: Participant) -> None:
    beats = {"a": "2026-01-01T00:00:00.000Z", "b": "2026-01-01T00:01:00.000Z", "c": None}
    for name, beat in beats.items():
        document = {"status": "active"} | ({"heartbeatAt": beat} if beat else {})
        store.apply(f"tx-{name}", "[]", (Write("claims", name, 0, json.dumps(document)),))
    for since, before, found in (
        (None, "2026-01-01T00:01:00.000Z", ["a"]),
        ("2026-01-01T00:01:00.000Z", None, ["b"]),
        (None, None, ["a", "b"]),
    ):
        asked = Query(
            "claims", (("status", "active"),), between=(Between("heartbeatAt", since, before),)
        )
        assert ids(store.page(asked, None)) == found
