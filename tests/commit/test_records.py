"""What is written down can be trusted: checksums, ids, and the verdict on a write."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grove_sm.commit.record import (
    Entry,
    decode_entry,
    decode_head,
    decode_redo,
    encode_head,
    encode_redo,
    make_entry,
    seal,
    unseal,
)
from grove_sm.commit.redo import Verdict, heuristic, judge
from grove_sm.commit.txid import coordinator_of, first_txid_at, make_txid
from grove_sm.domain.errors import Corrupt, ValidationError
from grove_sm.operations.plan import Heuristic, IdempotencyKey, Plan, Stored, Write
from tests.groves import NOW

VALUES = [None, 0, "", "é\U0001f333\n", [1, [2, {"a": None}]], {"k": "v", "n": 1.5}, ["x" * 30]]

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(json_values)
def test_what_was_sealed_comes_back(value: object) -> None:
    assert unseal(seal(value), what="w", where="p") == value


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_every_flipped_bit_is_noticed(value: object) -> None:
    sealed = seal(value).encode()
    for position in range(len(sealed)):
        for bit in range(8):
            flipped = bytearray(sealed)
            flipped[position] ^= 1 << bit
            for errors in ("replace", "surrogateescape"):
                with pytest.raises(Corrupt):
                    unseal(flipped.decode(errors=errors), what="w", where="p")


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_every_truncation_and_addition_is_noticed(value: object) -> None:
    sealed = seal(value)
    for length in range(len(sealed)):
        with pytest.raises(Corrupt):
            unseal(sealed[:length], what="w", where="p")
        with pytest.raises(Corrupt):
            unseal(sealed[length + 1 :], what="w", where="p")
    for addition in (" ", "0", "\n", sealed):
        with pytest.raises(Corrupt):
            unseal(sealed + addition, what="w", where="p")


@pytest.mark.parametrize("value", [None, 7, 1.5, b"bytes", [], "", " "])
def test_what_is_no_sealed_text_is_corrupt_and_named(value: object) -> None:
    with pytest.raises(Corrupt) as caught:
        unseal(value, what="transaction tx-1", where="the journal")
    assert (caught.value.what, caught.value.where) == ("transaction tx-1", "the journal")


def example(*, with_key: bool = True) -> Entry:
    writes = (Write("claims", "c1", 0, '{"a":1}'), Write("bounties", "b1", 3, "{}"))
    key = IdempotencyKey("role:coder", "k", {"f": "d"}, NOW) if with_key else None
    return make_entry(
        Plan("claim_bounty", writes, (), ("k2", "k1"), {"renewed": False}),
        txid="tx-1",
        coordinator=7,
        created_at=NOW,
        idempotency=key,
    )


@pytest.mark.parametrize("with_key", [True, False])
def test_an_entry_comes_back_from_its_two_parts(with_key: bool) -> None:
    made = example(with_key=with_key)
    head, redo = encode_head(made), encode_redo(made)
    assert decode_entry(head, redo, "tx-1", what="w", where="p") == made
    assert decode_head(head, "tx-1", what="w", where="p") == made._replace(
        writes=(), result={}, idempotency=None
    )
    assert decode_redo(redo, "tx-1", what="w", where="p") == (
        made.writes, made.result, made.idempotency, made.keys
    )  # fmt: skip


def test_an_entry_holds_its_keys_and_its_idempotency_key_in_order() -> None:
    assert example(with_key=False).keys == ("k1", "k2")
    assert example().keys == ("idempotency:10:role:coder:k", "k1", "k2")
    assert example().members == '[["claims","c1",1],["bounties","b1",4]]'


@pytest.mark.parametrize("part", ["head", "redo"])
def test_a_part_of_another_entry_is_noticed(part: str) -> None:
    made, other = example(), example()._replace(txid="tx-2")
    head = encode_head(other if part == "head" else made)
    redo = encode_redo(other if part == "redo" else made)
    with pytest.raises(Corrupt) as caught:
        decode_entry(head, redo, "tx-1", what="w", where="p")
    assert "tx-2" in caught.value.reason


# Transaction ids

MOMENT = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_ids_sort_by_time_whoever_made_them() -> None:
    moments = [MOMENT + timedelta(milliseconds=n) for n in (0, 1, 16, 255, 256, 10**6, 10**11)]
    ids = [make_txid(moment, 999 - n, f"{n:x}") for n, moment in enumerate(moments)]
    assert ids == sorted(ids)


def test_a_boundary_sorts_between_what_was_before_and_what_is_since() -> None:
    before = make_txid(MOMENT - timedelta(milliseconds=1), 2**40, "ffff")
    since = make_txid(MOMENT, 0, "0")
    assert before < first_txid_at(MOMENT) < since


@given(st.integers(0, 2**63), st.from_regex("[0-9a-z-]{1,20}", fullmatch=True))
def test_an_id_tells_its_coordinator(coordinator: int, random: str) -> None:
    assert coordinator_of(make_txid(MOMENT, coordinator, random)) == coordinator


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "tx-1-2-3",
        "tx-019a8c33d2f0-1",
        "tx-019a8c33d2f0-1-",
        "tx-019a8c33d2f0--a",
        "tx-019a8c33d2f0-1-a\n",
        "tx-019A8C33D2F0-1-a",
        "TX-019a8c33d2f0-1-a",
    ],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        coordinator_of(text)
    assert caught.value.field == "txid"


# The verdict on a write


def stored(revision: int, txid: str, document: str) -> Stored:
    return Stored("c1", revision, txid, "[]", document)


@pytest.mark.parametrize(
    ("base", "found", "verdict"),
    [
        (0, None, Verdict.APPLY),
        (0, stored(1, "ours", "new"), Verdict.ALREADY),
        (0, stored(1, "ours", "changed since"), Verdict.ALREADY),
        (0, stored(1, "other", "new"), Verdict.ALREADY),
        (0, stored(1, "other", "theirs"), Verdict.FOREIGN),
        (0, stored(2, "other", "theirs"), Verdict.ALREADY),
        (0, stored(9, "other", "theirs"), Verdict.ALREADY),
        (3, stored(3, "other", "old"), Verdict.APPLY),
        (3, stored(3, "ours", "old"), Verdict.APPLY),
        (3, stored(4, "ours", "new"), Verdict.ALREADY),
        (3, stored(4, "other", "theirs"), Verdict.FOREIGN),
        (3, stored(4, "other", "new"), Verdict.ALREADY),
        (3, stored(5, "other", "theirs"), Verdict.ALREADY),
        (3, stored(2, "other", "old"), Verdict.FOREIGN),
        (3, stored(2, "ours", "new"), Verdict.FOREIGN),
        (3, None, Verdict.FOREIGN),
    ],
)
def test_a_verdict(base: int, found: Stored | None, verdict: Verdict) -> None:
    assert judge(Write("claims", "c1", base, "new"), "ours", found) is verdict


def test_a_heuristic_outcome_says_what_was_expected_and_found() -> None:
    write = Write("claims", "c1", 3, "new")
    assert heuristic(write, "ours", None, "memory://s") == Heuristic(
        "ours", "memory://s", "claims", "c1", "revision 3", "no record", write
    )
    assert heuristic(write._replace(base=0), "ours", stored(1, "other", ""), "memory://s")[4:6] == (
        "no record",
        "revision 1 by other",
    )
