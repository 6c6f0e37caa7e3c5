"""Pages go on after a record, whether it is still there or not, and together are the list."""

import json

import pytest

from grove_sm.commit.contract import Participant
from grove_sm.operations.plan import Find, Get, Stored, Write
from grove_sm.operations.query import Place, Query, place_of
from tests.groves import NOW

MOMENTS = (None, "2026-01-01T00:00:00.000Z", NOW, "2026-02-01T00:00:00.000Z")
RECORDS = [
    (f"{letter}{number}", moment) for number, moment in enumerate(MOMENTS) for letter in "zam"
]
"""Three records made at each moment, and three that do not say when; in no order."""

CLAIMS = Query("claims")
IN_ORDER = ["a0", "m0", "z0", "a1", "m1", "z1", "a2", "m2", "z2", "a3", "m3", "z3"]


def put(store: Participant, *writes: Write, txid: str = "tx-1") -> None:
    assert store.apply(txid, "[]", writes) == ()


def ids(found: tuple[Stored, ...]) -> list[str]:
    return [stored.record_id for stored in found]


def place(stored: Stored) -> Place:
    return place_of("claims", stored.record_id, json.loads(stored.document))


def at(record_id: str, created_at: str | None, **fields: object) -> Write:
    """The write of a document made at a moment, or one that does not say when."""
    document = {} if created_at is None else {"createdAt": created_at}
    return Write("claims", record_id, 0, json.dumps(document | fields))


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 11, 12, 13])
def test_pages_one_after_the_other_are_the_list(store: Participant, limit: int) -> None:
    put(store, *(at(*record) for record in RECORDS))
    walked: list[Stored] = []
    while page := store.page(CLAIMS, limit, place(walked[-1]) if walked else None):
        assert len(page) <= limit
        walked += page
        assert len(walked) <= len(RECORDS), "it goes round in circles"
    assert tuple(walked) == store.page(CLAIMS, None) == store.read(Find("claims", ()))
    assert ids(tuple(walked)) == IN_ORDER


@pytest.mark.parametrize("limit", [None, 0, 1, 4])
@pytest.mark.parametrize("last", IN_ORDER)
def test_a_page_goes_on_after_a_record(store: Participant, last: str, limit: int | None) -> None:
    put(store, *(at(*record) for record in RECORDS))
    (after,) = store.read(Get("claims", last))
    following = IN_ORDER[IN_ORDER.index(last) + 1 :]
    assert ids(store.page(CLAIMS, limit, place(after))) == following[:limit]


@pytest.mark.parametrize("last", IN_ORDER)
def test_a_page_goes_on_where_a_record_is_found_no_more(store: Participant, last: str) -> None:
    """By the same conditions as before, or at all."""
    put(store, *(at(*record, status="active") for record in RECORDS if record[0] != last))
    gone = Stored(last, 1, "tx-1", "[]", at(last, dict(RECORDS)[last]).document or "")
    following = IN_ORDER[IN_ORDER.index(last) + 1 :]
    where = (("status", "active"),)
    assert ids(store.page(Query("claims", where), None, place(gone))) == following
    put(store, at(last, dict(RECORDS)[last], status="released"), txid="tx-2")
    assert ids(store.page(Query("claims", where), None, place(gone))) == following
    assert ids(store.page(CLAIMS, None, place(gone))) == following


def test_a_walk_meets_what_is_put_behind_it_and_not_what_is_put_before_it(
    store: Participant,
) -> None:
    put(store, *(at(*record) for record in RECORDS))
    *_, last = store.page(CLAIMS, 5)
    put(store, at("b1", MOMENTS[1]), at("a1x", MOMENTS[1]), at("n1", MOMENTS[1]), txid="tx-2")
    assert ids(store.page(CLAIMS, 3, place(last))) == ["n1", "z1", "a2"]


def test_a_cursor_of_odd_text_is_a_place_like_any(store: Participant) -> None:
    odd = ["a", "a\u0000", "a\u0000b", "a'", "é", "\uffff", "\U0001f333"]
    put(store, *(at(name, NOW) for name in odd))
    for number, name in enumerate(odd):
        (after,) = store.read(Get("claims", name))
        assert ids(store.page(CLAIMS, None, place(after))) == odd[number + 1 :]
