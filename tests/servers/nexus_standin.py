"""A Nexus server in this process: as much of the released one as the store asks for, and its flaws.

It checks the conditions of writes without a lock, and keeps listings that a write has overtaken;
it matches prefixes as SQL's LIKE does; it takes much less time. That it answers as the real one
does is tested by putting both through the same suites.
"""

import base64
import hashlib
import json
import re
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple

_NOT_FOUND: Final = -32000
_EXISTS: Final = -32001
_INVALID_PATH: Final = -32002
_DENIED: Final = -32003
_CONFLICT: Final = -32006
_NO_SUCH_METHOD: Final = -32601
_BAD_PARAMETERS: Final = -32602

Params = Mapping[str, Any]


class Refusal(Exception):  # noqa: N818 - it is an answer
    """A JSON-RPC error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Dialect(NamedTuple):
    """In what a server differs from the released one.

    Attributes:
        read, write: what it calls these methods.
        knows_prefixes: whether it lists by prefix; None if it takes one and does not heed it.
        is_plain: whether its answers are those of servers to come: strings, and base64 as such.
        page: the most entries of one answer to `list`; None for no limit.
        status: the HTTP status of an error.
    """

    read: str = "read"
    write: str = "write"
    knows_prefixes: bool | None = True
    is_plain: bool = False
    page: int | None = None
    status: int = 200


RELEASED: Final = Dialect()


class NexusStandIn:
    """A server for as long as it is open, on 127.0.0.1.

    Args:
        dialect: in what it differs from the released one.
        key: the bearer key that it wants, if any.
        race: seconds that it takes between a look at a file and the write that rests on it, and
            between a look at the files and keeping what was listed.

    Attributes:
        dialect: in what it differs from the released one.
        port: where it listens.
        zones: by zone, the content at each path.
        requests: each method and path that it was asked for, in order.
        before: called with method and parameters before each request is dealt with.
    """

    def __init__(
        self, dialect: Dialect = RELEASED, *, key: str | None = None, race: float = 0.0
    ) -> None:
        self.zones: defaultdict[str, dict[str, bytes]] = defaultdict(dict)
        self.requests: list[tuple[str, str]] = []
        self.before: Callable[[str, Params], object] = _nothing
        self.dialect = dialect
        self._key = key
        self._race = race
        self._listings: dict[str, list[str]] = {}
        self._methods: dict[str, Callable[[Params], Any]] = {
            dialect.read: self._read,
            dialect.write: self._write,
            "list": self._list,
            "exists": lambda params: {"exists": self._standing(params["path"]) is not None},
            "delete": self._delete,
        }
        self._http = _Server(("127.0.0.1", 0), _handler(self))
        self.port = int(self._http.server_address[1])
        threading.Thread(
            target=self._http.serve_forever, args=(0.05,), daemon=True, name="nexus-stand-in"
        ).start()

    def url(self, zone: str) -> str:
        """A store's URL, without the key."""
        return f"nexus+http://127.0.0.1:{self.port}/{zone}"

    def close(self) -> None:
        """Let go of the port, and of every connection."""
        self._http.shutdown()
        self._http.server_close()
        self._http.end_connections()

    def put(self, zone: str, files: Mapping[str, bytes]) -> None:
        """Have exactly these files in a zone."""
        self.zones[zone] = dict(files)
        self._listings.clear()

    def answer(self, method: str, body: bytes, authorization: str | None) -> dict[str, Any]:
        """The answer to a request."""
        try:
            if self._key is not None and authorization != f"Bearer {self._key}":
                raise Refusal(_DENIED, "Invalid or missing API key")
            params = json.loads(body)["params"]
            if method not in self._methods:
                raise self._unknown(method)
            self.requests.append((method, params.get("path", "")))
            self.before(method, params)
            return {"jsonrpc": "2.0", "id": 1, "result": self._methods[method](params)}
        except Refusal as error:
            return {
                "jsonrpc": "2.0",
                "id": 1,
                "error": {"code": error.code, "message": error.message},
            }

    def _unknown(self, method: str) -> Refusal:
        if self.dialect.is_plain:
            return Refusal(_NO_SUCH_METHOD, "Method not found")
        return Refusal(_BAD_PARAMETERS, f"Invalid parameters: Unknown method: {method}")

    def _read(self, params: Params) -> Any:
        content = self._content(params)
        text = base64.b64encode(content).decode()
        if self.dialect.is_plain:
            return {"content": text, "encoding": "base64", "etag": _etag(content)}
        return {"content": {"__type__": "bytes", "data": text}, "etag": _etag(content)}

    def _write(self, params: Params) -> Any:
        path = _valid(params["path"])
        content = base64.b64decode(params["content"]["data"], validate=True)
        standing = self._standing(path)
        self._let_others()
        if params.get("if_none_match") and standing is not None:
            raise Refusal(_EXISTS, f"File already exists: {path}")
        expected = params.get("if_match")
        if expected is not None and (standing is None or _etag(standing) != expected):
            raise Refusal(_CONFLICT, f"Conflict detected for {path}")
        self.zones[_zone(path)][path] = content
        self._forget_listings(path)
        return {"etag": _etag(content), "size": len(content)}

    def _delete(self, params: Params) -> Any:
        self._content(params)
        self.zones[_zone(params["path"])].pop(params["path"], None)
        self._forget_listings(params["path"])
        return {"success": True}

    def _list(self, params: Params) -> Any:
        unknown = set(params) - {"path", "recursive", "details", "prefix", "cursor"}
        if unknown or ("prefix" in params and self.dialect.knows_prefixes is False):
            raise Refusal(_BAD_PARAMETERS, "Invalid parameters for list: unexpected argument")
        asked = params.get("prefix") if self.dialect.knows_prefixes else None
        asked = asked or f"{_valid(params['path'])}/"
        found = self._listings.get(asked)
        if found is None:
            matches = _like(re.sub("%+", "%", f"{asked}%"))
            # Nobody asks for a zone by less than its name.
            zones = [zone for zone in [*self.zones] if zone in asked]
            found = sorted(path for zone in zones for path in [*self.zones[zone]] if matches(path))
            self._let_others()
            self._listings[asked] = found
        return self._listed(found, int(params.get("cursor", 0)))

    def _listed(self, found: list[str], begin: int) -> dict[str, Any]:
        page = self.dialect.page or len(found) or 1
        contents = ((path, self._standing(path)) for path in found[begin : begin + page])
        files = [
            {"path": path, "etag": _etag(content), "is_directory": False}
            for path, content in contents
            if content is not None
        ]
        if not self.dialect.is_plain:
            return {"files": files}
        end = begin + page
        more = {"has_more": end < len(found), "next_cursor": str(end)}
        return {"files": [file["path"] for file in files], **more}

    def _content(self, params: Params) -> bytes:
        content = self._standing(_valid(params["path"]))
        if content is None:
            raise Refusal(_NOT_FOUND, f"File not found: {params['path']}")
        return content

    def _standing(self, path: str) -> bytes | None:
        return self.zones[_zone(path)].get(path)

    def _forget_listings(self, path: str) -> None:
        for asked in [asked for asked in [*self._listings] if path.startswith(asked)]:
            self._listings.pop(asked, None)

    def _let_others(self) -> None:
        if self._race:
            time.sleep(self._race)


def _nothing(_: str, __: Params) -> None:
    pass


def _zone(path: str) -> str:
    return path.split("/", 3)[2] if path.startswith("/zones/") else ""


def _etag(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _valid(path: str) -> str:
    if ".." in path or any(character in path for character in "\0\n\r\t"):
        raise Refusal(_INVALID_PATH, f"Path contains what it must not: {path!r}")
    return re.sub("/+", "/", path).rstrip("/")


@lru_cache(maxsize=1024)
def _like(pattern: str) -> Callable[[str], bool]:
    """SQL's LIKE, as SQLite has it: letters match their capitals. For one that ends in `%`."""
    first, *rest = [
        re.compile("".join("." if c == "_" else re.escape(c) for c in piece), re.IGNORECASE)
        for piece in pattern.removesuffix("%").split("%")
    ]

    def matches(text: str) -> bool:
        # Where each piece is found first, the next one has most room.
        found = first.match(text)
        for piece in rest:
            if found is None:
                return False
            found = piece.search(text, found.end())
        return found is not None

    return matches


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *arguments: Any) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        """Have nobody be answered any more."""
        for connection in [*self._connections]:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that go away."""


def _handler(server: NexusStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            method = self.path.removeprefix("/api/nfs/")
            answer = server.answer(method, body, self.headers["Authorization"])
            status = server.dialect.status if "error" in answer else 200
            self._send(json.dumps(answer).encode(), status)

        def do_GET(self) -> None:
            self._send(b'{"status": "healthy"}')

        def _send(self, body: bytes, status: int = 200) -> None:
            head = (
                f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            self.wfile.write(head.encode() + body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@cache
def shared_stand_in() -> NexusStandIn:
    """The stand-in of this process."""
    return NexusStandIn()
