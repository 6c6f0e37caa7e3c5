"""Contributing: routing, replies, duplicates, missing targets (Grove protocol, section 7)."""

import pytest

from grove_sm import Agent
from grove_sm.domain.errors import NotFound
from grove_sm.operations.plan import Expectation, Get
from tests.groves import CODER, NOW, REVIEWER

from .world import World, contribute, contribution, handoffs

TESTER = Agent(agent_id="tester-1", role="tester")
NOBODY = Agent(agent_id="nobody-1")
STRANGER = Agent(agent_id="stranger-1", role="stranger")
ABSENT = "blake3:" + "0" * 64

work = contribution("work", CODER)


def statuses(world: World) -> dict[str, str]:
    return {h.to_role: h.status for h in handoffs(world, sourceCid=work.cid)}


@pytest.mark.parametrize(
    ("agent", "routed_to"),
    [
        (CODER, ["reviewer", "tester"]),
        (REVIEWER, ["coder"]),
        (TESTER, []),
        (STRANGER, []),
        (NOBODY, []),
    ],
    ids=lambda value: value.agent_id if isinstance(value, Agent) else "",
)
def test_it_is_handed_to_each_role_that_its_agents_role_is_routed_to(
    world: World, agent: Agent, routed_to: list[str]
) -> None:
    made = contribution("s", agent)
    plan = world.do(contribute(made))
    assert plan.result["routedTo"] == routed_to
    found = handoffs(world)
    assert sorted(h.to_role for h in found) == sorted(routed_to)
    assert {h.handoff_id for h in found} == set(plan.result["handoffIds"])
    for handoff in found:
        assert handoff.source_cid == made.cid
        assert handoff.from_role == agent.role
        assert (handoff.status, handoff.created_at) == ("pending_pickup", NOW)
        assert not handoff.requires_reply
    assert world.documents("contributions") == [made.to_document()]


def test_a_role_named_twice_gets_one_handoff(world: World) -> None:
    topology = {"coder": ["reviewer", "reviewer", "tester"]}
    assert world.do(contribute(work, topology=topology)).result["routedTo"] == [
        "reviewer",
        "tester",
    ]


def test_a_role_may_hand_work_to_itself(world: World) -> None:
    world.do(contribute(work, topology={"coder": ["coder"]}))
    assert [h.to_role for h in handoffs(world)] == ["coder"]


@pytest.mark.parametrize(
    ("relation", "answers"),
    [
        ("reviews", True),
        ("responds_to", True),
        ("adopts", True),
        ("derives_from", False),
        ("reproduces", False),
    ],
)
def test_what_answers_a_handoff(world: World, relation: str, answers: bool) -> None:
    world.do(contribute(work))
    answer = contribution("answer", REVIEWER, (relation, work.cid))
    plan = world.do(contribute(answer))
    assert statuses(world) == {
        "reviewer": "replied" if answers else "pending_pickup",
        "tester": "pending_pickup",
    }
    replied = [h.handoff_id for h in handoffs(world, status="replied")]
    assert plan.result["repliedIds"] == replied
    assert [h.resolved_by_cid for h in handoffs(world, status="replied")] == (
        [answer.cid] if answers else []
    )


@pytest.mark.parametrize(
    ("agent", "replied"),
    [
        (REVIEWER, {"reviewer"}),
        (TESTER, {"tester"}),
        (CODER, set()),
        (STRANGER, set()),
        (NOBODY, {"reviewer", "tester"}),
    ],
    ids=lambda value: value.agent_id if isinstance(value, Agent) else "",
)
def test_who_answers_which_handoffs(world: World, agent: Agent, replied: set[str]) -> None:
    world.do(contribute(work))
    world.do(contribute(contribution("answer", agent, ("reviews", work.cid))))
    assert {role for role, status in statuses(world).items() if status == "replied"} == replied


def test_an_answer_answers_every_handoff_of_every_target(world: World) -> None:
    other = contribution("other", CODER)
    world.do(contribute(work))
    world.do(contribute(other))
    answer = contribution("answer", REVIEWER, ("reviews", work.cid), ("adopts", other.cid),
                          ("responds_to", work.cid))  # fmt: skip
    plan = world.do(contribute(answer))
    assert len(plan.result["repliedIds"]) == 2
    assert {h.source_cid for h in handoffs(world, status="replied")} == {work.cid, other.cid}


def test_a_second_answer_changes_no_resolved_handoff(world: World) -> None:
    world.do(contribute(work))
    first = contribution("first", REVIEWER, ("reviews", work.cid))
    world.do(contribute(first))
    plan = world.do(contribute(contribution("second", REVIEWER, ("reviews", work.cid))))
    assert plan.result["repliedIds"] == []
    assert [h.resolved_by_cid for h in handoffs(world, status="replied")] == [first.cid]


@pytest.mark.parametrize(
    ("status", "is_answered"),
    [
        ("pending_pickup", True),
        ("delivered", True),
        ("processed", True),
        ("expired", False),
        ("dead_lettered", False),
    ],
)
def test_only_an_unresolved_handoff_is_answered(
    world: World, status: str, is_answered: bool
) -> None:
    world.do(contribute(work))
    (handoff,) = handoffs(world, toRole="reviewer")
    changed = {**handoff.to_document(), "status": status}
    world.put("handoffs", handoff.handoff_id, changed)
    world.do(contribute(contribution("answer", REVIEWER, ("reviews", work.cid))))
    (found,) = handoffs(world, toRole="reviewer")
    assert found.status == ("replied" if is_answered else status)


@pytest.mark.parametrize(
    ("due", "is_answered"),
    [
        ("2026-01-01T11:59:59.999Z", False),
        ("2026-01-01T12:00:00.000Z", True),
        ("2026-01-01T12:00:00.001Z", True),
    ],
)
def test_an_overdue_handoff_is_past_answering(world: World, due: str, is_answered: bool) -> None:
    world.do(contribute(work))
    (handoff,) = handoffs(world, toRole="reviewer")
    world.put("handoffs", handoff.handoff_id, {**handoff.to_document(), "replyDueAt": due})
    world.do(contribute(contribution("answer", REVIEWER, ("reviews", work.cid)), now=NOW))
    (found,) = handoffs(world, toRole="reviewer")
    assert (found.status == "replied") is is_answered


@pytest.mark.parametrize(
    "relation", ["reviews", "responds_to", "adopts", "derives_from", "reproduces"]
)
@pytest.mark.parametrize("hopeful", [True, False])
def test_every_target_must_exist(world: World, relation: str, hopeful: bool) -> None:
    world.do(contribute(work))
    made = contribution("answer", REVIEWER, ("derives_from", work.cid), (relation, ABSENT))
    with pytest.raises(NotFound) as caught:
        world.plan(contribute(made), hopeful=hopeful)
    assert ABSENT in caught.value.record
    assert "relations[1].targetCid" in caught.value.reason


def test_the_same_manifest_again_is_no_new_contribution(world: World) -> None:
    first = world.do(contribute(work))
    before = world.everything()
    again = world.plan(contribute(work, now="2026-06-01T00:00:00.000Z"))
    assert again.writes == ()
    assert again.result["duplicate"] is True
    assert again.result["txid"] == "tx-1"
    assert {**again.result, "txid": None, "duplicate": False} == {**first.result, "txid": None}
    assert world.everything() == before


def test_a_duplicate_answer_answers_nothing_again(world: World) -> None:
    world.do(contribute(work))
    answer = contribution("answer", REVIEWER, ("reviews", work.cid))
    first = world.do(contribute(answer))
    again = world.plan(contribute(answer))
    assert again.writes == ()
    assert again.result["repliedIds"] == first.result["repliedIds"]


def test_a_hopeful_plan_reads_nothing_it_hopes_for_and_expects_it_anyway(world: World) -> None:
    hopeful = world.plan(contribute(work), hopeful=True)
    assert Expectation(Get("contributions", work.cid), ()) in hopeful.expectations
    assert hopeful.writes == world.plan(contribute(work)).writes
    world.do(contribute(work))
    assert not world.store.validate(world.plan(contribute(work), hopeful=True).expectations)


def test_it_holds_itself_and_what_it_answers(world: World) -> None:
    world.do(contribute(work))
    other = contribution("other", CODER)
    world.do(contribute(other))
    answer = contribution("answer", REVIEWER, ("reviews", work.cid), ("derives_from", other.cid))
    plan = world.plan(contribute(answer))
    assert plan.keys == tuple(sorted((f"contribution:{answer.cid}", f"contribution:{work.cid}")))
    assert Expectation(Get("contributions", other.cid), ((other.cid, 1),)) in plan.expectations


def test_a_plan_does_not_hold_once_what_it_answers_has_changed(world: World) -> None:
    world.do(contribute(work))
    slow = world.plan(contribute(contribution("slow", REVIEWER, ("reviews", work.cid))))
    world.do(contribute(contribution("quick", REVIEWER, ("reviews", work.cid))))
    assert not world.store.validate(slow.expectations)
