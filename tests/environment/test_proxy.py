"""The proxy does to real sockets what it says, in front of a server that answers in capitals."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Final

import pytest

from faults.proxy import MANNERS, MOMENTS, Manner, Moment, TcpProxy

LONG: Final = 30.0
"""Nobody waits so long, unless something is broken."""

MOMENT: Final = 0.2
"""So long nothing comes, where nothing is to come."""


class Capitals(socketserver.ThreadingTCPServer):
    """Answers each request by its text in capitals, and remembers what it was sent."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.ends: list[str] = []
        super().__init__(("127.0.0.1", 0), _Answering)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def until_end(self) -> str:
        """How a connection has ended, once one has."""
        deadline = time.monotonic() + LONG
        while not self.ends:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        return self.ends[0]


class _Answering(socketserver.BaseRequestHandler):
    server: Capitals

    def handle(self) -> None:
        try:
            while data := self.request.recv(65536):
                self.server.received.append(data)
                self.request.sendall(data.upper())
            self.server.ends.append("end")
        except ConnectionResetError:
            self.server.ends.append("reset")


@pytest.fixture
def server() -> Iterator[Capitals]:
    """The server."""
    with Capitals() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def proxy(server: Capitals) -> Iterator[TcpProxy]:
    """A proxy in front of it."""
    with TcpProxy(server.port) as proxy:
        yield proxy


def connect(proxy: TcpProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=LONG)


def ask(client: socket.socket, text: bytes) -> bytes:
    client.sendall(text)
    answer = b""
    while len(answer) < len(text):
        part = client.recv(65536)
        if not part:
            return answer
        answer += part
    return answer


def test_everything_is_passed_on(proxy: TcpProxy, server: Capitals) -> None:
    large = b"x" * 1_000_000
    with closing(connect(proxy)) as client:
        assert ask(client, b"hello") == b"HELLO"
        threading.Thread(target=client.sendall, args=(large,), daemon=True).start()
        found = b""
        while len(found) < len(large):
            found += client.recv(65536)
        assert found == large.upper()
    assert server.until_end() == "end"


def test_clients_do_not_meet(proxy: TcpProxy) -> None:
    clients = [connect(proxy) for _ in range(10)]
    for number, client in enumerate(clients):
        assert ask(client, f"c{number}".encode()) == f"C{number}".encode()
        client.close()


def test_a_delay_delays(proxy: TcpProxy) -> None:
    with closing(connect(proxy)) as client:
        proxy.delay(0.1)
        start = time.monotonic()
        assert ask(client, b"a") == b"A"
        assert time.monotonic() - start >= 0.2
        proxy.heal()
        assert ask(client, b"b") == b"B"


def test_a_throttled_connection_passes_so_much_and_all_of_it(proxy: TcpProxy) -> None:
    with closing(connect(proxy)) as client:
        proxy.throttle(20_000)
        start = time.monotonic()
        assert ask(client, b"abcd" * 1000) == b"ABCD" * 1000
        assert time.monotonic() - start >= 0.15


def test_in_a_black_hole_nothing_is_heard_until_it_is_healed(
    proxy: TcpProxy, server: Capitals
) -> None:
    with closing(connect(proxy)) as client:
        assert ask(client, b"a") == b"A"
        proxy.black_hole()
        client.sendall(b"b")
        client.settimeout(MOMENT)
        with pytest.raises(TimeoutError):
            client.recv(1)
        with closing(connect(proxy)) as late:
            late.settimeout(MOMENT)
            late.sendall(b"c")
            with pytest.raises(TimeoutError):
                late.recv(1)
            assert server.received == [b"a"]
            assert server.ends == []
            proxy.heal()
            for waiting, answer in ((client, b"B"), (late, b"C")):
                waiting.settimeout(LONG)
                assert waiting.recv(1) == answer


def test_what_is_held_back_comes_when_it_is_released(proxy: TcpProxy, server: Capitals) -> None:
    with closing(connect(proxy)) as client, closing(connect(proxy)) as other:
        assert ask(client, b"a") == b"A"
        held = proxy.hold(b"bad")
        client.sendall(b"bad")
        client.settimeout(MOMENT)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.sendall(b" news")
        assert ask(other, b"good") == b"GOOD"
        assert (held.number, server.received) == (1, [b"a", b"good"])
        held.release()
        client.settimeout(LONG)
        assert client.recv(8) == b"BAD NEWS"
        assert ask(client, b"more bad") == b"MORE BAD"
    assert server.received == [b"a", b"good", b"bad news", b"more bad"]


def test_what_is_held_back_comes_though_its_client_has_gone(
    proxy: TcpProxy, server: Capitals
) -> None:
    held = proxy.hold()
    with closing(connect(proxy)) as client:
        client.sendall(b"late")
        while not held.number:
            time.sleep(0.005)
    time.sleep(MOMENT)
    assert server.received == []
    held.release()
    server.until_end()
    while b"late" not in server.received:
        time.sleep(0.005)


def test_who_is_refused_is_reset(proxy: TcpProxy, server: Capitals) -> None:
    with closing(connect(proxy)) as client:
        assert ask(client, b"a") == b"A"
        proxy.refuse()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        assert server.until_end() == "reset"
        with pytest.raises(ConnectionError), closing(connect(proxy)) as late:  # noqa: PT012
            late.sendall(b"b")
            late.recv(1)
            raise ConnectionError
        proxy.heal()
        with closing(connect(proxy)) as again:
            assert ask(again, b"c") == b"C"
    assert b"b" not in server.received


@pytest.mark.parametrize("manner", MANNERS)
def test_connections_are_severed_in_each_manner(
    proxy: TcpProxy, server: Capitals, manner: Manner
) -> None:
    with closing(connect(proxy)) as client:
        assert ask(client, b"a") == b"A"
        proxy.sever(manner)
        check_ends(client, server, manner)
        with closing(connect(proxy)) as again:
            assert ask(again, b"b") == b"B"


def check_ends(client: socket.socket, server: Capitals, manner: Manner) -> None:
    """What each end of a severed connection hears of it."""
    client.settimeout(MOMENT if manner in ("silence", "client unaware") else LONG)
    if manner in ("silence", "client unaware"):
        with pytest.raises(TimeoutError):
            client.recv(1)
    elif manner == "reset":
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    else:
        assert client.recv(1) == b""
    if manner in ("silence", "server unaware"):
        time.sleep(MOMENT)
        assert server.ends == []
    elif manner == "reset":
        assert server.until_end() == "reset"
    else:
        # A reset too, if it has just answered.
        server.until_end()


REQUEST: Final = b"commit it"
SEEN: Final[dict[Moment, tuple[bytes, bytes]]] = {
    "before request": (b"", b""),
    "in request": (b"comm", b""),
    "after request": (REQUEST, b""),
    "in answer": (REQUEST, b"COMM"),
    "after answer": (REQUEST, REQUEST.upper()),
}
"""What server and client see of a request that is cut at each moment."""


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_one_request_is_cut_at_each_moment(
    proxy: TcpProxy, server: Capitals, moment: Moment, manner: Manner
) -> None:
    arrives, comes_back = SEEN[moment]
    with closing(connect(proxy)) as client, closing(connect(proxy)) as other:
        done = proxy.cut(moment, matching=b"commit", manner=manner)
        assert ask(client, b"first") == b"FIRST"
        client.sendall(REQUEST)
        assert done.wait(LONG)
        if manner != "reset":
            # A reset may overtake what was sent before it.
            found = b""
            while len(found) < len(comes_back):
                found += client.recv(len(comes_back))
            assert found == comes_back
        if not (manner == "reset" and comes_back):
            check_ends(client, server, manner)
        assert ask(other, b"commit") == b"COMMIT", "it was to be cut once"
    if manner != "reset":
        assert b"".join(server.received) == b"first" + arrives + b"commit"


def test_a_cut_that_has_not_come_is_forgotten(proxy: TcpProxy) -> None:
    done = proxy.cut("before request", matching=b"x")
    proxy.heal()
    with closing(connect(proxy)) as client:
        assert ask(client, b"x") == b"X"
    assert not done.is_set()


def test_a_server_that_is_gone_resets_who_connects() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        free = taken.getsockname()[1]
    # Whether connecting itself is reset, or what comes next, is a matter of microseconds.
    with (
        TcpProxy(free) as proxy,
        pytest.raises(ConnectionResetError),
        closing(connect(proxy)) as client,
    ):
        client.recv(1)
