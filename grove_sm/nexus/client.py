"""Calls on a Nexus server: JSON-RPC 2.0 by POST /api/nfs/METHOD, bounded in every way.

Whatever this library asks for may be asked twice: reads anyhow, and writes because what stands at
a path never changes. So a request that failed on the way is repeated, with pauses drawn at random,
until it is answered or its time is up.
"""

import base64
import json
import os
import random
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from itertools import count
from typing import Any, Final, NamedTuple, TypeVar

import httpx

from grove_sm.blocking import sleep
from grove_sm.domain.errors import StoreUnavailable
from grove_sm.nexus.exchange import Exchange, TooLongError
from grove_sm.nexus.url import NexusUrl

T = TypeVar("T")

_MOST_ATTEMPTS: Final = 5
_FIRST_PAUSE: Final = 0.05

_NOT_FOUND: Final = -32000
_EXISTS: Final = -32001
_REFUSED: Final = frozenset({-32003, -32004})
_NO_SUCH_METHOD: Final = -32601
_BAD_PARAMETERS: Final = -32602
_INTERNAL: Final = -32603
_PASSING_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_REFUSED_STATUS: Final = frozenset({401, 403, 407})

_NAMES: Final[Mapping[str, tuple[str, str]]] = {
    "read": ("read", "sys_read"),
    "write": ("write", "sys_write"),
}
"""What servers call a method: the released ones, and those that come after them."""


class Entry(NamedTuple):
    """A file in a listing. The etag changes with its content; empty if the server tells none."""

    path: str
    etag: str


class _ServerError(Exception):
    """An answer that is an error.

    `may_pass` tells whether the same may succeed a moment later.
    """

    def __init__(self, code: int, reason: str, *, may_pass: bool = False) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.may_pass = may_pass

    @property
    def is_unknown_method(self) -> bool:
        """Whether the server does not know the method: the released one has no code for that."""
        return self.code == _NO_SUCH_METHOD or (
            self.code == _BAD_PARAMETERS and "unknown method" in self.reason.lower()
        )

    def if_it_is(self, code: int, answer: T) -> T:
        """An answer that stands for an error of this code; raises it if it is another."""
        if self.code != code:
            raise self
        return answer


class NexusClient:
    """One server, for any number of threads.

    Nothing is asked of it before the first call.

    Args:
        url: where it is.
        timeout: seconds until a call gives up, whatever it has tried until then.

    Every call raises StoreUnavailable where the server cannot be reached, refuses, or answers what
    makes no sense; never with the key in it.
    """

    def __init__(self, url: NexusUrl, *, timeout: float) -> None:
        self._url = url
        self._timeout = timeout
        self._closed = ""
        self._process = os.getpid()
        self._dialect = 0
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if url.key is not None:
            self._headers["Authorization"] = f"Bearer {url.key}"
        self._exchange = Exchange(self._trusted())

    def read(self, path: str) -> bytes | None:
        """What a file holds; None if there is none."""
        with self._told():
            try:
                return _content(self._call("read", {"path": path}))
            except _ServerError as error:
                return error.if_it_is(_NOT_FOUND, None)

    def create(self, path: str, content: bytes) -> bool:
        """Write a file where there is none; whether there was none, as far as the server saw."""
        with self._told():
            try:
                self._write(path, content, if_none_match=True)
            except _ServerError as error:
                return error.if_it_is(_EXISTS, False)
            return True

    def replace(self, path: str, content: bytes) -> None:
        """Write a file, whatever is there."""
        with self._told():
            self._write(path, content)

    def exists(self, path: str) -> bool:
        """Whether there is a file."""
        with self._told():
            try:
                found = self._call("exists", {"path": path})
            except _ServerError as error:
                return error.if_it_is(_NOT_FOUND, False)
            return bool(found["exists"] if isinstance(found, dict) else found)

    def delete(self, path: str) -> None:
        """Have no file there."""
        with self._told():
            try:
                self._call("delete", {"path": path})
            except _ServerError as error:
                error.if_it_is(_NOT_FOUND, None)

    def list_folder(self, folder: str) -> list[Entry]:
        """Every file in a folder and in what is in it, as far as the server looks afresh."""
        with self._told():
            try:
                return list(self._listed({"path": folder}))
            except _ServerError as error:
                return error.if_it_is(_NOT_FOUND, [])

    def list_matching(self, folder: str, pattern: str) -> list[Entry] | None:
        """Every file whose path begins with what SQL's LIKE takes for a match of a pattern.

        None if the server has no such thing; perhaps all in the folder, if it heeds none.
        """
        with self._told():
            try:
                return list(self._listed({"path": folder, "prefix": pattern}))
            except _ServerError as error:
                return error.if_it_is(_BAD_PARAMETERS, None)

    def each(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """The results of several calls, made at the same time; raises what the first of them does.

        Not for use within one of them.
        """
        self.check_open()
        try:
            return self._exchange.each(calls)
        except (RuntimeError, CancelledError):
            # Closed meanwhile, by another thread.
            self.check_open()
            raise

    def close(self) -> None:
        """Close every connection. Safe to call twice."""
        self._closed = self._closed or "it has been closed"
        self._exchange.close()

    def _write(self, path: str, content: bytes, **conditions: bool) -> None:
        data = {"__type__": "bytes", "data": base64.b64encode(content).decode()}
        self._call("write", {"path": path, "content": data, **conditions})

    def _listed(self, where: Mapping[str, str]) -> Iterator[Entry]:
        params: dict[str, Any] = {**where, "recursive": True, "details": True}
        while True:
            found = self._call("list", params)
            for entry in found["files"] if isinstance(found, dict) else found:
                if isinstance(entry, str):
                    yield Entry(entry, "")
                elif not entry.get("is_directory"):
                    yield Entry(entry["path"], entry.get("etag") or "")
            if not isinstance(found, dict) or not found.get("has_more"):
                return
            params["cursor"] = found["next_cursor"]

    def _call(self, method: str, params: Mapping[str, Any]) -> Any:
        """What a method answers, under whichever of its names the server knows it.

        Raises _ServerError for the server's errors that are final, StoreUnavailable.
        """
        names = _NAMES.get(method, (method,))
        known = self._dialect if len(names) > 1 else 0
        for dialect in (known, 1 - known)[: len(names)]:
            try:
                return self._repeated(names[dialect], params)
            except _ServerError as error:
                if not error.is_unknown_method:
                    raise
            if len(names) > 1:
                self._dialect = 1 - dialect
        raise self._unavailable(f"it has no method {' or '.join(names)}; is it a Nexus server?")

    def _repeated(self, name: str, params: Mapping[str, Any]) -> Any:
        """What a request comes to, repeated while it fails on the way or the server is hindered."""
        deadline = time.monotonic() + self._timeout
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": name, "params": params}).encode()
        for attempt in count(1):
            try:
                return self._answer(name, body, deadline)
            except httpx.TimeoutException as error:
                reason = _reason(error) or f"no answer within {self._timeout:g} seconds"
            except httpx.RequestError as error:
                reason = _reason(error) or f"the connection was lost ({type(error).__name__})"
                if "certificate" in str(error).lower():
                    raise self._unavailable(f"{_UNTRUSTED} ({error})") from None
            except _ServerError as failure:
                if not failure.may_pass:
                    raise
                reason = failure.reason
            pause = _FIRST_PAUSE * 2**attempt * random.uniform(0.5, 1.0)
            if attempt == _MOST_ATTEMPTS or time.monotonic() + pause >= deadline:
                raise self._unavailable(reason)
            sleep(pause)
        raise AssertionError

    def _answer(self, name: str, body: bytes, deadline: float) -> Any:
        """What one request is answered. Raises httpx's errors, _ServerError or StoreUnavailable."""
        self.check_open()
        url = f"{self._url.server}/api/nfs/{name}"
        try:
            answer = self._exchange.post(url, self._headers, body, deadline)
        except TooLongError:
            raise self._unavailable("its answer is too long") from None
        return self._result(answer.status, answer.body)

    def _result(self, status: int, body: bytes) -> Any:
        try:
            answer = json.loads(body)
            error = answer.get("error")
            if error is None and status < httpx.codes.BAD_REQUEST:
                return answer["result"]
            code, words = int(error["code"]), " ".join(str(error.get("message", "")).split())
        except (ValueError, KeyError, TypeError, AttributeError):
            raise self._by_status(status) from None
        if code in _REFUSED or status in _REFUSED_STATUS:
            raise self._unavailable(f"{_ACCESS} ({words})")
        raise _ServerError(code, words, may_pass=code == _INTERNAL)

    def _by_status(self, status: int) -> Exception:
        """What an answer comes to that holds no word of JSON-RPC."""
        if status in _REFUSED_STATUS:
            return self._unavailable(_ACCESS)
        if status in _PASSING_STATUS:
            return _ServerError(_INTERNAL, f"it answered HTTP {status}", may_pass=True)
        if status == httpx.codes.NOT_FOUND:
            return _ServerError(_NO_SUCH_METHOD, "it answered HTTP 404")
        return self._unavailable(f"{_NO_SENSE} (HTTP {status})")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turns errors of the server, and answers that are not understood, into this library's."""
        try:
            yield
        except _ServerError as error:
            raise self._unavailable(error.reason) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise self._unavailable(_NO_SENSE) from None

    def _trusted(self) -> ssl.SSLContext | bool:
        if self._url.server.startswith("http://"):
            # There is nothing to verify, and to load what would do it takes its time.
            return False
        try:
            return ssl.create_default_context(cafile=self._url.authorities)
        except OSError as error:
            reason = f"{self._url.authorities} holds no certificates ({error})"
            raise self._unavailable(reason) from None

    def check_open(self) -> None:
        """Raise StoreUnavailable if this was closed, or opened before the process was forked."""
        if self._closed:
            raise StoreUnavailable(store=self._url.name, reason=self._closed)
        if os.getpid() != self._process:
            raise StoreUnavailable(store=self._url.name, reason=_FORKED)

    def _unavailable(self, reason: str) -> StoreUnavailable:
        return StoreUnavailable(store=self._url.name, reason=self._url.hide(reason))


_NO_SENSE: Final = "what answers there is no Nexus server, by its answer"
_ACCESS: Final = "access was refused; check the key"
_UNTRUSTED: Final = "its certificate is not trusted; name what it is signed by with ?ca=FILE"
_FORKED: Final = "it was opened before this process was forked; open a grove in the child"


def _reason(error: httpx.RequestError) -> str:
    """What a connection's failure tells a person; empty where it is said better elsewhere."""
    if isinstance(error, httpx.ConnectTimeout):
        return "it cannot be reached in time"
    if isinstance(error, httpx.PoolTimeout):
        return "too many requests wait for an answer"
    if isinstance(error, httpx.ConnectError):
        return f"it cannot be reached; is it running? ({_refusal(error)})"
    return ""


def _refusal(error: BaseException) -> BaseException:
    """What the system said, where an asynchronous client tells less of it."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno is not None:
            return seen
        several = seen.exceptions[0] if isinstance(seen, BaseExceptionGroup) else None
        seen = several or seen.__cause__ or seen.__context__
    return error


def _content(found: Any) -> bytes:
    """The bytes in the answer to a read, in any of the forms that servers give them.

    Raises ValueError for another form.
    """
    if isinstance(found, dict) and "content" in found:
        if found.get("encoding") == "base64":
            return base64.b64decode(found["content"], validate=True)
        found = found["content"]
    if isinstance(found, dict) and found.get("__type__") == "bytes":
        return base64.b64decode(found["data"], validate=True)
    if isinstance(found, str):
        return found.encode()
    raise ValueError(found)
