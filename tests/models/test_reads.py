"""The model of reads by itself: what it answers where it is known what that should be."""

from grove_sm import Agent, Contribution
from models.reads import (
    Ancestors,
    Children,
    Counted,
    CountedAll,
    Found,
    Listed,
    Threaded,
    answer,
    every_read,
)
from models.records import Records

CODER = Agent(agent_id="coder-1", role="coder")


def made(minute: int, summary: str, *targets: Contribution) -> Contribution:
    return Contribution(
        kind="review" if targets else "work",
        summary=summary,
        agent=CODER,
        relations=[{"targetCid": each.cid, "relationType": "reviews"} for each in targets],  # type: ignore[misc]
        created_at=f"2026-01-01T12:{minute:02}:00.000Z",
    )


WORK = made(1, "Fused kernel")
ANSWER = made(2, "Kernel, fused", WORK)
LAST = made(3, "Right", ANSWER, WORK)
ALONE = made(4, "Kernels")
RECORDS = Records(contributions={each.cid: each for each in (ALONE, LAST, ANSWER, WORK)})


def test_lists_are_filtered_and_in_order() -> None:
    in_order = [WORK.cid, ANSWER.cid, LAST.cid, ALONE.cid]
    assert answer(RECORDS, Listed("contributions")) == in_order
    assert answer(RECORDS, Listed("contributions", newest_first=True)) == in_order[::-1]
    reviews = Listed("contributions", (("kind", "review"), ("role", "coder")))
    assert answer(RECORDS, reviews) == [ANSWER.cid, LAST.cid]
    assert answer(RECORDS, Listed("contributions", (("role", "tester"),))) == []


def test_words_are_found_in_a_row_or_by_their_beginning() -> None:
    assert answer(RECORDS, Found("kernel fused")) == [WORK.cid, ANSWER.cid]
    assert answer(RECORDS, Found('"fused kernel"')) == [WORK.cid]
    assert answer(RECORDS, Found("kern*")) == [WORK.cid, ANSWER.cid, ALONE.cid]
    assert answer(RECORDS, Found("kern")) == []


def test_relations_are_followed_by_the_shortest_way() -> None:
    assert answer(RECORDS, Threaded(WORK.cid)) == {
        WORK.cid: (0, set()), ANSWER.cid: (1, set()), LAST.cid: (1, set()),
    }  # fmt: skip
    assert answer(RECORDS, Ancestors(LAST.cid)) == {ANSWER.cid: 1, WORK.cid: 1}
    assert answer(RECORDS, Children(ANSWER.cid)) == [LAST.cid]


def test_what_is_there_is_counted() -> None:
    assert answer(RECORDS, Counted("contributions")) == {"work": 2, "review": 2}
    assert answer(RECORDS, CountedAll())["handoffs"] == {}


def test_reads_of_every_kind_are_asked() -> None:
    asked = {type(read) for read in every_read(RECORDS)}
    assert asked == {Listed, Found, Counted, CountedAll, Threaded, Ancestors, Children}
