"""The demo's judgement can tell whole from part, and true answers from false ones."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from grove_sm import Agent, Grove
from grove_sm.commit.contract import Participant
from grove_sm.demo.deployment import open_safe, open_unsafe
from grove_sm.demo.verdict import ABSENT, PART, WHOLE, Records, judge
from grove_sm.demo.work import Operation, perform
from grove_sm.demo.worker import LOG_NAME
from grove_sm.domain import Contribution
from grove_sm.stores.sqlite import SQLiteStore

CODER = Agent(agent_id="agent-0-0", role="coder")
SPONSOR = "sponsor-0"


class PowerCut(BaseException):
    """What strikes between two writes."""


def contribute(key: str) -> Operation:
    contribution = Contribution(
        kind="work",
        summary=key,
        context={"operation": key},
        agent=CODER,
        created_at="2026-01-01T00:00:00.000Z",
    )
    return Operation(key, "contribute", {"document": contribution.to_document()})


def create_bounty(key: str) -> Operation:
    return Operation(key, "create_bounty", {"agentId": SPONSOR, "amount": 5})


def claim_bounty(key: str, bounty_id: str) -> Operation:
    return Operation(key, "claim_bounty", {"agentId": CODER.agent_id, "bountyId": bounty_id})


def log(folder: Path, *lines: dict[str, object]) -> None:
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / LOG_NAME.format(worker=0, life=0)).write_text(text)


def started(operation: Operation) -> dict[str, object]:
    return {"event": "started", "operation": operation._asdict()}


def done(operation: Operation) -> dict[str, object]:
    return {"event": "done", "key": operation.key}


def refused(operation: Operation) -> dict[str, object]:
    return {"event": "refused", "key": operation.key, "code": "CLAIM_CONFLICT"}


def every_kind(grove: Grove) -> list[Operation]:
    """One operation of each kind, with what each needs already there."""
    grove.grant_credits(SPONSOR, 100)
    perform(grove, create_bounty("earlier"))
    (bounty,) = grove.bounties.list()
    return [contribute("k1"), create_bounty("k2"), claim_bounty("k3", bounty.bounty_id)]


@pytest.mark.parametrize("open_grove", [open_safe, open_unsafe])
def test_operation_is_absent_and_then_whole(
    tmp_path: Path, open_grove: Callable[[Path], Grove]
) -> None:
    with open_grove(tmp_path) as grove:
        for operation in every_kind(grove):
            assert Records(grove).trace(operation) == ABSENT
            perform(grove, operation)
            assert Records(grove).trace(operation) == WHOLE
        assert grove.audit().ok


@pytest.mark.parametrize("number", range(3), ids=["contribute", "create_bounty", "claim_bounty"])
def test_unsafe_write_cut_off_in_the_middle_leaves_a_part_that_audit_finds(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_unsafe(tmp_path) as grove:
        operation = every_kind(grove)[number]

        def strike(store: Participant) -> None:
            raise PowerCut(store.name)

        with monkeypatch.context() as patch:
            patch.setattr(SQLiteStore, "force", strike)
            with pytest.raises(PowerCut):
                perform(grove, operation)
        assert Records(grove).trace(operation) == PART
    log(tmp_path, started(operation))
    verdict = judge(tmp_path, is_safe=False)
    assert (verdict.cut_off, verdict.in_part) == (1, 1)
    assert len(verdict.violations) == 1


def test_cut_off_operations_are_counted_by_what_is_there(tmp_path: Path) -> None:
    there, not_there = contribute("k1"), contribute("k2")
    with open_safe(tmp_path) as grove:
        perform(grove, there)
        grove.coordinator.journal.flush()
    log(tmp_path, started(there), started(not_there))
    verdict = judge(tmp_path, is_safe=True)
    assert (verdict.cut_off, verdict.rolled_forward, verdict.rolled_back) == (2, 1, 1)
    assert verdict.violations == ()


def test_false_answers_are_violations(tmp_path: Path) -> None:
    there, not_there = contribute("k1"), contribute("k2")
    with open_safe(tmp_path) as grove:
        perform(grove, there)
    log(tmp_path, started(there), refused(there), started(not_there), done(not_there))
    verdict = judge(tmp_path, is_safe=True)
    assert {violation.rule for violation in verdict.violations} == {"an answer is true"}
    assert len(verdict.violations) == 2


def test_retry_with_a_second_effect_is_a_violation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_safe(tmp_path) as grove:
        _, operation, _ = every_kind(grove)
        perform(grove, operation)
    log(tmp_path, started(operation))
    assert judge(tmp_path, is_safe=True).violations == ()
    monkeypatch.setattr(
        "grove_sm.demo.verdict.perform",
        lambda grove, again: perform(grove, again._replace(key="another")),
    )
    (violation,) = judge(tmp_path, is_safe=True).violations
    assert violation.rule == "a retry has one effect"


def test_lost_record_is_a_violation_with_the_journal_too(tmp_path: Path) -> None:
    operation = contribute("k1")
    with open_safe(tmp_path) as grove:
        perform(grove, operation)
    with sqlite3.connect(tmp_path / "handoffs.db") as connection:
        lost = "DELETE FROM handoffs WHERE json_extract(document, '$.toRole') = 'tester'"
        assert connection.execute(lost).rowcount == 1
    log(tmp_path, started(operation), done(operation))
    verdict = judge(tmp_path, is_safe=True)
    assert {violation.rule for violation in verdict.violations} == {
        "an operation is whole",
        "an answer is true",
    }


def test_log_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    operation = contribute("k1")
    log(tmp_path, started(operation))
    path = tmp_path / LOG_NAME.format(worker=0, life=0)
    path.write_text(path.read_text() + '{"event": "do')
    assert judge(tmp_path, is_safe=True).cut_off == 1
