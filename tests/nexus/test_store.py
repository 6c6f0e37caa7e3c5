"""What a store in Nexus adds: writes that come late, listings that are kept, files that others
write, ids of every kind, and how little it asks of the server."""

import json
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import pytest

from faults.proxy import TcpProxy
from grove_sm.commit.contract import Participant
from grove_sm.domain.errors import Corrupt, StoreUnavailable
from grove_sm.nexus.client import NexusClient
from grove_sm.nexus.url import NexusUrl
from grove_sm.operations.plan import Deleted, Expectation, Find, Get, Stored, Write
from grove_sm.operations.query import Query
from grove_sm.stores.nexus import NexusStore
from grove_sm.stores.nexus_files import OTHERS
from tests.conformance.places import write
from tests.servers.nexus_standin import NexusStandIn, Refusal

from .conftest import OpenNexus

ALL: Final = Find("claims", ())
LONG: Final = 30.0
"""Nobody waits so long, unless something is broken."""


@pytest.fixture
def proxy(server: NexusStandIn) -> Iterator[TcpProxy]:
    """A network in front of the server."""
    with TcpProxy(server.port) as proxy:
        yield proxy


def put(store: Participant, *writes: Write, txid: str = "tx-1") -> None:
    assert store.apply(txid, "[]", writes) == ()


def revisions(store: Participant) -> dict[str, int]:
    return {record.record_id: record.revision for record in store.read(ALL)}


def wait_for(server: NexusStandIn, method: str, path: str, times: int) -> None:
    """Until a server has been asked for something so often."""
    deadline = time.monotonic() + LONG
    while server.requests.count((method, path)) < times:
        assert time.monotonic() < deadline
        time.sleep(0.005)


# what comes late


def test_a_write_that_comes_after_newer_ones_changes_nothing(
    server: NexusStandIn, proxy: TcpProxy, open_nexus: OpenNexus
) -> None:
    slow, store = open_nexus(proxy.port, timeout=0.3), open_nexus()
    put(store, write("b"), write("gone"))
    steps = [
        (write("a"), write("b", 1)),
        (write("a", 1), write("b", 2)),
        (Write("claims", "gone", 1, None),),
    ]
    held = proxy.hold(b"/api/nfs/write")
    for number, writes in enumerate(steps):
        with pytest.raises(StoreUnavailable):
            slow.apply(f"tx-{number}", "[]", writes)
        put(store, *writes, txid=f"tx-{number}")
    put(store, write("a", 2), write("b", 3), txid="tx-9")
    files, seen = dict(server.zones["z"]), store.read(ALL)
    late = held.number
    written = sum(method == "write" for method, _ in server.requests)
    held.release()
    deadline = time.monotonic() + LONG
    while sum(method == "write" for method, _ in server.requests) < written + late:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(0.05)
    assert late >= 5
    assert server.zones["z"] == files
    assert store.read(ALL) == open_nexus().read(ALL) == seen
    assert revisions(store) == {"a": 3, "b": 4}


def test_what_was_reclaimed_may_come_back_and_is_not_seen(
    server: NexusStandIn,
) -> None:
    store = NexusStore(NexusUrl.parse(server.url("z"), setting="s"), kept=0.0)
    put(store, write("a"), write("gone"))
    early = dict(server.zones["z"])
    for base in range(1, 4):
        put(store, write("a", base), txid=f"tx-{base + 1}")
    put(store, Write("claims", "gone", 1, None), txid="tx-9")
    before = store.read(ALL)
    store.trim()
    assert sorted(server.zones["z"]) == ["/zones/z/claims/a/4", "/zones/z/claims/gone/2"]
    assert revisions(store) == {"a": 4}
    server.zones["z"].update(early)
    assert store.read(ALL) == before
    assert store.read(Get("claims", "gone")) == ()
    put(store, write("a"), write("gone"))
    put(store, write("a", 4), txid="tx-10")
    assert revisions(store) == {"a": 5}
    store.close()


def test_what_is_not_due_is_not_reclaimed(server: NexusStandIn, store: NexusStore) -> None:
    put(store, write("a"))
    put(store, write("a", 1), txid="tx-2")
    before = dict(server.zones["z"])
    store.trim()
    assert server.zones["z"] == before


def test_a_part_of_an_apply_is_not_seen(
    server: NexusStandIn, store: NexusStore, open_nexus: OpenNexus
) -> None:
    put(store, write("a"), write("b"), write("c"))

    def fail(method: str, params: Any) -> None:
        if method == "write" and params["path"].endswith("claims/b/2"):
            raise Refusal(-32603, "Internal error: no space left")

    server.before = fail
    step = (write("a", 1), write("b", 1), write("d"), write("x", collection="bounties"))
    with pytest.raises(StoreUnavailable, match="no space left"):
        store.apply("tx-2", "[]", step)
    assert "/zones/z/claims/a/2" in server.zones["z"]
    for reader in (store, open_nexus()):
        assert revisions(reader) == {"a": 1, "b": 1, "c": 1}
        assert reader.read(Get("claims", "a"))[0].revision == 1
        assert reader.read(Get("claims", "d")) == ()
    server.before = lambda *_: None
    put(store, *step, txid="tx-2")
    for reader in (store, open_nexus()):
        assert reader.read(Get("claims", "a"))[0].revision == 2
        assert revisions(reader) == {"a": 2, "b": 2, "c": 1, "d": 1}


def test_what_waits_for_a_foreign_change_in_vain_is_seen_at_last(
    server: NexusStandIn, store: NexusStore, open_nexus: OpenNexus
) -> None:
    """Half of a part was written before other software took the place of the other half."""
    put(store, write("b"))

    def fail(method: str, params: Any) -> None:
        if method == "write" and "/b/" in params["path"]:
            raise Refusal(-32603, "Internal error: no space left")

    server.before = fail
    step = (write("a"), write("b", 1))
    with pytest.raises(StoreUnavailable):
        store.apply("tx-2", "[]", step)
    server.before = lambda *_: None
    del server.zones["z"]["/zones/z/claims/b/1"]
    (outcome,) = store.apply("tx-2", "[]", step)
    assert (outcome.record_id, outcome.found) == ("b", "no record")
    assert revisions(open_nexus()) == {"a": 1}


# listings


def test_a_write_that_meets_what_another_has_written_meanwhile_is_not_made(
    open_nexus: OpenNexus,
) -> None:
    store, other = open_nexus(), open_nexus()
    put(store, write("a"))
    with (  # noqa: PT012
        pytest.raises(StoreUnavailable, match="written by somebody else"),
        store.together(),
    ):
        put(store, write("a", 1), txid="tx-2")
        put(other, write("a", 1), txid="tx-3")
    (seen,) = store.read(ALL)
    assert seen.txid == "tx-3"


def test_a_listing_that_a_write_has_overtaken_is_not_believed(
    server: NexusStandIn, store: NexusStore, open_nexus: OpenNexus
) -> None:
    """The server keeps it, and shows it to whoever asks in the same words."""
    put(store, write("a"))
    other = NexusClient(NexusUrl.parse(server.url("z"), setting="s"), timeout=LONG)
    server._race = 0.5
    listing = threading.Thread(target=other.list_folder, args=("/zones/z/claims",))
    listing.start()
    wait_for(server, "list", "/zones/z/claims", 1)
    server._race = 0.0
    put(store, write("b"), write("a", 1), txid="tx-2")
    listing.join()
    assert [entry.path for entry in other.list_folder("/zones/z/claims")] == ["/zones/z/claims/a/1"]
    other.close()
    for reader in (store, open_nexus()):
        assert revisions(reader) == {"a": 2, "b": 1}
        assert not reader.validate([Expectation(Get("claims", "b"), ())])


def test_no_question_is_asked_twice_in_the_same_words(
    server: NexusStandIn, store: NexusStore
) -> None:
    put(store, write("a"))
    asked: list[str] = []
    server.before = lambda _, params: asked.append(params.get("prefix") or "")
    for _ in range(50):
        store.read(ALL)
        store.read(Get("claims", "a"))
    questions = [question for question in asked if question]
    assert len(questions) == len(set(questions)) >= 100


def test_what_is_known_is_not_read_again(server: NexusStandIn, store: NexusStore) -> None:
    put(store, *(write(f"c{number}") for number in range(20)))
    store.read(ALL)
    begin = len(server.requests)
    assert len(store.read(ALL)) == 20
    assert [method for method, _ in server.requests[begin:]] == ["list"]


# what others write, and damage


def test_a_contribution_is_where_others_look_for_it(
    server: NexusStandIn, store: NexusStore
) -> None:
    cid = f"blake3:{'0' * 64}"
    document = {"cid": cid, "summary": "näh \0", "createdAt": "2026-01-01"}
    made = Write("contributions", cid, 0, json.dumps(document, ensure_ascii=False))
    put(store, made, write("h", collection="handoffs"))
    content = server.zones["z"][f"/zones/z/contributions/{cid}.json"]
    assert json.loads(content) == document
    assert content.decode().rstrip(" \t\r\n") == made.document
    assert store.read(Get("contributions", cid)) == (Stored(cid, 1, "tx-1", "[]", made.document),)


def test_a_contribution_of_others_is_read(server: NexusStandIn, store: NexusStore) -> None:
    text = '{\n  "cid": "blake3:ab",\n  "summary": "by others"\n}\n'
    server.zones["z"]["/zones/z/contributions/blake3:ab.json"] = text.encode()
    found = Stored("blake3:ab", 1, OTHERS, "[]", text)
    assert store.read(Get("contributions", "blake3:ab")) == (found,)
    assert store.page(Query("contributions"), None) == (found,)
    assert not store.validate([Expectation(Get("contributions", "blake3:ab"), ())])


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff", b'{"cid": 3}', b'{"cid": "blake3:cd"}'], ids=repr
)
def test_what_is_no_contribution_is_told(
    server: NexusStandIn, store: NexusStore, content: bytes
) -> None:
    path = "/zones/z/contributions/blake3:ab.json"
    server.zones["z"][path] = content
    with pytest.raises(Corrupt) as caught:
        store.read(Get("contributions", "blake3:ab"))
    assert path in str(caught.value)
    made = write("blake3:ab", collection="contributions")
    with pytest.raises(Corrupt):
        store.apply("tx-1", "[]", [made])
    assert server.zones["z"][path] == content


def test_files_of_others_are_told_and_not_read(server: NexusStandIn, store: NexusStore) -> None:
    put(store, write("a"))
    others = [
        "/zones/z/claims/b.json",
        "/zones/z/claims/c/notes.txt",
        "/zones/z/claims/d/01",
        "/zones/z/claims/e/1/2",
        "/zones/z/claims/f/0",
    ]
    server.zones["z"].update(dict.fromkeys(others, b"{}"))
    assert revisions(store) == {"a": 1}
    with store.snapshot() as snapshot:
        found = [each for each in snapshot.scan("claims") if isinstance(each, Corrupt)]
    assert sorted(error.what for error in found) == [f"the file {path}" for path in others]


def test_damage_anywhere_in_a_file_is_told_and_left_as_it_is(
    server: NexusStandIn, store: NexusStore, open_nexus: OpenNexus
) -> None:
    put(store, write("a"), write("b"))
    path = "/zones/z/claims/a/1"
    whole = server.zones["z"][path]
    for place in {0, 7, len(whole) // 2, len(whole) - 20, len(whole) - 1}:
        for damaged in (
            whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :],
            whole[:place],
            whole[:place] + whole[place + 1 :],
        ):
            server.zones["z"][path] = damaged
            reader = open_nexus()
            for use in (
                partial(reader.read, Get("claims", "a")),
                partial(reader.read, ALL),
                partial(reader.validate, [Expectation(ALL, ())]),
                partial(reader.apply, "tx-2", "[]", [write("a", 1)]),
                partial(reader.apply, "tx-1", "[]", [write("a")]),
            ):
                with pytest.raises(Corrupt) as caught:
                    use()
                assert path in str(caught.value)
            assert reader.read(Get("claims", "b"))
            with reader.snapshot() as snapshot:
                kinds = {type(each) for each in snapshot.scan("claims")}
            assert kinds == {Stored, Corrupt}
            assert server.zones["z"][path] == damaged
            assert "/zones/z/claims/a/2" not in server.zones["z"]


def test_a_file_in_the_place_of_another_is_told(
    server: NexusStandIn, open_nexus: OpenNexus
) -> None:
    put(open_nexus(), write("a"), write("x", collection="bounties"))
    put(open_nexus(), write("a", 1), txid="tx-2")
    files = server.zones["z"]
    for path, source in (
        ("claims/b/1", "claims/a/1"),
        ("claims/a/3", "claims/a/2"),
        ("claims/x/1", "bounties/x/1"),
    ):
        files[f"/zones/z/{path}"] = files[f"/zones/z/{source}"]
        with pytest.raises(Corrupt, match="stands there"):
            open_nexus().read(ALL)
        del files[f"/zones/z/{path}"]
    assert revisions(open_nexus()) == {"a": 2}


def test_a_change_by_others_is_seen_by_who_knew_the_file(
    server: NexusStandIn, store: NexusStore
) -> None:
    put(store, write("a"))
    store.read(ALL)
    server.zones["z"]["/zones/z/claims/a/1"] = b'{"mine": true}'
    with pytest.raises(Corrupt, match="has not written"):
        store.read(ALL)


# ids

IDS: Final = [
    ".", "..", "...", "/", "//", "../../secret", "a/b", "a\\b", "%", "%2F", "a%2Fb", "~", "~a",
    "", " ", " a ", "\0", "a\0b", "\n", "\t", "a:b", ".hidden", "._x", "Thumbs.db", ".DS_Store",
    "a.json", "1", "01", "é", "\U0001f333", "A", "a", "x" * 300, "x" * 299 + "y", "/" * 1000,
    "é" * 400, "_", "__", "a_parsed.json.md", "?", "#", "*", "'", '"', "memory", "con",
]  # fmt: skip


def test_no_id_leads_out_of_its_folder_or_to_another(
    server: NexusStandIn, store: NexusStore, open_nexus: OpenNexus
) -> None:
    for collection in ("claims", "contributions"):
        for record_id in IDS:
            put(store, write(record_id, collection=collection, own=record_id))
        for record_id in IDS:
            (found,) = open_nexus().read(Get(collection, record_id))
            assert (found.record_id, json.loads(found.document)["own"]) == (record_id, record_id)
        assert {r.record_id for r in store.read(Find(collection, ()))} == set(IDS)
    for path in server.zones["z"]:
        parts = path.split("/")
        assert parts[:3] == ["", "zones", "z"]
        assert parts[3] in ("claims", "contributions")
        assert len(parts) == (6 if parts[3] == "claims" else 5)
        assert all(part and len(part) <= 190 and ".." not in part for part in parts[1:])
        assert path.isascii()
        assert path.isprintable()


def test_a_deleted_record_of_any_id_stays_deleted(store: NexusStore) -> None:
    for record_id in ("..", "x" * 300):
        put(store, write(record_id))
        put(store, Write("claims", record_id, 1, None), txid="tx-2")
        put(store, write(record_id))
        assert store.read(Get("claims", record_id)) == ()
    with store.snapshot() as snapshot:
        assert {type(found) for found in snapshot.scan("claims")} == {Deleted}


def test_zones_are_told_apart(server: NexusStandIn, store: NexusStore) -> None:
    other = NexusStore(NexusUrl.parse(server.url("zz"), setting="s"))
    put(store, write("a"))
    assert other.read(ALL) == ()
    put(other, write("b"))
    assert revisions(store) == {"a": 1}
    other.close()
