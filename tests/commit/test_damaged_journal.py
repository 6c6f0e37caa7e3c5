"""A damaged journal record is named, and costs nothing but itself."""

import sqlite3
from contextlib import closing

import pytest

from grove_sm import Corrupt
from grove_sm.operations.plan import Heuristic
from tests.groves import CODER, REVIEWER

from .damaged import DAMAGE, Left, Opener


@pytest.mark.parametrize("change", DAMAGE.values(), ids=DAMAGE)
def test_recovery_names_a_damaged_record_and_does_the_rest(
    opened: Opener, left: Left, change: str
) -> None:
    opened.damage(left.damaged.txid, change)
    grove = opened.open()
    for report in (grove.recovery, grove.recover()):
        assert report.in_doubt == [left.damaged.txid]
        (corrupt,) = report.corrupt
        assert str(opened.folder / "journal.db") in corrupt
        assert left.damaged.txid in corrupt
    assert grove.recovery.rolled_forward == [left.first.txid, left.last.txid]
    assert grove.recovery.rolled_back == []
    opened.damage(left.damaged.txid, "state = 'aborted'")
    assert grove.recover().in_doubt == []
    assert {c.summary for c in grove.contributions.list()} == {"one", "three"}


@pytest.mark.parametrize("change", DAMAGE.values(), ids=DAMAGE)
def test_whoever_touches_it_is_told_and_nothing_of_it_is_lost(
    opened: Opener, left: Left, change: str
) -> None:
    opened.damage(left.damaged.txid, change)
    grove = opened.open()
    for touch in (
        lambda: grove.contributions.get(left.damaged.cid),
        grove.contributions.list,
        lambda: grove.handoffs.list(source_cid=left.damaged.cid),
        lambda: grove.publish(left.damaged.contribution),
    ):
        with pytest.raises(Corrupt) as caught:
            touch()
        assert str(opened.folder / "journal.db") in caught.value.where
        assert left.damaged.txid in str(caught.value)


@pytest.mark.parametrize(
    "change", [change for name, change in DAMAGE.items() if name != "both"], ids=str
)
def test_whoever_does_not_touch_it_goes_on(opened: Opener, left: Left, change: str) -> None:
    opened.damage(left.damaged.txid, change)
    grove = opened.open()
    for done in (left.first, left.last):
        assert grove.contributions.get(done.cid) == done.contribution
    answer = grove.contribute(
        kind="work",
        summary="four",
        agent=CODER,
        relations=[{"targetCid": left.first.cid, "relationType": "derives_from"}],
    )
    assert grove.contributions.get(answer.cid) == answer.contribution
    assert grove.grant_credits("sponsor-1", 10).available == 10
    assert grove.claim("file:a", agent=REVIEWER, intent_summary="look").renewed is False
    grove.flush()
    assert grove.recover().in_doubt == [left.damaged.txid]


def test_a_repaired_record_is_rolled_forward(opened: Opener, left: Left) -> None:
    opened.damage(left.damaged.txid, "redo = '!' || redo")
    grove = opened.open()
    assert grove.recovery.in_doubt == [left.damaged.txid]
    opened.damage(left.damaged.txid, "redo = substr(redo, 2)")
    assert grove.recover().rolled_forward == [left.damaged.txid]
    assert grove.contributions.get(left.damaged.cid) == left.damaged.contribution
    assert grove.audit().ok


def test_a_damaged_id_is_named_as_it_is_found(opened: Opener, left: Left) -> None:
    opened.damage(left.damaged.txid, "txid = 'tx-019b796dd600-1-damaged'")
    grove = opened.open()
    assert grove.recovery.in_doubt == ["tx-019b796dd600-1-damaged"]
    assert grove.recovery.rolled_forward == [left.first.txid, left.last.txid]
    with pytest.raises(Corrupt) as caught:
        grove.contributions.get(left.damaged.cid)
    assert "tx-019b796dd600-1-damaged" in caught.value.where


def test_a_damaged_idempotency_key_is_named(opened: Opener) -> None:
    with opened.open() as grove:
        grove.contribute(kind="work", summary="one", agent=CODER, idempotency_key="k")
    with closing(sqlite3.connect(opened.folder / "journal.db")) as connection, connection:
        connection.execute("UPDATE idempotency_keys SET recorded = 'x' || recorded")
    grove = opened.open()
    with pytest.raises(Corrupt) as caught:
        grove.contribute(kind="work", summary="one", agent=CODER, idempotency_key="k")
    assert "idempotency_keys" in caught.value.where
    grove.contribute(kind="work", summary="one more", agent=CODER, idempotency_key="k2")


def test_a_damaged_heuristic_outcome_hides_no_other(opened: Opener) -> None:
    made = [
        Heuristic(f"tx-{n}", "store", "claims", f"claim-{n}", "no record", "revision 1 by x")
        for n in range(3)
    ]
    grove = opened.open()
    grove.coordinator.journal.note(made)
    with closing(sqlite3.connect(opened.folder / "journal.db")) as connection, connection:
        connection.execute(
            "UPDATE heuristics SET heuristic = replace(heuristic, 'claim-1', 'claim-7') "
            "WHERE txid = 'tx-1'"
        )
    found = {violation.rule: violation for violation in grove.audit().violations}
    assert "heuristic outcome of tx-1" in found["every record is readable"].records
    told = [
        v.records for v in grove.audit().violations if v.rule == "no other software writes here"
    ]
    assert told == [("claims claim-0",), ("claims claim-2",)]
    with pytest.raises(Corrupt, match="heuristic outcome of tx-1"):
        grove.coordinator.journal.heuristics()
