"""A TCP proxy on this machine that does to connections what networks do.

It stands in front of any server and knows no protocol: a *request* is whatever a client sends after
it was last answered, an *answer* whatever the server then sends. Everything is done to real
sockets, so that clients and servers meet what they would meet: silence, an end, a reset.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

T = TypeVar("T")

Moment = Literal["before request", "in request", "after request", "in answer", "after answer"]
"""When a connection is cut: before anything of a request has arrived, when half of it has, when the
server has dealt with it, when half of the answer has come back, when all has."""

MOMENTS: Final[tuple[Moment, ...]] = (
    "before request",
    "in request",
    "after request",
    "in answer",
    "after answer",
)

Manner = Literal["close", "reset", "silence", "client unaware", "server unaware"]
"""How it is cut: both ends are told that it has ended, or reset; neither hears of it; or it is half
open, since one of them does not."""

MANNERS: Final[tuple[Manner, ...]] = (
    "close",
    "reset",
    "silence",
    "client unaware",
    "server unaware",
)

_CHUNK: Final = 65536
_SLICES: Final = 20
"""How many times a second a throttled connection passes something on."""

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class _Cut:
    """A cut that is to come: once, in the next request that has these bytes."""

    def __init__(self, moment: Moment, matching: bytes, manner: Manner) -> None:
        self.moment = moment
        self.matching = matching
        self.manner = manner
        self.done = threading.Event()


class Held:
    """Requests that are held back: those that have these bytes in them."""

    def __init__(self, proxy: "TcpProxy", matching: bytes) -> None:
        self._proxy = proxy
        self.matching = matching
        self.released = asyncio.Event()
        self.number = 0

    def release(self) -> None:
        """Have the server get all of them now, however long ago their clients gave up."""
        self._proxy.release(self)


class _Link:
    """One connection of a client, and the one to the server that belongs to it."""

    def __init__(
        self,
        client: asyncio.StreamWriter,
        server: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
    ) -> None:
        self.client = client
        self.server = server
        self.cut: _Cut | None = None
        self.is_silent = False
        # None while a request is held back: nothing that the server does then is to be told.
        self.answers: asyncio.StreamReader | None = answers

    def sever(self, manner: Manner) -> None:
        """Cut it."""
        self.is_silent = True
        ends = {
            "silence": (),
            "client unaware": (self.server,),
            "server unaware": (self.client,),
        }.get(manner, (self.client, self.server))
        for writer in ends:
            _end(writer, by_reset=manner == "reset")


class TcpProxy:
    """A proxy for the time of a `with` block.

    Args:
        host, port: the server's.

    Attributes:
        port: where clients are to connect to, on 127.0.0.1.
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._target = (host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._links: set[_Link] = set()
        self._cuts: list[_Cut] = []
        self._holds: list[Held] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._delay = 0.0
        self._rate: float | None = None
        self._is_refusing = False
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._wait_for(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._wait_for(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def delay(self, seconds: float) -> None:
        """Pass everything on so much later."""
        self._do(lambda: setattr(self, "_delay", seconds))

    def throttle(self, bytes_per_second: float) -> None:
        """Pass no more than so much on, in each direction of each connection."""
        self._do(lambda: setattr(self, "_rate", bytes_per_second))

    def black_hole(self) -> None:
        """Pass nothing on, and tell nobody; new connections are taken, and nothing comes of them.

        What was sent meanwhile arrives after `heal`, as it does where a route comes back.
        """
        self._do(self._passing.clear)

    def refuse(self) -> None:
        """Reset every connection, and those that are tried."""
        self._do(self._refuse)

    def sever(self, manner: Manner) -> None:
        """Cut every connection that there is; new ones are as good as any."""
        self._do(lambda: self._sever(manner))

    def cut(
        self, moment: Moment, *, matching: bytes = b"", manner: Manner = "reset"
    ) -> threading.Event:
        """Cut one connection at this moment of the next request that has these bytes in it.

        Returns an event that is set once that has happened.
        """
        cut = _Cut(moment, matching, manner)
        self._do(lambda: self._cuts.append(cut))
        return cut.done

    def hold(self, matching: bytes = b"") -> Held:
        """Hold back every request from now on that has these bytes in it, until it is released.

        Its client hears nothing meanwhile. Once released, it comes to whatever server is there by
        then, as over a network that has mislaid it.
        """
        held = Held(self, matching)
        self._do(lambda: self._holds.append(held))
        return held

    def forget(self, held: Held) -> None:
        """Hold back no more for this, but keep what is held back."""
        self._do(lambda: self._holds.remove(held) if held in self._holds else None)

    def release(self, held: Held) -> None:
        """Pass on what was held back, and hold back no more for that."""
        self._do(lambda: self._release(held))

    def heal(self) -> None:
        """Pass everything on again, at once and whole; forget cuts that have not come."""
        self._do(self._heal)

    def _refuse(self) -> None:
        self._is_refusing = True
        self._sever("reset")

    def _sever(self, manner: Manner) -> None:
        for link in tuple(self._links):
            link.sever(manner)

    def _heal(self) -> None:
        self._delay, self._rate, self._is_refusing = 0.0, None, False
        self._cuts.clear()
        for held in tuple(self._holds):
            self._release(held)
        self._passing.set()

    def _release(self, held: Held) -> None:
        if held in self._holds:
            self._holds.remove(held)
        held.released.set()

    async def _stop(self) -> None:
        self._server.close()
        for link in tuple(self._links):
            link.sever("close")
            # Ends that were not to be told are, at last.
            _end(link.client)
            _end(link.server)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_refusing:
            _end(writer, by_reset=True)
            return
        await self._passing.wait()
        try:
            from_server, to_server = await asyncio.open_connection(*self._target)
        except OSError:
            _end(writer, by_reset=True)
            return
        link = _Link(writer, to_server, from_server)
        self._links.add(link)
        try:
            await asyncio.gather(
                self._pump(link, reader, to_server, self._on_request),
                self._pump(link, from_server, writer, self._on_answer),
            )
        finally:
            if not link.is_silent:
                _end(writer)
                _end(to_server)
                self._links.discard(link)

    async def _pump(
        self,
        link: _Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_data: Callable[[_Link, bytes], tuple[bytes, bool]],
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._passing.wait()
                if link.is_silent:
                    return
                if on_data == self._on_request:
                    for held in self._holds:
                        if held.matching in data:
                            await self._hold_back(link, held, reader, data)
                            return
                passed, is_last = on_data(link, data)
                await self._pass_on(writer, passed)
                if is_last and link.cut is not None:
                    link.sever(link.cut.manner)
                    link.cut.done.set()
                    return
            is_left = writer is link.client and reader is not link.answers
            if not (link.is_silent or is_left) and writer.can_write_eof():
                writer.write_eof()

    async def _hold_back(
        self, link: _Link, held: Held, reader: asyncio.StreamReader, data: bytes
    ) -> None:
        """Keep what a client sends until it is released, and pass it on over a new connection."""
        held.number += 1
        link.answers = None
        released = asyncio.ensure_future(held.released.wait())
        while not released.done():
            more = asyncio.ensure_future(reader.read(_CHUNK))
            await asyncio.wait({more, released}, return_when=asyncio.FIRST_COMPLETED)
            if not more.done():
                more.cancel()
                await asyncio.wait({more})
            elif part := more.result():
                data += part
            else:
                await released
        # Whatever became of the one that was there when it began.
        from_server, to_server = await asyncio.open_connection(*self._target)
        link.server.transport.abort()
        link.server, link.answers = to_server, from_server
        try:
            await self._pass_on(to_server, data)
            if reader.at_eof():
                to_server.write_eof()
            await asyncio.gather(
                self._pump(link, reader, to_server, self._on_request),
                self._pump(link, from_server, link.client, self._on_answer),
            )
        finally:
            _end(to_server)

    def _on_request(self, link: _Link, data: bytes) -> tuple[bytes, bool]:
        """How much of what a client sends is passed on, and whether that is the last of it."""
        for cut in self._cuts if link.cut is None else ():
            if cut.matching in data:
                self._cuts.remove(cut)
                link.cut = cut
                if cut.moment == "before request":
                    return b"", True
                if cut.moment == "in request":
                    return data[: len(data) // 2], True
                break
        return data, False

    def _on_answer(self, link: _Link, data: bytes) -> tuple[bytes, bool]:
        """How much of what a server sends is passed on, and whether that is the last of it."""
        match link.cut.moment if link.cut else None:
            case "after request":
                return b"", True
            case "in answer":
                return data[: len(data) // 2], True
            case "after answer":
                return data, True
        return data, False

    async def _pass_on(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if self._delay:
            await asyncio.sleep(self._delay)
        while data and self._rate is not None:
            size = max(int(self._rate / _SLICES), 1)
            writer.write(data[:size])
            await writer.drain()
            data = data[size:]
            await asyncio.sleep(1 / _SLICES)
        if data:
            writer.write(data)
            await writer.drain()

    def _do(self, change: Callable[[], object]) -> None:
        """Make a change in the loop's thread, and return once it is made."""

        async def make() -> None:
            change()

        self._wait_for(make())

    def _wait_for(self, awaited: Coroutine[Any, Any, T] | Awaitable[T]) -> T:
        async def wait() -> T:
            return await awaited

        return asyncio.run_coroutine_threadsafe(wait(), self._loop).result()


def _end(writer: asyncio.StreamWriter, *, by_reset: bool = False) -> None:
    with suppress(OSError):
        if by_reset:
            found = writer.get_extra_info("socket")
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        writer.transport.abort()
