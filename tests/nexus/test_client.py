"""What a store makes of servers that name things otherwise, fail, are silent, or are none."""

import logging
import os
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from faults.proxy import MOMENTS, Moment, TcpProxy
from grove_sm.domain.errors import GroveError, StoreUnavailable
from grove_sm.nexus.client import NexusClient
from grove_sm.nexus.url import NexusUrl
from grove_sm.operations.plan import Find, Get
from grove_sm.stores.nexus import NexusStore
from tests.conformance.places import write
from tests.servers.nexus_standin import Dialect, NexusStandIn, Refusal

from .conftest import OpenNexus

SECRET: Final = "sk-pr1vate"  # noqa: S105 - of servers that live as long as a test
CERTIFICATES: Final = Path(__file__).parent / "certificates"
MOST: Final = 10.0
"""Far more than the patience of these stores, and far less than for ever."""

DIALECTS: Final = {
    "released": Dialect(),
    "to come": Dialect("sys_read", "sys_write", knows_prefixes=False, is_plain=True),
    "to come, in pages": Dialect("sys_read", "sys_write", knows_prefixes=False, is_plain=True,
                                 page=2),
    "no prefixes": Dialect(knows_prefixes=False),
    "prefixes for nothing": Dialect(knows_prefixes=None),
    "errors by status too": Dialect(status=500),
    "errors as 404": Dialect(status=404),
}  # fmt: skip


@pytest.fixture(params=DIALECTS)
def other_server(request: pytest.FixtureRequest) -> Iterator[NexusStandIn]:
    """A server of each dialect."""
    server = NexusStandIn(DIALECTS[request.param])
    yield server
    server.close()


@pytest.fixture
def proxy(server: NexusStandIn) -> Iterator[TcpProxy]:
    """A network in front of the server."""
    with TcpProxy(server.port) as proxy:
        yield proxy


def put_and_look(store: NexusStore) -> None:
    """Create, change and delete records, and see them."""
    assert store.read(Get("claims", "a")) == ()
    assert store.apply("tx-1", "[]", [write("a"), write("b"), write("c")]) == ()
    assert store.apply("tx-2", "[]", [write("a", 1), write("d", collection="bounties")]) == ()
    assert [record.revision for record in store.read(Get("claims", "a"))] == [2]
    assert len(store.read(Find("claims", ()))) == 3
    made = write("x", collection="contributions")
    assert store.apply("tx-3", "[]", [made]) == ()
    assert store.read(Get("contributions", "x"))[0].document == made.document
    assert len(store.read(Find("contributions", ()))) == 1


def refusal(store: NexusStore) -> StoreUnavailable:
    """What a store that cannot be used says, in time."""
    began = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        store.read(Get("claims", "a"))
    assert time.monotonic() - began < MOST
    assert caught.value.store == store.name
    return caught.value


def test_the_names_of_methods_are_found_out(
    other_server: NexusStandIn, open_nexus: OpenNexus
) -> None:
    put_and_look(open_nexus(other_server.port))
    put_and_look_again = open_nexus(other_server.port)
    assert len(put_and_look_again.read(Find("claims", ()))) == 3


def test_a_server_that_is_upgraded_is_found_out_again(
    server: NexusStandIn, store: NexusStore
) -> None:
    assert store.apply("tx-1", "[]", [write("a")]) == ()
    for name in ("read", "write"):
        server._methods[f"sys_{name}"] = server._methods.pop(name)
    assert store.apply("tx-2", "[]", [write("a", 1)]) == ()
    assert store.read(Get("claims", "a"))[0].revision == 2


def test_a_server_of_another_kind_is_told(server: NexusStandIn, store: NexusStore) -> None:
    server._methods.clear()
    assert "is it a Nexus server?" in refusal(store).reason


@pytest.mark.parametrize(
    "answer",
    [b"", b"[]", b"<html>", b'{"result": {}}', b'{"result": {"files": 3}}', b'{"error": 3}',
     b'{"error": {"code": "x"}}', b'{"result": {"files": [{"size": 3}]}}', b"\xff\xfe"],
)  # fmt: skip
def test_an_answer_that_makes_no_sense_is_told(open_nexus: OpenNexus, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(answer)
        pid = os.fork()
        if pid == 0:
            while True:
                client, _ = listening.accept()
                client.recv(65536)
                client.sendall(head + answer)
                client.close()
        try:
            refusal(open_nexus(listening.getsockname()[1]))
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)


def test_nobody_there(open_nexus: OpenNexus) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert "is it running?" in refusal(open_nexus(port)).reason


def test_a_server_that_is_silent_is_given_up(proxy: TcpProxy, open_nexus: OpenNexus) -> None:
    store = open_nexus(proxy.port)
    put_and_look(store)
    proxy.black_hole()
    assert "no answer within 2 seconds" in refusal(store).reason
    proxy.heal()
    assert len(store.read(Find("claims", ()))) == 3


def test_a_server_that_trickles_is_given_up(proxy: TcpProxy, open_nexus: OpenNexus) -> None:
    store = open_nexus(proxy.port)
    put_and_look(store)
    proxy.throttle(100)
    assert "no answer within 2 seconds" in refusal(store).reason


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("method", ["write", "list", "read"])
def test_a_connection_that_is_cut_costs_a_repetition(
    proxy: TcpProxy, open_nexus: OpenNexus, moment: Moment, method: str
) -> None:
    store = open_nexus(proxy.port)
    put_and_look(store)
    fresh = open_nexus(proxy.port)
    done = proxy.cut(moment, matching=f"/api/nfs/{method}".encode())
    assert fresh.apply("tx-9", "[]", [write("a", 2), write("e")]) == ()
    assert done.is_set()
    assert [record.revision for record in fresh.read(Get("claims", "a"))] == [3]
    assert len(store.read(Find("claims", ()))) == 4


def test_an_error_that_passes_is_waited_for(server: NexusStandIn, store: NexusStore) -> None:
    failures = iter([Refusal(-32603, "Internal error: database is locked")] * 3)

    def fail(method: str, params: Any) -> None:
        if method == "write":
            for failure in failures:
                raise failure

    server.before = fail
    assert store.apply("tx-1", "[]", [write("a")]) == ()
    assert next(failures, None) is None
    assert len(store.read(Find("claims", ()))) == 1


def test_an_error_that_does_not_pass_is_told(server: NexusStandIn, store: NexusStore) -> None:
    def fail(method: str, params: Any) -> None:
        if method == "write":
            raise Refusal(-32603, "Internal error: disk is full")

    server.before = fail
    with pytest.raises(StoreUnavailable, match="disk is full"):
        store.apply("tx-1", "[]", [write("a")])


def test_a_key_is_sent_and_told_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = NexusStandIn(key=SECRET)
    url = f"{server.url('z')}?key="
    told: list[object] = []
    with TcpProxy(server.port) as proxy:
        through = f"nexus+http://127.0.0.1:{proxy.port}/z?key="
        right = NexusStore(NexusUrl.parse(through + SECRET, setting="s"), timeout=1.0)
        put_and_look(right)
        wrong = NexusStore(NexusUrl.parse(f"{url}{SECRET}-not", setting="s"), timeout=1.0)
        found = refusal(wrong)
        assert "check the key" in found.reason
        told += [right, vars(right), wrong, found, found.__cause__, found.__context__, right.name]
        proxy.black_hole()
        found = refusal(right)
        told += [found, found.to_document(), found.__cause__, found.__context__]
        proxy.heal()
        server.before = _echo_the_key
        found = refusal(right)
        told += [found, found.to_document(), found.__cause__, found.__context__]
    server.close()
    right.close()
    wrong.close()
    assert "httpcore" in {record.name.partition(".")[0] for record in caplog.records}
    assert SECRET not in repr([told, *map(str, told)])
    assert SECRET not in caplog.text


def _echo_the_key(_: str, __: object) -> None:
    raise Refusal(-32603, f"cannot do that for {SECRET}")


def _encrypted(server: NexusStandIn) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "certificate.pem", CERTIFICATES / "key.pem")
    server._http.socket = context.wrap_socket(server._http.socket, server_side=True)
    return context


def test_a_certificate_is_verified(tmp_path: Path) -> None:
    server = NexusStandIn()
    _encrypted(server)
    trusted = CERTIFICATES / "certificate.pem"
    url = f"nexus+https://127.0.0.1:{server.port}/z"
    stores = [
        NexusStore(NexusUrl.parse(text, setting="s"), timeout=2.0)
        for text in (url, f"{url}?ca={trusted}", f"{url.replace('127.0.0.1', 'localhost')}")
    ]
    try:
        assert "certificate is not trusted" in refusal(stores[0]).reason
        put_and_look(stores[1])
        assert "certificate is not trusted" in refusal(stores[2]).reason
    finally:
        for store in stores:
            store.close()
        server.close()
    with pytest.raises(StoreUnavailable, match="holds no certificates"):
        NexusStore(NexusUrl.parse(f"{url}?ca={tmp_path}/none", setting="s"))


def test_nothing_of_the_environment_leads_elsewhere(
    server: NexusStandIn, open_nexus: OpenNexus, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    put_and_look(open_nexus())


def test_a_forked_child_leaves_the_connections_alone(store: NexusStore) -> None:
    put_and_look(store)
    pid = os.fork()
    if pid == 0:
        try:
            store.read(Get("claims", "a"))
        except GroveError as error:
            os._exit(0 if "forked" in str(error) else 2)
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    assert len(store.read(Find("claims", ()))) == 3


def test_what_is_asked_is_bounded(server: NexusStandIn) -> None:
    """However many threads ask, so many connections are open at once."""
    at_once: list[int] = []
    open_ = 0

    def count_up(method: str, params: Any) -> None:
        nonlocal open_
        open_ += 1
        at_once.append(open_)
        time.sleep(0.01)
        open_ -= 1

    server.before = count_up
    client = NexusClient(NexusUrl.parse(server.url("z"), setting="s"), timeout=5.0)
    client.each([lambda: client.read("/zones/z/none")] * 40)
    client.close()
    assert 1 < max(at_once) <= 8
