"""What every kind's place keeps: the sentences of `tests.kinds.kind.Place`."""

from pathlib import Path

from grove_sm.operations.plan import Get
from tests.kinds.kind import JournalPlace, Kind, StorePlace

from .places import OpenJournal, OpenStore, commit, entry, finish, txids, write


def test_a_store_is_put_back_as_it_was(store_place: StorePlace) -> None:
    store = store_place.open()
    empty = store_place.save(), store_place.fingerprint()
    store.apply("tx-1", "[]", (write("a"),))
    first = store_place.save(), store_place.fingerprint()
    store.apply("tx-2", "[]", (write("a", 1), write("b")))
    second = store_place.save(), store_place.fingerprint()
    store.force()
    store.close()
    assert len({fingerprint for _, fingerprint in (empty, first, second)}) == 3
    revisions = []
    for saved, fingerprint in (first, empty, second, first):
        store_place.restore(saved)
        assert store_place.fingerprint() == fingerprint
        store = store_place.open()
        revisions.append([r.revision for n in "ab" for r in store.read(Get("claims", n))])
        # What was saved is not changed by what happens afterwards.
        store.apply("tx-3", "[]", (write("c"),))
        assert store_place.fingerprint() != fingerprint
        store.close()
    assert revisions == [[1], [], [2, 1], [1]]


def test_a_store_is_put_back_elsewhere(store_kind: Kind, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("here", "there")]
    for folder in folders:
        folder.mkdir()
    here, there = (store_kind.place(folder, "store") for folder in folders)
    for place, name in ((here, "a"), (there, "b")):
        store = place.open()
        store.apply("tx-1", "[]", (write(name),))
        store.close()
    assert here.fingerprint() != there.fingerprint()
    there.restore(here.save())
    assert here.fingerprint() == there.fingerprint()
    store = there.open()
    assert [bool(store.read(Get("claims", name))) for name in "ab"] == [True, False]
    store.close()


def test_who_has_opened_a_store_leaves_no_trace(
    store_place: StorePlace, open_store: OpenStore
) -> None:
    open_store().apply("tx-1", "[]", (write("a"),))
    before = store_place.fingerprint()
    store = open_store()
    store.read(Get("claims", "a"))
    store.close()
    assert store_place.fingerprint() == before


def test_a_journal_is_put_back_as_it_was(journal_place: JournalPlace) -> None:
    journal = journal_place.open()
    empty = journal_place.save(), journal_place.fingerprint()
    made = commit(journal, entry(journal, "a"))
    committed = journal_place.save(), journal_place.fingerprint()
    finish(journal, made)
    finished = journal_place.save(), journal_place.fingerprint()
    journal.close()
    assert len({fingerprint for _, fingerprint in (empty, committed, finished)}) == 3
    unfinished = []
    for saved, fingerprint in (committed, empty, finished, committed):
        journal_place.restore(saved)
        assert journal_place.fingerprint() == fingerprint
        journal = journal_place.open()
        unfinished.append(txids(journal.unfinished()))
        assert not journal.has_company()
        commit(journal, entry(journal, "b"))
        assert journal_place.fingerprint() != fingerprint
        journal.close()
    assert unfinished == [[made.txid], [], [], [made.txid]]


def test_who_has_opened_a_journal_leaves_no_trace(
    journal_place: JournalPlace, open_journal: OpenJournal
) -> None:
    journal = open_journal()
    commit(journal, entry(journal, "a"))
    before = journal_place.fingerprint()
    other = open_journal()
    assert len(other.unapplied()) == 1
    other.close()
    assert journal_place.fingerprint() == before
