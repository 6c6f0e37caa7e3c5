"""What every kind of store keeps: the sentences of `Participant`, one by one."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from grove_sm.commit.contract import Participant
from grove_sm.domain.errors import StoreUnavailable
from grove_sm.operations.layout import COLLECTIONS, INDEXED, OF_THE_ID
from grove_sm.operations.plan import Deleted, Expectation, Find, Get, Origin, Stored, Write
from grove_sm.operations.query import Query, place_of

from .places import OpenStore, write

ALL_CLAIMS = Find("claims", ())


def ids(found: tuple[Stored, ...]) -> list[str]:
    return [stored.record_id for stored in found]


def put(store: Participant, *writes: Write, txid: str = "tx-1") -> None:
    assert store.apply(txid, f'["{txid}"]', writes) == ()


# read and page


def test_a_record_is_found_as_it_was_written(store: Participant) -> None:
    made = write("c1", targetRef="file:a")
    put(store, made)
    (found,) = store.read(Get("claims", "c1"))
    assert found == ("c1", 1, "tx-1", '["tx-1"]', made.document)


def test_an_absent_record_is_no_record(store: Participant) -> None:
    put(store, write("c1"))
    assert store.read(Get("claims", "c2")) == ()
    assert store.read(Get("bounties", "c1")) == ()


def test_what_was_applied_before_is_seen_by_every_other_opener(open_store: OpenStore) -> None:
    first, second = open_store(), open_store()
    for base in range(3):
        put(first, write("c1", base), txid=f"tx-{base}")
        assert second.read(Get("claims", "c1"))[0].revision == base + 1
        assert second.read(ALL_CLAIMS)[0].revision == base + 1


@pytest.mark.parametrize(
    ("collection", "field"), [(c, field) for c in COLLECTIONS for field in INDEXED[c]]
)
def test_every_indexed_field_finds(store: Participant, collection: str, field: str) -> None:
    path = INDEXED[collection][field]
    if path == OF_THE_ID:
        put(
            store, write("other:1", collection=collection), write("wanted:1", collection=collection)
        )
        assert ids(store.read(Find(collection, ((field, "wanted"),)))) == ["wanted:1"]
        assert ids(store.page(Query(collection, ((field, "wanted"),)), None)) == ["wanted:1"]
        return
    nested: object = "wanted"
    for step in reversed(path.split(".")):
        name = step.removesuffix("[]")
        nested = {name: nested} if name == step else {name: ["first", nested]}
    (key, value), *_ = nested.items()  # type: ignore[attr-defined]
    put(
        store,
        write("other", collection=collection),
        write("wanted", collection=collection, **{key: value}),
    )
    assert ids(store.read(Find(collection, ((field, "wanted"),)))) == ["wanted"]
    assert ids(store.page(Query(collection, ((field, "wanted"),)), None)) == ["wanted"]


def test_a_record_without_the_field_is_not_found_by_it(store: Participant) -> None:
    put(store, write("c1"), write("c2", status="active"))
    assert ids(store.read(Find("claims", (("status", "active"),)))) == ["c2"]


def test_every_condition_must_hold(store: Participant) -> None:
    for number, (target, status) in enumerate(
        [("a", "active"), ("a", "expired"), ("b", "active"), ("b", "expired")]
    ):
        put(store, write(f"c{number}", targetRef=target, status=status), txid=f"tx-{number}")
    assert ids(store.read(Find("claims", (("targetRef", "b"), ("status", "active"))))) == ["c2"]


def test_records_come_by_creation_time_then_id(store: Participant) -> None:
    times = {"b": "2026-01-02", "a": "2026-01-02", "z": "2026-01-01", "c": "2026-01-03"}
    put(store, *(write(name, createdAt=time) for name, time in times.items()))
    assert ids(store.read(ALL_CLAIMS)) == ["z", "a", "b", "c"]
    assert ids(store.page(Query("claims"), None)) == ["z", "a", "b", "c"]


def test_a_scan_goes_by_id(store: Participant) -> None:
    put(store, write("b", createdAt="2026-01-01"), write("c"), write("a"))
    with store.snapshot() as snapshot:
        found = [r.record_id for r in snapshot.scan("claims") if isinstance(r, Stored)]
    assert found == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("limit", "found"),
    [(None, ["a", "b", "c"]), (0, []), (1, ["a"]), (2, ["a", "b"]), (3, ["a", "b", "c"]),
     (9, ["a", "b", "c"])],
)  # fmt: skip
def test_a_page_is_the_first_so_many(
    store: Participant, limit: int | None, found: list[str]
) -> None:
    put(store, *(write(name, status="active") for name in ("c", "a", "b")), write("d"))
    assert ids(store.page(Query("claims", (("status", "active"),)), limit)) == found


def test_text_of_every_kind_comes_back_and_is_found(store: Participant) -> None:
    odd = "a'b\"c\\d\n\u0000é\U0001f333%_"
    made = write(odd, targetRef=odd)
    put(store, made)
    assert store.read(Get("claims", odd))[0].document == made.document
    assert ids(store.read(Find("claims", (("targetRef", odd),)))) == [odd]


def test_one_apply_is_seen_whole_or_not_at_all(open_store: OpenStore) -> None:
    writer, reader = open_store(), open_store()
    rounds = 150
    done = threading.Event()

    def write_pairs() -> None:
        try:
            for base in range(rounds):
                put(writer, write("left", base), write("right", base), txid=f"tx-{base}")
        finally:
            done.set()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write_pairs)
        while not done.is_set():
            revisions = {record.revision for record in reader.read(ALL_CLAIMS)}
            assert len(revisions) <= 1
        writing.result()
    assert {record.revision for record in reader.read(ALL_CLAIMS)} == {rounds}


# validate


@pytest.mark.parametrize(
    ("expectation", "vote"),
    [
        (Expectation(Get("claims", "a"), (("a", 1),)), True),
        (Expectation(Get("claims", "a"), (("a", 2),)), False),
        (Expectation(Get("claims", "a"), ()), False),
        (Expectation(Get("claims", "x"), ()), True),
        (Expectation(Get("claims", "x"), (("x", 1),)), False),
        (Expectation(Find("claims", (("status", "on"),)), (("a", 1), ("b", 2))), True),
        (Expectation(Find("claims", (("status", "on"),)), (("a", 1), ("b", 1))), False),
        (Expectation(Find("claims", (("status", "on"),)), (("a", 1),)), False),
        (Expectation(Find("claims", (("status", "on"),)), ()), False),
        (Expectation(Find("claims", (("status", "off"),)), ()), True),
        (Expectation(Find("claims", (("status", "off"),)), (("a", 1),)), False),
    ],
    ids=str,
)
def test_a_vote_tells_whether_an_expectation_holds(
    store: Participant, expectation: Expectation, vote: bool
) -> None:
    put(store, write("a", status="on"), write("b", status="on"))
    put(store, write("b", 1, status="on"), txid="tx-2")
    assert store.validate([expectation]) is vote
    holds = Expectation(Get("claims", "a"), (("a", 1),))
    assert store.validate([holds, expectation]) is vote
    assert store.validate([expectation, holds]) is vote


def test_a_vote_on_nothing_is_yes(store: Participant) -> None:
    assert store.validate([])


def test_a_vote_writes_nothing(store: Participant) -> None:
    put(store, write("a"))
    before = store.read(ALL_CLAIMS)
    store.validate([Expectation(Get("claims", "b"), ()), Expectation(ALL_CLAIMS, (("a", 1),))])
    assert store.read(ALL_CLAIMS) == before


# apply


def test_a_repeated_apply_changes_nothing(store: Participant) -> None:
    put(store, write("a"), write("b"))
    before = store.read(ALL_CLAIMS)
    for _ in range(3):
        put(store, write("a"), write("b"))
    assert store.read(ALL_CLAIMS) == before


def test_a_late_apply_does_not_undo_what_followed(store: Participant) -> None:
    put(store, write("a"), txid="tx-1")
    put(store, write("a", 1), write("b"), txid="tx-2")
    put(store, write("a", 2), txid="tx-3")
    before = store.read(ALL_CLAIMS)
    put(store, write("a"), txid="tx-1")
    put(store, write("a", 1), write("b"), txid="tx-2")
    assert store.read(ALL_CLAIMS) == before


def test_an_apply_completes_what_another_one_began(store: Participant) -> None:
    put(store, write("a"))
    put(store, write("a"), write("b"))
    assert ids(store.read(ALL_CLAIMS)) == ["a", "b"]


def test_applies_of_one_transaction_at_once_have_one_effect(open_store: OpenStore) -> None:
    stores = [open_store() for _ in range(4)]
    reader = open_store()
    for base in range(20):
        start = threading.Barrier(2 * len(stores))

        def apply(
            store: Participant, base: int = base, start: threading.Barrier = start
        ) -> tuple[object, ...]:
            start.wait()
            return store.apply(f"tx-{base}", "[]", (write("a", base), write(f"b{base}")))

        with ThreadPoolExecutor(2 * len(stores)) as pool:
            outcomes = list(pool.map(apply, 2 * stores))
        assert outcomes == [()] * len(outcomes)
        assert reader.read(Get("claims", "a"))[0].revision == base + 1
    assert len(reader.read(ALL_CLAIMS)) == 21


FOREIGN = {
    "absent where one was to be replaced": ("x", 2, "revision 2", "no record"),
    "behind what was to be replaced": ("a", 5, "revision 5", "revision 2 by tx-2"),
    "another's document where none was": ("b", 0, "no record", "revision 1 by tx-1"),
    "another's document on the same one": ("a", 1, "revision 1", "revision 2 by tx-2"),
}


@pytest.mark.parametrize(("record_id", "base", "expected", "actual"), FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_change_is_reported_and_left_as_it_is(
    store: Participant, record_id: str, base: int, expected: str, actual: str
) -> None:
    put(store, write("a"), write("b"))
    put(store, write("a", 1), txid="tx-2")
    before = store.read(ALL_CLAIMS)
    ours = write(record_id, base, status="ours")
    (outcome,) = store.apply("tx-9", "[]", (ours, write("fresh", collection="bounties")))
    assert outcome == ("tx-9", store.name, "claims", record_id, expected, actual, ours)
    assert store.read(ALL_CLAIMS) == before
    assert ids(store.read(Find("bounties", ()))) == ["fresh"]


def test_an_identical_document_by_another_is_no_conflict(store: Participant) -> None:
    put(store, write("a"))
    assert store.apply("tx-9", "[]", (write("a"),)) == ()
    assert store.read(Get("claims", "a"))[0].txid == "tx-1"


# deletions


def delete(record_id: str, base: int) -> Write:
    return Write("claims", record_id, base, None)


def left_of(store: Participant, collection: str = "claims") -> list[Deleted]:
    with store.snapshot() as snapshot:
        return [found for found in snapshot.scan(collection) if isinstance(found, Deleted)]


def test_no_read_finds_what_is_deleted(open_store: OpenStore) -> None:
    store, other = open_store(), open_store()
    put(store, write("a", status="on"), write("b", status="on"))
    (deleted,) = store.read(Get("claims", "a"))
    put(store, delete("a", 1), txid="tx-2")
    for reader in (store, other):
        assert reader.read(Get("claims", "a")) == ()
        for where in ((), (("status", "on"),)):
            assert ids(reader.read(Find("claims", where))) == ["b"]
            assert ids(reader.page(Query("claims", where), None)) == ["b"]
            behind = place_of("claims", deleted.record_id, json.loads(deleted.document))
            assert ids(reader.page(Query("claims", where), None, behind)) == ["b"]


def test_a_deletion_and_another_write_are_one(open_store: OpenStore) -> None:
    store, other = open_store(), open_store()
    put(store, write("a"))
    put(store, delete("a", 1), write("b"), write("c", collection="bounties"), txid="tx-2")
    assert ids(other.read(ALL_CLAIMS)) == ["b"]
    assert ids(other.read(Find("bounties", ()))) == ["c"]


def test_what_is_left_is_told_after_the_records(store: Participant) -> None:
    put(store, write("a"), write("b"), write("c"))
    put(store, delete("b", 1), delete("a", 1), txid="tx-2")
    with store.snapshot() as snapshot:
        found = snapshot.scan("claims")
        assert list(snapshot.scan("bounties")) == []
    assert found[0] == ("c", 1, "tx-1", '["tx-1"]', write("c").document)
    assert found[1:] == [
        Deleted("a", 2, "tx-2", '["tx-2"]'),
        Deleted("b", 2, "tx-2", '["tx-2"]'),
    ]


def test_nothing_late_brings_a_deleted_record_back(store: Participant) -> None:
    put(store, write("a"), txid="tx-1")
    put(store, write("a", 1), txid="tx-2")
    put(store, delete("a", 2), txid="tx-3")
    before = left_of(store)
    for _ in range(2):
        put(store, write("a"), txid="tx-1")
        put(store, write("a", 1), txid="tx-2")
        put(store, delete("a", 2), txid="tx-3")
    assert store.read(Get("claims", "a")) == ()
    assert left_of(store) == before == [Deleted("a", 3, "tx-3", '["tx-3"]')]


def test_a_late_deletion_deletes_nothing_newer(store: Participant) -> None:
    """It has to have taken effect before whatever could come after it; so this is a foreigner."""
    put(store, write("a"), txid="tx-1")
    put(store, write("a", 1), txid="tx-2")
    (outcome,) = store.apply("tx-9", "[]", (delete("a", 1),))
    assert (outcome.expected, outcome.found) == ("revision 1", "revision 2 by tx-2")
    assert ids(store.read(ALL_CLAIMS)) == ["a"]


@pytest.mark.parametrize(
    ("base", "expected"), [(2, "revision 2"), (7, "revision 7")], ids=["on top", "beyond"]
)
def test_what_would_follow_a_deletion_is_reported(
    store: Participant, base: int, expected: str
) -> None:
    put(store, write("a"))
    put(store, delete("a", 1), txid="tx-2")
    (outcome,) = store.apply("tx-9", "[]", (write("a", base),))
    assert outcome.expected == expected
    assert outcome.found == "that it was deleted as revision 2 by tx-2"
    assert store.read(Get("claims", "a")) == ()


def test_a_deletion_of_what_is_not_there_is_reported(store: Participant) -> None:
    (outcome,) = store.apply("tx-9", "[]", (delete("a", 1),))
    assert (outcome.expected, outcome.found) == ("revision 1", "no record")
    assert left_of(store) == []


def test_a_vote_does_not_take_deleted_for_absent(store: Participant) -> None:
    put(store, write("a", status="on"))
    put(store, delete("a", 1), txid="tx-2")
    assert not store.validate([Expectation(Get("claims", "a"), ())])
    assert not store.validate([Expectation(Get("claims", "a"), (("a", 1),))])
    assert store.validate([Expectation(Get("claims", "b"), ())])
    assert store.validate([Expectation(Find("claims", (("status", "on"),)), ())])


def test_a_deletion_in_a_block_that_raises_did_not_take_place(store: Participant) -> None:
    put(store, write("a"))

    def delete_and_raise() -> None:
        with store.together():
            put(store, delete("a", 1), txid="tx-2")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        delete_and_raise()
    assert ids(store.read(ALL_CLAIMS)) == ["a"]
    assert left_of(store) == []
    put(store, delete("a", 1), txid="tx-3")


def test_deletions_of_one_transaction_at_once_have_one_effect(open_store: OpenStore) -> None:
    stores = [open_store() for _ in range(4)]
    put(stores[0], write("a"))
    start = threading.Barrier(len(stores))

    def apply(store: Participant) -> tuple[object, ...]:
        start.wait()
        return store.apply("tx-2", "[]", (delete("a", 1), write("b")))

    with ThreadPoolExecutor(len(stores)) as pool:
        assert list(pool.map(apply, stores)) == [()] * len(stores)
    assert left_of(stores[0]) == [Deleted("a", 2, "tx-2", "[]")]
    assert ids(stores[0].read(ALL_CLAIMS)) == ["b"]


# the newest


NEWEST = Find("claims", (("targetRef", "t"),), newest=True)


def test_the_newest_is_the_one_that_was_created_last(store: Participant) -> None:
    assert store.read(NEWEST) == ()
    times = {"b": "2026-01-02", "z": "2026-01-01", "a": "2026-01-02", "y": "2026-01-03"}
    put(store, *(write(name, createdAt=time, targetRef="t") for name, time in times.items()))
    put(store, write("x", createdAt="2026-01-09", targetRef="another"), txid="tx-2")
    assert ids(store.read(NEWEST)) == ["y"]
    put(store, Write("claims", "y", 1, None), txid="tx-3")
    assert ids(store.read(NEWEST)) == ["b"]


def test_a_vote_tells_whether_it_is_still_the_newest(store: Participant) -> None:
    assert store.validate([Expectation(NEWEST, ())])
    put(store, write("a", createdAt="2026-01-01", targetRef="t"))
    put(store, write("b", createdAt="2026-01-02", targetRef="t"), txid="tx-2")
    assert store.validate([Expectation(NEWEST, (("b", 1),))])
    for other in ((), (("a", 1),), (("b", 2),), (("a", 1), ("b", 1))):
        assert not store.validate([Expectation(NEWEST, other)])


# together


def test_applies_together_all_take_place(store: Participant) -> None:
    with store.together():
        put(store, write("a"), txid="tx-1")
        put(store, write("a", 1), write("b"), txid="tx-2")
    assert [(r.record_id, r.revision) for r in store.read(ALL_CLAIMS)] == [("a", 2), ("b", 1)]


def test_if_the_block_raises_none_took_place(open_store: OpenStore) -> None:
    store, other = open_store(), open_store()
    put(store, write("a"), txid="tx-1")

    def apply_and_raise() -> None:
        with store.together():
            put(store, write("a", 1), write("b"), txid="tx-2")
            put(store, write("c", collection="bounties"), txid="tx-3")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        apply_and_raise()
    for reader in (store, other):
        assert [(r.record_id, r.revision) for r in reader.read(ALL_CLAIMS)] == [("a", 1)]
        assert reader.read(Find("bounties", ())) == ()
    put(store, write("a", 1), txid="tx-4")
    assert other.read(Get("claims", "a"))[0].txid == "tx-4"


# force, trim, snapshot, close


def test_forcing_and_trimming_change_nothing_that_is_seen(open_store: OpenStore) -> None:
    store, other = open_store(), open_store()
    store.force()
    store.trim()
    put(store, write("a"))
    before = store.read(ALL_CLAIMS)
    for _ in range(2):
        store.force()
        store.trim()
        other.trim()
    assert store.read(ALL_CLAIMS) == other.read(ALL_CLAIMS) == before


def test_a_snapshot_does_not_see_what_is_applied_while_it_is_open(open_store: OpenStore) -> None:
    store, other = open_store(), open_store()
    put(store, write("a"))
    with store.snapshot() as snapshot:
        put(store, write("a", 1), txid="tx-2")
        put(other, write("b"), write("c", collection="bounties"), txid="tx-3")
        scanned = [json.loads(r.document)["version"] for r in snapshot.scan("claims")  # type: ignore[union-attr]
                   ]  # fmt: skip
        assert scanned == [1]
        assert list(snapshot.scan("bounties")) == []
    with store.snapshot() as snapshot:
        assert len(snapshot.scan("claims")) == 2
        assert len(snapshot.scan("bounties")) == 1


def test_a_snapshot_keeps_nobody_from_applying(open_store: OpenStore) -> None:
    store = open_store()
    with store.snapshot():
        put(store, write("a"))
        assert ids(store.read(ALL_CLAIMS)) == ["a"]
        store.force()
        store.trim()


def test_a_closed_store_says_so_and_the_place_goes_on(open_store: OpenStore) -> None:
    store, other = open_store(), open_store()
    put(store, write("a"))
    store.close()
    store.close()
    for use in (
        lambda: store.read(Get("claims", "a")),
        lambda: store.page(Query("claims"), 1),
        lambda: store.validate([Expectation(Get("claims", "a"), ())]),
        lambda: store.apply("tx-2", "[]", (write("b"),)),
    ):
        with pytest.raises(StoreUnavailable) as caught:
            use()
        assert caught.value.store == store.name
    assert ids(other.read(ALL_CLAIMS)) == ["a"]


def test_a_store_has_the_name_it_was_opened_by(open_store: OpenStore) -> None:
    assert open_store().name == open_store().name
    assert "://" in open_store().name
    assert open_store().local in (True, False)


def test_threads_may_share_a_store(store: Participant) -> None:
    def put_and_read(number: int) -> int:
        for base in range(10):
            put(store, write(f"t{number}", base), txid=f"tx-{number}-{base}")
        return store.read(Get("claims", f"t{number}"))[0].revision

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(put_and_read, range(8))) == [10] * 8


# what comes from another grove

TAKEN = Origin(7, "tx-there", '[["claims","a",7]]')


def test_what_is_taken_over_keeps_what_it_had(open_store: OpenStore) -> None:
    store, other = open_store(), open_store()
    made = write("a", status="on", collection="claims")._replace(origin=TAKEN)
    left = Write("claims", "gone", 0, None, Origin(3, "tx-then", "[]"))
    for _ in range(2):
        put(store, made, left, write("b"), txid="tx-here")
        found = {record.record_id: record for record in other.read(ALL_CLAIMS)}
        assert found["a"] == Stored("a", *TAKEN, str(made.document))
        assert found["b"].txid == "tx-here"
        assert left_of(other) == [Deleted("gone", 3, "tx-then", "[]")]
    assert not store.validate([Expectation(Get("claims", "gone"), ())])
    put(store, write("a", 7, status="off"), txid="tx-next")
    assert other.read(Get("claims", "a"))[0].revision == 8
    put(store, made, left, write("b"), txid="tx-here")
    assert other.read(Get("claims", "a"))[0].revision == 8


def test_what_is_taken_over_and_meets_another_is_told(store: Participant) -> None:
    put(store, write("a", status="other"), write("gone"))
    made = write("a", status="on")._replace(origin=TAKEN)
    left = Write("claims", "gone", 0, None, Origin(3, "tx-then", "[]"))
    outcomes = store.apply("tx-here", "[]", (made, left))
    assert [(outcome.record_id, outcome.expected) for outcome in outcomes] == [
        ("a", "no record"),
        ("gone", "no record"),
    ]
    assert store.read(Get("claims", "a"))[0].txid == "tx-1"
    assert left_of(store) == []


def test_very_many_writes_are_one_apply(open_store: OpenStore) -> None:
    store, other = open_store(), open_store()
    many = [write(f"c{number:04}", status="on") for number in range(700)]
    put(store, *many)
    assert len(other.read(ALL_CLAIMS)) == 700
    expected = [Expectation(Get("claims", w.record_id), ((w.record_id, 1),)) for w in many]
    assert store.validate(expected)
    put(store, write("c0650", 1), txid="tx-2")
    assert not store.validate(expected)
