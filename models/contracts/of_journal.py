"""Contracts on what the journal keeps, and on the verdict about a redo."""

from datetime import UTC, datetime, timedelta
from typing import Final

from grove_sm.commit.contract import Holder
from grove_sm.commit.record import (
    Entry,
    checksum,
    decode_entry,
    decode_head,
    decode_redo,
    decode_write,
    encode_head,
    encode_redo,
    make_entry,
    record_checksum,
    seal,
    unseal,
)
from grove_sm.commit.redo import Verdict, heuristic, judge, written
from grove_sm.commit.txid import coordinator_of, first_txid_at, is_before, made_at, make_txid
from grove_sm.domain.errors import Corrupt, ValidationError
from grove_sm.operations.plan import (
    Deleted,
    Find,
    Get,
    IdempotencyKey,
    Origin,
    Plan,
    Stored,
    Write,
)
from models.contracts.choices import chosen, settled
from models.contracts.registry import contract

MINE: Final = "tx-mine"
KEY: Final = IdempotencyKey("coder", "k", {"amount": "digest"}, "2026-01-02T00:00:00.000Z")


def _found(revision: int, is_mine: bool, is_same: bool) -> Stored:
    by, text = (MINE if is_mine else "tx-other"), ("new" if is_same else "old")
    return Stored("a", revision, by, "[]", text)


@contract(judge)
def a_redo_is_applied_to_what_it_replaces_alone(
    base: int, is_there: bool, revision: int, is_mine: bool, is_same: bool
) -> bool:
    """A write is applied exactly where the revision that it replaces stands: none, for a new one.

    pre: base >= 0 and revision >= 1
    post: _
    """
    found = _found(revision, is_mine, is_same) if is_there else None
    verdict = judge(Write("claims", "a", base, "new"), MINE, found)
    return (verdict is Verdict.APPLY) == ((revision if is_there else 0) == base)


@contract(judge)
def a_late_redo_changes_nothing(base: int, later: int, is_mine: bool, is_same: bool) -> bool:
    """A write that was applied is not applied again, whether it stands there or others have been
    made upon it, and is nobody's conflict.

    pre: base >= 0 and later >= 0
    post: _
    """
    found = _found(base + 1 + later, is_mine or later == 0, is_same)
    return judge(Write("claims", "a", base, "new"), MINE, found) is Verdict.ALREADY


@contract(judge)
def a_foreign_change_is_told(base: int, revision: int, is_there: bool, is_same: bool) -> bool:
    """What stands there without being what the write replaces, nor its own, nor a later one, is
    told as foreign, unless it says the same.

    pre: base >= 0 and revision >= 1
    post: _
    """
    found = _found(revision, False, is_same) if is_there else None
    verdict = judge(Write("claims", "a", base, "new"), MINE, found)
    stands = revision if is_there else 0
    is_foreign = stands < base or (stands == base + 1 and not is_same)
    return (verdict is Verdict.FOREIGN) == is_foreign


@contract(judge)
def nothing_late_brings_back_what_was_deleted(
    base: int, revision: int, is_deletion: bool, is_mine: bool
) -> bool:
    """What meets a deletion is never applied: it was applied before, or is foreign.

    pre: base >= 0 and revision >= 1
    post: _
    """
    write = Write("claims", "a", base, None if is_deletion else "new")
    found = Deleted("a", revision, MINE if is_mine else "tx-other", "[]")
    verdict = judge(write, MINE, found)
    return verdict is (Verdict.ALREADY if revision >= base + 1 else Verdict.FOREIGN)


@contract(decode_write)
def a_write_is_read_as_it_was(base: int, revision: int, is_deletion: bool, form: int) -> bool:
    """A write is read from its fields, whether an earlier version left out where it came from.

    pre: base >= 0 and revision >= 1 and 0 <= form < 3
    post: _
    """
    origin = Origin(revision, "tx-there", "[1]") if form == 2 else None
    write = Write("claims", "a", base, None if is_deletion else "new", origin)
    read = decode_write([*write[:4]] if form == 0 else [*write[:4], origin and [*origin]])
    return read == write and read.revision == write.revision


@contract(written, judge)
def what_is_written_is_not_written_again(
    base: int, there: int, is_deletion: bool, is_taken_over: bool
) -> bool:
    """What a write leaves is its own: at its revision, by its transaction, or as it was in the
    grove that it is taken over from; and the same write then changes nothing.

    pre: base >= 0 and there >= 1
    post: _
    """
    origin = Origin(there, "tx-there", "[1]") if is_taken_over else None
    write = Write("claims", "a", 0 if origin else base, None if is_deletion else "new", origin)
    stands = written(write, MINE, "[]")
    assert isinstance(stands, Deleted) == is_deletion
    assert stands[:4] == ("a", *(origin or (base + 1, MINE, "[]")))
    assert write.revision == stands.revision
    return judge(write, MINE, stands) is Verdict.ALREADY


@contract(judge)
def each_of_three_writes_takes_effect_once(
    first: int, second: int, third: int, fourth: int
) -> bool:
    """In whatever order the redos of three transactions on a record arrive, and arrive again, a
    record goes through its versions one by one, and never back.

    pre: all(0 <= arrival < 3 for arrival in (first, second, third, fourth))
    post: _
    """
    arrivals = (first, second, third, fourth)
    return _goes_forward([chosen(range(3), arrival) for arrival in arrivals])


@contract(judge, nightly=True)
def each_of_four_writes_takes_effect_once(
    first: int, second: int, third: int, fourth: int, fifth: int
) -> bool:
    """The same, for four transactions and one arrival more.

    pre: all(0 <= arrival < 4 for arrival in (first, second, third, fourth, fifth))
    post: _
    """
    arrivals = (first, second, third, fourth, fifth)
    return _goes_forward([chosen(range(4), arrival) for arrival in arrivals])


def _goes_forward(arrivals: list[int]) -> bool:
    shown: Stored | None = None
    for number in arrivals:
        write = Write("claims", "a", number, f"version {number + 1}")
        before = shown.revision if shown else 0
        if judge(write, f"tx-{number}", shown) is Verdict.APPLY:
            assert number == before, "a version was left out"
            shown = Stored("a", number + 1, f"tx-{number}", "[]", write.document or "")
    return shown is None or shown.document == f"version {shown.revision}"


@contract(heuristic)
def a_heuristic_outcome_says_what_stood_there(base: int, found: int) -> bool:
    """A heuristic outcome names the record, what was to be replaced, and what was found.

    pre: 0 <= base < 2 and 0 <= found < 3
    post: _
    """
    at = chosen((0, 4), base)
    stands = chosen((None, _found(9, False, False), Deleted("a", 9, "tx-other", "[]")), found)
    told = heuristic(Write("claims", "a", at, "new"), MINE, stands, "the store")
    assert told[:4] == (MINE, "the store", "claims", "a")
    assert told.expected == ("revision 4" if at else "no record")
    by = "revision 9 by tx-other"
    expected = ("no record", by, f"that it was deleted as {by}")
    return told.found == chosen(expected, found)


def _entry(writes: int, *, has_key: bool) -> Entry:
    planned = tuple(Write("claims", f"c{number}", number, "{}") for number in range(writes))
    plan = Plan("test", planned, (), ("b", "a"), {"n": writes})
    return make_entry(
        plan,
        txid=MINE,
        coordinator=7,
        created_at="2026-01-01T00:00:00.000Z",
        idempotency=KEY if has_key else None,
    )


@contract(make_entry)
def an_entry_holds_the_plans_keys_and_its_own(writes: int, has_key: bool) -> bool:
    """An entry holds every key of its plan and the caller's own, in the one order, writes what the
    plan writes, and names all of it.

    pre: 0 <= writes < 4
    post: _
    """
    count, keyed = chosen(range(4), writes), chosen((False, True), has_key)
    with settled():
        entry = _entry(count, has_key=keyed)
        keys = ["a", "b", *([KEY.record_id] if keyed else [])]
        named = ",".join(f'["claims","c{number}",{number + 1}]' for number in range(count))
        assert entry.keys == tuple(sorted(keys))
        assert entry.idempotency == (KEY if keyed else None)
        return entry.members == f"[{named}]" and len(entry.writes) == count


@contract(encode_head, encode_redo, decode_head, decode_redo, decode_entry)
def an_entry_is_read_as_it_was_written(writes: int, has_key: bool) -> bool:
    """An entry's two parts tell all of it together, and either tells its keys.

    pre: 0 <= writes < 4
    post: _
    """
    count, keyed = chosen(range(4), writes), chosen((False, True), has_key)
    with settled():
        entry = _entry(count, has_key=keyed)
        head, redo = encode_head(entry), encode_redo(entry)
        assert decode_entry(head, redo, MINE, what="it", where="here") == entry
        bare = decode_head(head, MINE, what="it", where="here")
        assert bare == entry._replace(writes=(), result={}, idempotency=None)
        kept = decode_redo(redo, MINE, what="it", where="here")
        return kept == (entry.writes, entry.result, entry.idempotency, entry.keys)


@contract(decode_head, decode_redo, decode_entry)
def a_part_of_another_entry_is_corrupt(is_head: bool, is_redo: bool) -> bool:
    """What stands in a transaction's place and belongs to another is never taken for it.

    post: _
    """
    of_head, of_redo = chosen((MINE, "tx-other"), is_head), chosen((MINE, "tx-other"), is_redo)
    with settled():
        entry = _entry(1, has_key=False)
        head = encode_head(entry._replace(txid=of_head))
        redo = encode_redo(entry._replace(txid=of_redo))
        told = []
        for read in (
            lambda: decode_head(head, MINE, what="it", where="here"),
            lambda: decode_redo(redo, MINE, what="it", where="here"),
            lambda: decode_entry(head, redo, MINE, what="it", where="here"),
        ):
            try:
                read()
                told.append(True)
            except Corrupt:
                told.append(False)
        own = (of_head == MINE, of_redo == MINE)
        return told == [*own, all(own)]


SEALED: Final = seal(("tx", 1, "é", None))


@contract(seal, unseal, checksum)
def damage_to_a_sealed_value_is_noticed(place: int, instead: int) -> bool:
    """A sealed value is read back, and not if any one character of it is another, or is left out.

    pre: 0 <= place <= len(SEALED) and 0 <= instead < 5
    post: _
    """
    at = chosen(range(len(SEALED) + 1), place)
    by = chosen(("", "0", "é", "\udc80", " "), instead) if at < len(SEALED) else ""
    with settled():
        damaged = SEALED[:at] + by + SEALED[at + 1 :]
        try:
            value = unseal(damaged, what="it", where="here")
        except Corrupt:
            return damaged != SEALED
        digest, _, text = damaged.partition(" ")
        return damaged == SEALED and value == ["tx", 1, "é", None] and checksum(text) == digest


@contract(record_checksum)
def a_record_has_a_digest_of_its_own(one: int, other: int) -> bool:
    """Records that differ anywhere have different digests, and the same one has always the same.

    pre: 0 <= one < 6 and 0 <= other < 6
    post: _
    """
    kept = Stored("a", 1, MINE, "[]", "{}")
    kinds: tuple[Stored | Deleted, ...] = (
        kept,
        kept._replace(record_id="b"),
        kept._replace(revision=2),
        kept._replace(txid="tx-other"),
        kept._replace(document="[]"),
        Deleted("a", 1, MINE, "[]"),
    )
    first, second = chosen(kinds, one), chosen(kinds, other)
    with settled():
        return (record_checksum(first) == record_checksum(second)) == (first == second)


@contract(unseal)
def what_is_no_text_is_corrupt(kind: int) -> bool:
    """Anything but a text in the place of a sealed value is Corrupt.

    pre: 0 <= kind < 4
    post: _
    """
    found = chosen((None, 7, b"bytes", 1.5), kind)
    with settled():
        try:
            unseal(found, what="it", where="here")
        except Corrupt as error:
            return (error.what, error.where) == ("it", "here")
        return False


START: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER: Final = tuple(START + timedelta(milliseconds=ms) for ms in (0, 1, 86_400_000))


@contract(make_txid, coordinator_of, first_txid_at, is_before, made_at)
def ids_sort_by_time_and_name_their_coordinator(one: int, other: int, coordinator: int) -> bool:
    """An id names the coordinator that made it, and ids sort by the time that they were made at.

    pre: 0 <= one < 3 and 0 <= other < 3 and 0 <= coordinator < 4
    post: _
    """
    number = chosen((0, 1, 255, 2**40), coordinator)
    first, second = chosen(LATER, one), chosen(LATER, other)
    with settled():
        txid = make_txid(first, number, "0a-f")
        assert coordinator_of(txid) == number
        assert made_at(txid, second) == first
        assert first_txid_at(first) < txid
        assert is_before(txid, second) == (first < second)
        return first >= second or txid < first_txid_at(second)


@contract(coordinator_of, is_before, made_at)
def what_is_no_id_has_no_coordinator(kind: int) -> bool:
    """What is not in the form of an id is refused, and is before nothing.

    pre: 0 <= kind < 6
    post: _
    """
    text = chosen(
        (
            "",
            "tx-",
            "tx-00000000000-1-a",
            "tx-000000000000--a",
            "tx-000000000000-1-A",
            " tx-000000000000-1-a",
        ),
        kind,
    )
    with settled():
        assert not is_before(text, LATER[-1])
        assert made_at(text, LATER[-1]) == LATER[-1]
        try:
            coordinator_of(text)
        except ValidationError as error:
            return error.field == "txid"
        return False


@contract(Holder.touches)
def a_reader_meets_whoever_writes_what_it_reads(
    collection: int, record: int, is_list: bool, is_known: bool
) -> bool:
    """A read is touched by a transaction that writes the record, or any record of the collection
    that is looked through; and by one of which is not known what it writes.

    pre: 0 <= collection < 2 and 0 <= record < 2
    post: _
    """
    name, of = chosen(("claims", "bounties"), collection), chosen(("a", "b"), record)
    written = frozenset({("claims", "a")}) if is_known else None
    holder = Holder(MINE, 1, "committed", frozenset(), written)
    touched = holder.touches(Find(name, ()) if is_list else Get(name, of))
    if not is_known:
        return touched
    return touched == (name == "claims" and (is_list or of == "a"))
