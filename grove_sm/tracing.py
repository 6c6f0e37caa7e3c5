"""What a coordinator asks of its journal and stores, and what they answer, written down as it goes.

A trace tells how the protocol was kept, not what the records say: of a document it has a digest
and the fields that stores filter by. docs/traces.md names every line.

Nothing is traced, and nothing of this is in the way, unless somebody asks for it.
"""

import itertools
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

from blake3 import blake3
from pydantic_core import to_json

from grove_sm.commit.contract import Hold, Holder, Journal, Participant, Snapshot
from grove_sm.commit.intervention import Intervention
from grove_sm.commit.machine import Decision
from grove_sm.commit.passing import PassesOn
from grove_sm.commit.record import Entry, Recorded
from grove_sm.domain.errors import StoreUnavailable
from grove_sm.operations.layout import INDEXED
from grove_sm.operations.plan import Expectation, Find, Get, Heuristic, Read, Stored, Write
from grove_sm.operations.query import Place, Query, values_of

log = logging.getLogger("grove_sm")

FORMAT: Final = 1
_DIGEST_DIGITS: Final = 16

Line = dict[str, Any]
"""One line of a trace: a JSON object."""


class TraceFile:
    """A file that lines are added to, each whole, by any number of threads and processes.

    Once a line cannot be written, no later one is: what is traced goes on without.

    Args:
        path: the file, made if there is none; its folder must exist.

    Raises StoreUnavailable if it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._descriptor: int | None = os.open(
                path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644
            )
        except OSError as error:
            raise StoreUnavailable(store=str(path), reason=f"no trace: {error}") from error
        self._turn = threading.Lock()

    def write(self, line: Line) -> None:
        """Add a line."""
        with self._turn:
            if self._descriptor is None:
                return
            text = to_json(line) + b"\n"
            try:
                if os.write(self._descriptor, text) < len(text):
                    raise OSError("its disk is full")
            except OSError as error:
                log.warning("the trace %s ends here: %s", self._path, error)
                self._let_go()

    def close(self) -> None:
        """Let go of the file. Safe to call twice."""
        with self._turn:
            self._let_go()

    def _let_go(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Tracer:
    """Writes a line about each call of one coordinator.

    Args:
        write: takes a line.
        stamp: the next stamp: a number that grows, the same for everybody who is traced. The
            default, nanoseconds since the machine was started, is for processes of one machine.
        about: what every line is to say besides.

    A call that may change something is told in two lines, lest its process die in it: what is
    asked when it begins, and what came of it when it is answered. Other calls are told in one.
    """

    def __init__(
        self,
        write: Callable[[Line], object],
        *,
        stamp: Callable[[], int] = time.monotonic_ns,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self._write = write
        self._stamp = stamp
        self.about = dict(about or {})
        self._here = threading.local()
        self._threads = itertools.count(1)

    @contextmanager
    def call(self, name: str, *, changes: bool = True, **facts: Any) -> Iterator[Line]:
        """The block is a call; what came of it is to be added to the line that is yielded."""
        begun = {**self.about, "thread": self._thread(), "began": self._stamp()}
        asked = {**begun, "call": name, **facts}
        if changes:
            self._write(asked)
        answer = dict(begun if changes else asked)
        try:
            yield answer
        except BaseException as error:
            answer["error"] = type(error).__name__
            raise
        finally:
            answer["ended"] = self._stamp()
            self._write(answer)

    @property
    def transaction(self) -> str | None:
        """The transaction whose keys this thread is about to hold, or holds."""
        found: str | None = getattr(self._here, "transaction", None)
        return found

    @transaction.setter
    def transaction(self, txid: str | None) -> None:
        self._here.transaction = txid

    @property
    def together(self) -> int | None:
        """The stamp at which the block began whose applies this thread makes in one go."""
        found: int | None = getattr(self._here, "together", None)
        return found

    @together.setter
    def together(self, began: int | None) -> None:
        self._here.together = began

    def _thread(self) -> int:
        if not hasattr(self._here, "number"):
            self._here.number = next(self._threads)
        number: int = self._here.number
        return number


class TracedHold:
    """The `Hold` contract around another hold; it remembers what was `asked` of it."""

    def __init__(self, inner: Hold) -> None:
        self._inner = inner
        self.asked: Decision | None = None

    @property
    def refused_by(self) -> tuple[Holder, ...]:
        return self._inner.refused_by

    @property
    def recorded(self) -> Recorded | None:
        return self._inner.recorded

    def decide(self, decision: Decision) -> None:
        self.asked = decision
        self._inner.decide(decision)

    @property
    def decision(self) -> Decision:
        return self._inner.decision


class TracedJournal(PassesOn):
    """The `Journal` contract around another journal.

    Args:
        inner: what it is around.
        tracer: is told of every call.
        on_close: called when the journal has been closed.
    """

    def __init__(
        self, inner: Journal, tracer: Tracer, *, on_close: Callable[[], object] = bool
    ) -> None:
        self._inner = inner
        self._tracer = tracer
        self._on_close = on_close
        with tracer.call("open", changes=False, format=FORMAT, kind=type(inner).__name__):
            pass

    @property
    def _reached(self) -> Journal:
        return self._inner

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def coordinator(self) -> int:
        return self._inner.coordinator

    def is_alive(self, coordinator: int) -> bool:
        with self._tracer.call("is_alive", changes=False, asked_of=coordinator) as line:
            line["alive"] = self._inner.is_alive(coordinator)
        return bool(line["alive"])

    def has_company(self) -> bool:
        return self._inner.has_company()

    @contextmanager
    def hold(self, entry: Entry, *, one_append: bool) -> Iterator[TracedHold]:
        block = self._inner.hold(entry, one_append=one_append)
        self._tracer.transaction = entry.txid
        try:
            with self._tracer.call("hold", **_told(entry), one_append=one_append) as line:
                hold = TracedHold(block.__enter__())
                line["refused_by"] = [holder.txid for holder in hold.refused_by]
                line["recorded"] = hold.recorded.txid if hold.recorded else None
            try:
                yield hold
            except BaseException as error:
                with self._tracer.call("leave", txid=entry.txid, broken_by=type(error).__name__):
                    block.__exit__(type(error), error, error.__traceback__)
                raise
            asked = None if hold.asked is None else hold.asked.value
            with self._tracer.call("leave", txid=entry.txid, asked=asked) as line:
                block.__exit__(None, None, None)
                line["decision"] = hold.decision.value
        finally:
            self._tracer.transaction = None

    def unapplied(self) -> tuple[Holder, ...]:
        with self._tracer.call("unapplied", changes=False) as line:
            found = self._inner.unapplied()
            line["found"] = _states(found)
        return found

    def load(self, txid: str) -> Entry | None:
        with self._tracer.call("load", changes=False, txid=txid) as line:
            entry = self._inner.load(txid)
            line["found"] = entry is not None
        return entry

    def abort(self, txid: str) -> Decision:
        with self._tracer.call("abort", txid=txid) as line:
            decision = self._inner.abort(txid)
            line["decision"] = decision.value
        return decision

    def release(self, txid: str) -> None:
        with self._tracer.call("release", txid=txid):
            self._inner.release(txid)

    def unfinished(self) -> tuple[Holder, ...]:
        with self._tracer.call("unfinished", changes=False) as line:
            found = self._inner.unfinished()
            line["found"] = _states(found)
        return found

    def finish(self, txids: Sequence[str]) -> None:
        with self._tracer.call("finish", txids=list(txids)):
            self._inner.finish(txids)

    def note(self, heuristics: Sequence[Heuristic]) -> None:
        self._inner.note(heuristics)

    def discard(
        self, intervention: Intervention, heuristics: Sequence[Heuristic], *, has_effect: bool
    ) -> None:
        with self._tracer.call("discard", txid=intervention.txid):
            self._inner.discard(intervention, heuristics, has_effect=has_effect)

    def recall(self, record_id: str, now: str) -> Recorded | None:
        return self._inner.recall(record_id, now)

    def outcome(self, txid: str) -> Decision | None:
        with self._tracer.call("outcome", txid=txid) as line:
            decision = self._inner.outcome(txid)
            line["decision"] = None if decision is None else decision.value
        return decision

    def history(self, limit: int) -> tuple[tuple[str, str, Entry | None], ...]:
        return self._inner.history(limit)

    def flush(self) -> None:
        with self._tracer.call("flush"):
            self._inner.flush()

    def trim(self) -> None:
        self._inner.trim()

    def forget(self, before: str) -> None:
        self._inner.forget(before)

    def close(self) -> None:
        with self._tracer.call("close"):
            self._inner.close()
        self._on_close()


class TracedStore:
    """The `Participant` contract around another participant.

    Args:
        inner: what it is around.
        label: how lines call it.
        tracer: is told of every call but those that read all there is.
    """

    def __init__(self, inner: Participant, label: str, tracer: Tracer) -> None:
        self._inner = inner
        self._label = label
        self._tracer = tracer

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def local(self) -> bool:
        return self._inner.local

    def read(self, read: Read) -> tuple[Stored, ...]:
        with self._tracer.call("read", changes=False, store=self._label, read=_words(read)) as line:
            found = self._inner.read(read)
            line["found"] = _revisions(found)
            if isinstance(read, Find) and read.newest:
                line["created_at"] = [
                    _fields(read.collection, record.record_id, record.document)["createdAt"]
                    for record in found
                ]
        return found

    def page(
        self, query: Query, limit: int | None, after: Place | None = None
    ) -> tuple[Stored, ...]:
        page = {**_asked(query), "limit": limit}
        with self._tracer.call("read", changes=False, store=self._label, read=page) as line:
            found = self._inner.page(query, limit, after)
            line["found"] = _revisions(found)
        return found

    def counts(self, query: Query, by: str) -> Mapping[str, int]:
        counts = {**_asked(query), "by": by}
        with self._tracer.call("count", changes=False, store=self._label, read=counts) as line:
            found = self._inner.counts(query, by)
            line["found"] = sum(found.values())
        return found

    def validate(self, expectations: Sequence[Expectation]) -> bool:
        expected = [{**_words(read), "found": found} for read, found in expectations]
        with self._tracer.call(
            "validate",
            changes=False,
            store=self._label,
            txid=self._tracer.transaction,
            expected=expected,
        ) as line:
            line["vote"] = self._inner.validate(expectations)
        return bool(line["vote"])

    def apply(self, txid: str, members: str, writes: Sequence[Write]) -> tuple[Heuristic, ...]:
        with self._tracer.call(
            "apply",
            store=self._label,
            txid=txid,
            writes=_bases(writes),
            together=self._tracer.together,
        ) as line:
            outcomes = self._inner.apply(txid, members, writes)
            line["heuristics"] = len(outcomes)
        return outcomes

    def together(self) -> AbstractContextManager[None]:
        return self._in_one_go("together", self._inner.together())

    def redo(self) -> AbstractContextManager[None]:
        return self._in_one_go("redo", self._inner.redo())

    @contextmanager
    def _in_one_go(self, name: str, block: AbstractContextManager[object]) -> Iterator[None]:
        with self._tracer.call(name, store=self._label) as line:
            self._tracer.together = line["began"]
            try:
                with block:
                    yield
            finally:
                self._tracer.together = None

    def force(self) -> None:
        with self._tracer.call("force", store=self._label):
            self._inner.force()

    def trim(self) -> None:
        self._inner.trim()

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        return self._inner.snapshot()

    def close(self) -> None:
        self._inner.close()


def trace_stores(
    stores: Mapping[str, Participant], label: Callable[[str], str], tracer: Tracer
) -> dict[str, Participant]:
    """A wrapper around the store of each collection; one and the same where they share one.

    `label` tells what lines call the store of a collection.
    """
    traced: dict[int, TracedStore] = {}
    for collection, store in stores.items():
        traced.setdefault(id(store), TracedStore(store, label(collection), tracer))
    return {collection: traced[id(store)] for collection, store in stores.items()}


def trace_to_file(
    path: Path, journal: Journal, stores: Mapping[str, Participant]
) -> tuple[Journal, dict[str, Participant]]:
    """A coordinator's journal and stores, traced to a file until the journal is closed.

    Raises StoreUnavailable if the file cannot be opened.
    """
    file = TraceFile(path)
    tracer = Tracer(file.write, about={"coordinator": journal.coordinator})
    traced = trace_stores(stores, lambda collection: stores[collection].name, tracer)
    return TracedJournal(journal, tracer, on_close=file.close), traced


def _told(entry: Entry) -> Line:
    return {
        "txid": entry.txid,
        "operation": entry.operation,
        "keys": list(entry.keys),
        "writes": [
            {
                "collection": write.collection,
                "id": write.record_id,
                "base": write.base,
                **_contents(write.collection, write.record_id, write.document),
            }
            for write in entry.writes
        ],
    }


def _contents(collection: str, record_id: str, document: str | None) -> Line:
    if document is None:
        return {"deletes": True}
    return {
        "digest": blake3(document.encode()).hexdigest()[:_DIGEST_DIGITS],
        "fields": _fields(collection, record_id, document),
    }


def _fields(collection: str, record_id: str, text: str) -> Line:
    """The fields that stores filter by: what stands there, a list where the field is one."""
    document = json.loads(text)
    fields: Line = {}
    for field, path in INDEXED[collection].items():
        values = values_of(collection, field, record_id, document)
        fields[field] = list(values) if "[]" in path else "".join(values)
    return fields


def _asked(query: Query) -> Line:
    return {"collection": query.collection, "where": dict(query.where)}


def _states(holders: Sequence[Holder]) -> list[tuple[str, str]]:
    return [(holder.txid, holder.state) for holder in holders]


def _words(read: Read) -> Line:
    if isinstance(read, Get):
        return {"collection": read.collection, "id": read.record_id}
    newest = {"newest": True} if read.newest else {}
    return {"collection": read.collection, "where": dict(read.where), **newest}


def _revisions(found: Sequence[Stored]) -> list[tuple[str, int, str]]:
    return [(record.record_id, record.revision, record.txid) for record in found]


def _bases(writes: Sequence[Write]) -> list[tuple[str, str, int]]:
    return [(write.collection, write.record_id, write.base) for write in writes]
