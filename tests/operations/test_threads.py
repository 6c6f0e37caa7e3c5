"""Children, ancestors and threads: where a contribution leads, and where it comes from."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from grove_sm import Agent, Contribution, Corrupt, Grove, NotFound, Thread, ValidationError
from grove_sm.importing import import_lines
from grove_sm.lines import read_lines
from grove_sm.operations.layout import CONTRIBUTIONS
from grove_sm.stores.memory import MemoryStore
from tests.groves import CODER, REVIEWER, TOPOLOGY, Clock

HISTORY: Final = Path(__file__).parent.parent / "data" / "h11-history.jsonl"
TESTER: Final = Agent(agent_id="tester-1", role="tester")
CID: Final = "blake3:" + "0" * 64


@pytest.fixture(params=["memory_grove", "file_grove"])
def grove(request: pytest.FixtureRequest) -> Grove:
    """A grove of either kind."""
    found: Grove = request.getfixturevalue(request.param)
    return found


class Family:
    """Contributions by name: `a` leads to `b` and `c`, these to `d`, and that to `e`."""

    def __init__(self, grove: Grove, clock: Clock) -> None:
        self.cids: dict[str, str] = {}
        for name, targets in {
            "a": [],
            "b": [("derives_from", "a")],
            "c": [("reviews", "a"), ("responds_to", "a")],
            "d": [("derives_from", "b"), ("adopts", "c")],
            "e": [("derives_from", "d"), ("derives_from", "a")],
        }.items():
            relations = [
                {"relationType": relation, "targetCid": self.cids[target]}
                for relation, target in targets
            ]
            agent = REVIEWER if name == "c" else CODER if name == "a" else TESTER
            done = grove.contribute(kind="work", summary=name, agent=agent, relations=relations)
            self.cids[name] = done.cid
            clock.advance(1)

    def names(self, thread: Thread) -> list[str]:
        return [node.contribution.summary for node in thread.nodes]


@pytest.fixture
def family(grove: Grove, clock: Clock) -> Family:
    """Five contributions."""
    return Family(grove, clock)


def test_children_are_what_relates_to_it(grove: Grove, family: Family) -> None:
    def children(name: str, **more: object) -> list[str]:
        found = grove.contributions.children(family.cids[name], **more)  # type: ignore[arg-type]
        return [child.summary for child in found]

    assert children("a") == ["b", "c", "e"]
    assert children("a", newest_first=True) == ["e", "c", "b"]
    assert children("a", relation_type="derives_from") == ["b", "e"]
    assert children("a", relation_type="responds_to") == ["c"]
    assert children("b") == children("c") == ["d"]
    assert children("e") == []


@pytest.mark.parametrize("relation_type", [None, "derives_from"])
def test_children_come_in_pages(grove: Grove, family: Family, relation_type: str | None) -> None:
    everything = grove.contributions.children(family.cids["a"], relation_type=relation_type)
    walked: list[Contribution] = []
    cursor = None
    while True:
        page = grove.contributions.children(
            family.cids["a"], relation_type=relation_type, limit=1, cursor=cursor
        )
        walked += page
        cursor = page.next
        if cursor is None:
            break
    assert walked == list(everything)
    first = grove.contributions.children(family.cids["a"], limit=1)
    with pytest.raises(ValidationError, match="cursor must be"):
        grove.contributions.children(family.cids["b"], cursor=first.next)


def test_ancestors_are_nearest_first_and_each_once(grove: Grove, family: Family) -> None:
    found = grove.contributions.ancestors(family.cids["e"])
    assert family.names(found) == ["d", "a", "b", "c"]
    assert [node.depth for node in found.nodes] == [1, 1, 2, 2]
    assert found.nodes[2].via_cid == family.cids["d"]
    assert found.nodes[3].relation_type == "adopts"
    assert found.is_complete
    assert grove.contributions.ancestors(family.cids["a"]).nodes == ()
    by_type = grove.contributions.ancestors(family.cids["d"], relation_type="adopts")
    assert family.names(by_type) == ["c"]


def test_a_thread_is_a_tree_with_its_handoffs(grove: Grove, family: Family) -> None:
    found = grove.contributions.thread(family.cids["a"])
    assert family.names(found) == ["a", "b", "d", "c", "e"]
    assert [node.depth for node in found.nodes] == [0, 1, 2, 1, 1]
    assert [node.relation_type for node in found.nodes] == [
        None, "derives_from", "derives_from", "reviews", "derives_from",
    ]  # fmt: skip
    first, *_, review, _ = found.nodes
    assert {h.to_role: h.status for h in first.handoffs} == {
        "reviewer": "replied",
        "tester": "pending_pickup",
    }
    assert [h.to_role for h in review.handoffs] == ["coder"]
    assert family.names(grove.contributions.thread(family.cids["e"])) == ["e"]
    by_type = grove.contributions.thread(family.cids["a"], relation_type="derives_from")
    assert family.names(by_type) == ["a", "b", "d", "e"]


@pytest.mark.parametrize("limit", range(7))
def test_of_too_many_the_nearest_are_given(grove: Grove, family: Family, limit: int) -> None:
    thread = grove.contributions.thread(family.cids["a"], limit=limit)
    nearest = ["a", "b", "c", "e", "d"][: max(limit, 1)]
    assert sorted(family.names(thread)) == sorted(nearest)
    assert thread.is_complete == (limit >= 5)
    ancestors = grove.contributions.ancestors(family.cids["e"], limit=limit)
    assert family.names(ancestors) == ["d", "a", "b", "c"][:limit]
    assert ancestors.is_complete == (limit >= 4)


def test_a_real_history_is_one_thread(grove: Grove) -> None:
    with HISTORY.open("rb") as file:
        assert import_lines(grove, read_lines(file)).imported == 400
    view = grove.contributions
    begin, end = view.list(limit=1)[0], view.list(newest_first=True, limit=1)[0]
    thread = view.thread(begin.cid)
    assert thread.is_complete
    assert {node.contribution.cid for node in thread.nodes} == {c.cid for c in view.list()}
    assert max(node.depth for node in thread.nodes) > 200
    seen: set[str | None] = {None}
    for node in thread.nodes:
        assert node.via_cid in seen, "a node before what it follows from"
        seen.add(node.contribution.cid)
    ancestors = view.ancestors(end.cid)
    assert ancestors.nodes[-1].contribution == begin
    assert not view.ancestors(end.cid, limit=100).is_complete


def test_depth_has_no_end(memory_grove: Grove) -> None:
    cid = None
    depth = 3000
    for number in range(depth):
        relation = {"targetCid": cid, "relationType": "derives_from"}
        relations: list[Any] = [] if cid is None else [relation]
        done = memory_grove.contribute(
            kind="work", summary=f"{number}", agent=TESTER, relations=relations
        )
        cid = done.cid
    assert cid is not None
    found = memory_grove.contributions.ancestors(cid, limit=None)
    assert len(found.nodes) == depth - 1
    assert found.nodes[-1].depth == depth - 1


def test_a_thread_is_of_one_moment(file_grove: Grove) -> None:
    """No node is without its handoffs, and no reply without what it replies to."""
    begin = file_grove.contribute(kind="work", summary="begin", agent=CODER).cid
    done = threading.Event()

    def work_on() -> None:
        cid = begin
        while not done.is_set():
            cid = file_grove.review(cid, summary="r", agent=REVIEWER).cid
            relation = {"targetCid": cid, "relationType": "responds_to"}
            cid = file_grove.contribute(
                kind="work", summary="w", agent=CODER, relations=[relation]
            ).cid

    worker = threading.Thread(target=work_on)
    worker.start()
    try:
        for _ in range(15):
            thread = file_grove.contributions.thread(begin, limit=None)
            cids = {node.contribution.cid for node in thread.nodes}
            for node in thread.nodes:
                roles = [handoff.to_role for handoff in node.handoffs]
                assert sorted(roles) == sorted(TOPOLOGY[node.contribution.agent.role or ""])
                for handoff in node.handoffs:
                    assert handoff.resolved_by_cid is None or handoff.resolved_by_cid in cids
    finally:
        done.set()
        worker.join()
    assert len(thread.nodes) > 1


def test_what_is_not_there_has_no_family(grove: Grove, family: Family) -> None:
    view = grove.contributions
    for look in (view.children, view.ancestors, view.thread):
        with pytest.raises(NotFound) as caught:
            look(CID)
        assert caught.value.message == f"contribution {CID} was not found"
        with pytest.raises(ValidationError, match="id must be a string"):
            look(7)  # type: ignore[arg-type]
        with pytest.raises(ValidationError, match="relationType must be one of derives_from, "):
            look(family.cids["a"], relation_type="likes")
        with pytest.raises(ValidationError, match="limit must be a whole number"):
            look(family.cids["a"], limit=-1)


@pytest.fixture
def tables(memory_grove: Grove) -> Iterator[dict[str, object]]:
    """What the store of contributions holds, to be damaged."""
    store = memory_grove.coordinator.participants[CONTRIBUTIONS]
    assert isinstance(store, MemoryStore)
    with store._opened() as tables:
        yield tables[CONTRIBUTIONS]  # type: ignore[misc]


def test_an_ancestor_that_is_lost_is_named(
    memory_grove: Grove, clock: Clock, tables: dict[str, object]
) -> None:
    family = Family(memory_grove, clock)
    del tables[family.cids["b"]]
    with pytest.raises(Corrupt) as caught:
        memory_grove.contributions.ancestors(family.cids["e"])
    assert caught.value.what == f"contribution {family.cids['b']}"
    assert family.cids["d"] in caught.value.reason
