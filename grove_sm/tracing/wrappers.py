"""Wrappers around a journal and stores that write down what these are asked, and answer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from grove_sm.commit.contract import Hold, Holder, Journal, Participant, Snapshot
from grove_sm.commit.intervention import Intervention
from grove_sm.commit.machine import Decision
from grove_sm.commit.passing import PassesOn
from grove_sm.commit.record import Entry, Recorded
from grove_sm.operations.plan import Expectation, Find, Heuristic, Read, Stored, Write
from grove_sm.operations.query import Place, Query
from grove_sm.tracing import facts
from grove_sm.tracing.lines import FORMAT, TraceFile, Tracer


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
            with self._tracer.call("hold", **facts.of_entry(entry), one_append=one_append) as line:
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
            line["found"] = facts.of_holders(found)
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
            line["found"] = facts.of_holders(found)
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
        with self._tracer.call(
            "read", changes=False, store=self._label, read=facts.of_read(read)
        ) as line:
            found = self._inner.read(read)
            line["found"] = facts.of_records(found)
            if isinstance(read, Find) and read.newest:
                documents = (
                    facts.of_document(read.collection, record.record_id, record.document)
                    for record in found
                )
                line["created_at"] = [document["createdAt"] for document in documents]
        return found

    def page(
        self, query: Query, limit: int | None, after: Place | None = None
    ) -> tuple[Stored, ...]:
        page = {**facts.of_query(query), "limit": limit}
        with self._tracer.call("read", changes=False, store=self._label, read=page) as line:
            found = self._inner.page(query, limit, after)
            line["found"] = facts.of_records(found)
        return found

    def counts(self, query: Query, by: str) -> Mapping[str, int]:
        counts = {**facts.of_query(query), "by": by}
        with self._tracer.call("count", changes=False, store=self._label, read=counts) as line:
            found = self._inner.counts(query, by)
            line["found"] = sum(found.values())
        return found

    def validate(self, expectations: Sequence[Expectation]) -> bool:
        expected = [{**facts.of_read(read), "found": found} for read, found in expectations]
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
            writes=facts.of_writes(writes),
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
