"""Lists: what filters mean, pages that follow each other, counts, and what is refused."""

import base64
import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest

from grove_sm import Agent, Contribution, Grove, Page, Route, StateConflict, ValidationError
from grove_sm.domain import format_time
from tests.groves import CODER, REVIEWER, SPONSOR, START, TOPOLOGY, Clock, Names

TESTER: Final = Agent(agent_id="tester-1", role="tester")
Lister = Callable[..., Page[Any]]


@pytest.fixture(params=["memory_grove", "file_grove"])
def grove(request: pytest.FixtureRequest) -> Grove:
    """A grove of either kind."""
    found: Grove = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def filled(grove: Grove, clock: Clock) -> Grove:
    """A grove with records in many states, a minute between any two operations."""

    def wait(seconds: float = 60) -> None:
        clock.advance(seconds)

    for number in range(4):
        grove.contribute(
            kind="work",
            mode="exploration" if number == 3 else "evaluation",
            summary=f"kernel {number}",
            agent=CODER if number % 2 else TESTER,
            tags=["fast", "even"] if number % 2 == 0 else ["fast"],
        )
        wait()
    first = grove.contributions.list(limit=1)[0]
    grove.review(first.cid, summary="Looks right", agent=REVIEWER)
    wait()
    grove.grant_credits(SPONSOR.agent_id, 100)
    grove.grant_credits(CODER.agent_id, 10)
    wait()
    grove.transfer_credits(SPONSOR.agent_id, CODER.agent_id, 5)
    grove.claim("file:a", agent=CODER, intent_summary="i", lease_seconds=7200)
    wait()
    grove.claim("file:b", agent=TESTER, intent_summary="i", lease_seconds=60)
    offers: Sequence[dict[str, Any]] = (
        {"deadline": format_time(clock.time.replace(hour=20))},
        {"criteria": {"description": "c", "requiredTags": ["fast"]}},
        {"draft": True},
    )
    for offer in offers:
        wait()
        arguments = {"title": "t", "amount": 10, "criteria": {"description": "c"}, **offer}
        grove.create_bounty(agent=SPONSOR, **arguments)
    grove.claim_bounty(grove.bounties.list()[1].bounty_id, agent=CODER)
    wait(1200)
    return grove


def summaries(page: Sequence[Contribution]) -> list[str]:
    return [record.summary for record in page]


CONTRIBUTIONS: Final[dict[str, tuple[dict[str, Any], list[int]]]] = {
    "everything": ({}, [0, 1, 2, 3, 4]),
    "kind": ({"kind": "review"}, [4]),
    "mode": ({"mode": "exploration"}, [3]),
    "agent": ({"agent_id": "coder-1"}, [1, 3]),
    "role": ({"role": "tester"}, [0, 2]),
    "tag": ({"tag": "fast"}, [0, 1, 2, 3]),
    "tags": ({"tag": ["fast", "even"]}, [0, 2]),
    "no tags": ({"tag": []}, [0, 1, 2, 3, 4]),
    "since": ({"since": "2026-01-01T12:02:00Z"}, [2, 3, 4]),
    "before": ({"before": "2026-01-01T12:02:00Z"}, [0, 1]),
    "since and before": (
        {"since": "2026-01-01T13:01:00+01:00", "before": START.replace(minute=3)},
        [1, 2],
    ),
    "several": ({"kind": "work", "role": "coder", "mode": "evaluation"}, [1]),
    "none": ({"agent_id": "nobody"}, []),
}


def test_filters_of_contributions(filled: Grove) -> None:
    names = ["kernel 0", "kernel 1", "kernel 2", "kernel 3", "Looks right"]
    view = filled.contributions
    for filters, found in CONTRIBUTIONS.values():
        wanted = [names[number] for number in found]
        assert summaries(view.list(**filters)) == wanted, filters
        assert summaries(view.list(**filters, newest_first=True)) == wanted[::-1]
        assert sum(view.counts(**filters).values()) == len(wanted)
        assert summaries(view.search("kern* right", **filters)) == []
        assert summaries(view.search("kernel", **filters)) == [w for w in wanted if "kernel" in w]


def test_contributions_by_what_they_relate_to(filled: Grove) -> None:
    first = filled.contributions.list(limit=1)[0]
    assert summaries(filled.contributions.list(target_cid=first.cid)) == ["Looks right"]


def test_filters_of_handoffs(filled: Grove, clock: Clock) -> None:
    def found(**filters: Any) -> int:
        page = filled.handoffs.list(**filters)
        assert sum(filled.handoffs.counts(**filters).values()) == len(page)
        return len(page)

    assert found() == 5
    assert found(to_role="reviewer") == 2
    assert found(to_role="coder", status="pending_pickup") == 1
    assert found(since="2026-01-01T12:02:00Z") == 3
    assert found(overdue=True) == 0
    assert filled.handoffs.counts("to_role") == {"coder": 1, "reviewer": 2, "tester": 2}


def test_overdue_handoffs_have_not_ended(clock: Clock, names: Names) -> None:
    stores = dict.fromkeys(("contributions", "handoffs", "claims", "bounties"), "memory://")
    topology: dict[str, list[str | Route]] = {
        "coder": [Route(to="reviewer", reply_seconds=60), "tester"]
    }
    with Grove.open(
        journal="memory://",
        stores=stores,
        topology=topology,
        clock=clock,
        random=names,
        background=False,
    ) as grove:
        for number in range(3):
            grove.contribute(kind="work", summary=f"{number}", agent=CODER)
        answered, delivered, waiting = (
            h.handoff_id for h in grove.handoffs.list(to_role="reviewer")
        )
        grove.review(grove.handoffs.get(answered).source_cid, summary="r", agent=REVIEWER)
        grove.pick_up(agent=REVIEWER)
        assert grove.handoffs.get(delivered).status == "delivered"
        clock.advance(60)
        assert grove.handoffs.list(overdue=True) == []
        clock.advance(0.001)
        found = grove.handoffs.list(overdue=True)
        assert {h.handoff_id for h in found} == {delivered, waiting}
        assert grove.handoffs.counts(overdue=True) == {"delivered": 1, "pending_pickup": 1}
        assert [h.handoff_id for h in grove.handoffs.list(overdue=True, status="delivered")] == [
            delivered
        ]
        grove.sweep()
        assert grove.handoffs.list(overdue=True) == []


def test_filters_of_claims(filled: Grove, clock: Clock) -> None:
    def targets(**filters: Any) -> list[str]:
        page = filled.claims.list(**filters)
        assert sum(filled.claims.counts(**filters).values()) == len(page)
        return [claim.target_ref.partition(":")[2][:1] for claim in page]

    assert targets() == ["a", "b", "b"]
    assert targets(agent_id="tester-1") == ["b"]
    assert targets(target_ref="file:a", status="active") == ["a"]
    assert targets(status="released") == []
    assert filled.claims.counts("agent_id") == {"coder-1": 2, "tester-1": 1}


def test_stalled_claims_are_held_and_have_no_heart_beat(filled: Grove, clock: Clock) -> None:
    # The lease of the second has run out, and the bounty's was begun 20 minutes ago.
    kept = filled.claims.list(target_ref="file:a")[0]
    assert filled.claims.list(stalled_after=3600) == []
    since = (clock.time - START).total_seconds() - 360
    assert [c.claim_id for c in filled.claims.list(stalled_after=since)] == [kept.claim_id]
    assert filled.claims.list(stalled_after=since + 0.001) == []
    assert len(filled.claims.list(stalled_after=1200)) == 2
    assert {c.claim_id for c in filled.claims.list(stalled_after=1200)} == {
        c.claim_id for c in filled.stalled(after=1200)
    }
    filled.heartbeat(kept.claim_id)
    assert kept.claim_id not in {c.claim_id for c in filled.claims.list(stalled_after=1200)}


def test_filters_of_bounties(filled: Grove) -> None:
    def found(**filters: Any) -> list[str]:
        page = filled.bounties.list(**filters)
        assert sum(filled.bounties.counts(**filters).values()) == len(page)
        return [bounty.status for bounty in page]

    assert found() == ["open", "claimed", "draft"]
    assert found(status="draft") == ["draft"]
    assert found(creator_id="sponsor-1") == ["open", "claimed", "draft"]
    assert found(claimant_id="coder-1") == ["claimed"]
    assert found(tag="fast") == ["claimed"]
    assert found(tag=["fast", "slow"]) == []
    assert found(deadline_before="2026-01-02T00:00:00Z") == ["open"]
    assert found(deadline_since="2026-01-02T00:00:00Z") == ["claimed", "draft"]
    assert filled.bounties.counts("claimant_id") == {"": 2, "coder-1": 1}


def test_credits_are_listed_by_what_they_are(filled: Grove) -> None:
    credits = filled.credits
    assert [a.agent_id for a in credits.accounts.list()] == ["coder-1", "sponsor-1"]
    assert credits.accounts.get("coder-1") == credits.balance("coder-1")
    assert credits.accounts.counts() == {"account": 2}
    assert [g.amount for g in credits.grants.list()] in ([100, 10], [10, 100])
    (grant,) = credits.grants.list(agent_id="coder-1")
    assert credits.grants.get(grant.grant_id) == grant
    assert credits.grants.counts() == {"coder-1": 1, "sponsor-1": 1}
    assert {r.status for r in credits.reservations.list(agent_id="sponsor-1")} == {"held"}
    assert credits.reservations.list(status="voided") == []
    assert credits.reservations.counts() == {"held": 2}
    (transfer,) = credits.transfers.list(to_agent_id="coder-1")
    assert credits.transfers.list(from_agent_id="sponsor-1") == [transfer]
    assert credits.transfers.list(from_agent_id="coder-1") == []
    assert credits.transfers.counts("to_agent_id") == {"coder-1": 1}


def test_without_credits_there_are_none_to_list(clock: Clock, names: Names) -> None:
    stores = dict.fromkeys(("contributions", "handoffs", "claims", "bounties"), "memory://")
    with Grove.open(journal="memory://", stores=stores, background=False) as grove:
        for view in (grove.credits.accounts, grove.credits.grants):
            with pytest.raises(StateConflict, match="it has no credits"):
                view.list()
            with pytest.raises(StateConflict, match="it has no credits"):
                view.get("a")
        assert "credits" not in grove.counts()


def test_all_counts_at_once(filled: Grove) -> None:
    assert filled.counts() == {
        "contributions": {"review": 1, "work": 4},
        "handoffs": {"pending_pickup": 5},
        "claims": {"active": 3},
        "bounties": {"claimed": 1, "draft": 1, "open": 1},
        "credits": {"account": 2, "grant": 2, "reservation": 2, "transfer": 1},
    }


# Pages


def listers(grove: Grove) -> dict[str, Lister]:
    return {
        "contributions": grove.contributions.list,
        "search": lambda **more: grove.contributions.search("kernel", **more),
        "handoffs": grove.handoffs.list,
        "claims": grove.claims.list,
        "bounties": grove.bounties.list,
        "accounts": grove.credits.accounts.list,
        "reservations": grove.credits.reservations.list,
    }


@pytest.mark.parametrize("newest_first", [False, True])
def test_pages_one_after_the_other_are_the_list(filled: Grove, newest_first: bool) -> None:
    for lister, size in itertools.product(listers(filled).values(), (1, 2, 3, 100)):
        everything = lister(newest_first=newest_first)
        assert everything.next is None
        walked: list[Any] = []
        cursor = None
        while True:
            page = lister(newest_first=newest_first, limit=size, cursor=cursor)
            assert len(page) <= size
            walked += page
            cursor = page.next
            if cursor is None:
                break
            assert len(page) == size
        assert walked == list(everything)


def test_a_cursor_stays_good_while_records_are_added(filled: Grove, clock: Clock) -> None:
    first = filled.contributions.list(limit=2)
    last = filled.contributions.list(limit=2, newest_first=True)
    filled.contribute(kind="plan", summary="newest", agent=TESTER)
    filled.contribute(kind="plan", summary="oldest", agent=TESTER, created_at=START.replace(hour=1))
    filled.contribute(
        kind="plan", summary="between", agent=TESTER, created_at=START.replace(minute=1, second=30)
    )
    following = filled.contributions.list(cursor=first.next)
    assert summaries(following) == [
        "between",
        "kernel 2",
        "kernel 3",
        "Looks right",
        "newest",
    ]
    preceding = filled.contributions.list(cursor=last.next, newest_first=True)
    assert summaries(preceding) == ["kernel 2", "between", "kernel 1", "kernel 0", "oldest"]


def test_a_cursor_stays_good_while_records_change(filled: Grove) -> None:
    page = filled.claims.list(status="active", limit=1)
    filled.release(page[0].claim_id)
    following = filled.claims.list(status="active", cursor=page.next)
    assert [c.claim_id for c in following] == [
        c.claim_id for c in filled.claims.list(status="active")
    ]


def test_a_page_of_nothing_leads_nowhere(filled: Grove) -> None:
    assert filled.contributions.list(limit=0).next is None
    assert filled.contributions.list(kind="response").next is None


def forged(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


RULE: Final = "cursor must be the next of an earlier page of the same list, unchanged"


NO_CURSORS: Final = (
    "", "x", "!", "é", "\ud800", "A" * 10_000, "bnVsbA", forged(), forged("a", "b", "c"),
    forged(1, 2, 3), forged("a", "b"), base64.urlsafe_b64encode(b"[" * 5000).decode(), 1, b"x",
)  # fmt: skip


def test_what_is_no_cursor_is_refused(filled: Grove) -> None:
    for lister, cursor in itertools.product(listers(filled).values(), NO_CURSORS):
        with pytest.raises(ValidationError) as caught:
            lister(cursor=cursor)
        assert caught.value.field == "cursor"
        assert caught.value.message.startswith(RULE)


def test_a_cursor_belongs_to_one_list(filled: Grove) -> None:
    cursor = filled.contributions.list(kind="work", limit=1).next
    assert filled.contributions.list(kind="work", cursor=cursor)
    for asked in ({}, {"kind": "review"}, {"kind": "work", "newest_first": True}):
        with pytest.raises(ValidationError, match=RULE):
            filled.contributions.list(**asked, cursor=cursor)
    with pytest.raises(ValidationError, match=RULE):
        filled.contributions.search("kernel", kind="work", cursor=cursor)
    with pytest.raises(ValidationError, match=RULE):
        filled.handoffs.list(cursor=cursor)
    assert cursor is not None
    with pytest.raises(ValidationError, match=RULE):
        filled.contributions.list(kind="work", cursor=cursor[:-4] + "AAAA")


# Refusals


BAD: Final[dict[str, tuple[str, dict[str, Any], str]]] = {
    "kind": ("contributions", {"kind": "worked"}, "kind must be one of work, review, discussion, "
             "adoption, reproduction, plan, ask_user, response (got 'worked')"),
    "mode": ("contributions", {"mode": ""}, "mode must be one of evaluation, exploration (got '')"),
    "agent": ("contributions", {"agent_id": 7}, "agentId must be a string (got 7)"),
    "role": ("contributions", {"role": "\ud800"}, "role must not hold a lone surrogate"),
    "tag": ("contributions", {"tag": 7}, "tag must be a string, or a list of strings (got 7)"),
    "tags": ("contributions", {"tag": ["a", None]}, "tag must be a string (got None)"),
    "target": ("contributions", {"target_cid": 1}, "targetCid must be a string (got 1)"),
    "time": ("contributions", {"since": "yesterday"},
             "since must be a time such as 2026-01-01T18:30:00.000Z (got 'yesterday')"),
    "time without zone": ("contributions", {"before": "2026-01-01T00:00:00"},
                          "before must be a time with a zone, such as Z or +05:30 (got "),
    "order": ("contributions", {"newest_first": "yes"},
              "newestFirst must be true or false (got 'yes')"),
    "limit": ("contributions", {"limit": -1},
              "limit must be a whole number of at least 0 (got -1)"),
    "handoff status": ("handoffs", {"status": "lost"}, "status must be one of pending_pickup, "
                       "delivered, processed, replied, expired, dead_lettered (got 'lost')"),
    "overdue": ("handoffs", {"overdue": "yes"}, "overdue must be true or false (got 'yes')"),
    "claim status": ("claims", {"status": "gone"},
                     "status must be one of active, released, completed, expired (got 'gone')"),
    "stalled": ("claims", {"stalled_after": -1}, "stalledAfter must be"),
    "bounty status": ("bounties", {"status": "x"}, "status must be one of draft, open, claimed, "
                      "completed, settled, expired, cancelled (got 'x')"),
    "deadline": ("bounties", {"deadline_before": "soon"}, "deadlineBefore must be a time such as"),
}  # fmt: skip


@pytest.mark.parametrize(("view", "filters", "message"), BAD.values(), ids=BAD)
def test_a_filter_that_cannot_be_is_refused(
    memory_grove: Grove, view: str, filters: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        getattr(memory_grove, view).list(**filters)
    assert caught.value.message.startswith(message)


def test_a_filter_that_there_is_not_is_no_argument(memory_grove: Grove) -> None:
    for view in (memory_grove.contributions, memory_grove.handoffs, memory_grove.claims):
        with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
            view.list(colour="red")  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match=r"by must be one of kind, mode, agent_id, role"):
        memory_grove.contributions.counts("summary")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "text must hold a word to look for: letters or digits (got '')"),
        ("?!", "text must hold a word to look for: letters or digits (got '?!')"),
        ('say "hello', "text must close every quotation mark (got 'say \"hello')"),
        ("*", "text must have * at the end of a word only, as in kern* (got '*')"),
        ("a*b", "text must have * at the end of a word only, as in kern* (got 'a*b')"),
        ('"a* b"', "text must have * at the end of a word only, as in kern*"),
        ("x" * 1025, "text must have at most 1024 characters"),
        ("x " * 65, "text must hold at most 64 words and phrases"),
        (None, "text must be a string (got None)"),
        ("\ud800", "text must not hold a lone surrogate"),
    ],
)
def test_a_search_for_nothing_is_refused(grove: Grove, text: Any, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        grove.contributions.search(text)
    assert caught.value.message.startswith(message)
    if text is not None:
        with pytest.raises(ValidationError):
            grove.contributions.counts(text=text)


FOREIGN_WORDS: Final = (
    "AND", "OR NOT", "NEAR(a b)", "summary: a", "^a", "a + b", "-a", "(((", "a NEAR/2 b", "{a}",
    "'; DROP TABLE contributions; --", "a\0b", "%s", "\\", "x:y", "'x'", "|", "!", "&",
)  # fmt: skip


def test_what_means_something_to_a_database_is_text_like_any(grove: Grove) -> None:
    grove.contribute(kind="work", summary="a b", agent=TESTER)
    for text in FOREIGN_WORDS:
        if any(character.isalnum() for character in text):
            assert summaries(grove.contributions.search(text)) in ([], ["a b"])
        else:
            with pytest.raises(ValidationError, match="text must hold a word to look for"):
                grove.contributions.search(text)


def test_the_topology_is_the_one_that_these_tests_count_on() -> None:
    assert {role: list(targets) for role, targets in TOPOLOGY.items()} == {
        "coder": ["reviewer", "tester"],
        "reviewer": ["coder"],
    }
