"""A store in a zone of a Nexus server, for any of the five collections, or several of them."""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Final

from grove_sm.blocking import Cooperative
from grove_sm.commit.redo import Verdict, heuristic, judge, written
from grove_sm.domain.errors import Corrupt, StoreUnavailable
from grove_sm.nexus.client import NexusClient
from grove_sm.nexus.url import NexusUrl
from grove_sm.operations.plan import Deleted, Expectation, Get, Heuristic, Read, Stored, Write
from grove_sm.operations.query import Place, Query
from grove_sm.stores.nexus_files import (
    Name,
    Revision,
    Zone,
    encode,
    segment_of,
    written_together,
)
from grove_sm.stores.nexus_reading import NexusFiles, NexusReads, NexusSnapshot

log = logging.getLogger("grove_sm")

_KEPT_SECONDS: Final = 600.0
_MOST_RECLAIMED: Final = 64


class _Draft:
    """What the applies of a block come to, before any of it is written."""

    def __init__(self) -> None:
        self.records: dict[Get, Stored | Deleted] = {}
        self.files: dict[Name, Revision] = {}


class NexusStore(Cooperative):
    """The `Participant` contract on files (see `grove_sm.commit.contract`).

    The server's conditions for writes are no mutual exclusion, and none is needed: who writes
    holds the keys, and whatever comes twice or late writes what is there already, or a revision
    that is not the newest (see `grove_sm.stores.nexus_files`).

    What the server has acknowledged counts as durable. A search goes through a whole collection,
    of which it reads what it has not read before.

    Args:
        url: where it is; nothing is asked of the server before the first call.
        timeout: seconds to wait for an answer, repeated requests included.
        kept: seconds for which revisions stay after they were superseded.
    """

    local: Final = False

    def __init__(self, url: NexusUrl, *, timeout: float = 5.0, kept: float = _KEPT_SECONDS) -> None:
        self._url = url
        self._kept = kept
        self._client = NexusClient(url, timeout=timeout)
        self._zone = Zone(url.zone)
        self._files = NexusFiles(self._client, self._zone, url.name)
        self._reads = NexusReads(self._files.newest)
        self._joined: ContextVar[_Draft | None] = ContextVar("joined", default=None)
        self._turn = threading.Lock()
        self._superseded: deque[tuple[float, Name]] = deque()

    @property
    def name(self) -> str:
        return self._url.name

    def read(self, read: Read) -> tuple[Stored, ...]:
        return self._reads.read(read)

    def page(
        self, query: Query, limit: int | None, after: Place | None = None
    ) -> tuple[Stored, ...]:
        return self._reads.page(query, limit, after)

    def counts(self, query: Query, by: str) -> dict[str, int]:
        return dict(self._reads.counts(query, by))

    def validate(self, expectations: Sequence[Expectation]) -> bool:
        if not expectations:
            return True
        found = self._reads.found([expectation.read for expectation in expectations])
        return all(
            sorted(seen) == sorted(expectation.found)
            for seen, expectation in zip(found, expectations, strict=True)
        )

    def apply(self, txid: str, members: str, writes: Sequence[Write]) -> tuple[Heuristic, ...]:
        joined = self._joined.get()
        if joined is not None:
            return self._add(joined, txid, members, writes)
        if all(write.base == 0 and not write.origin for write in writes):
            files = written_together({_name_of(w): written(w, txid, members) for w in writes})
            if all(self._create(files)):
                return ()
        draft = _Draft()
        outcomes = self._add(draft, txid, members, writes)
        self._write(draft)
        return outcomes

    @contextmanager
    def together(self) -> Iterator[None]:
        draft = _Draft()
        before = self._joined.set(draft)
        try:
            yield
        finally:
            self._joined.reset(before)
        self._write(draft)

    def redo(self) -> AbstractContextManager[None]:
        return self.together()

    def force(self) -> None:
        self._client.check_open()

    def trim(self) -> None:
        names: list[Name] = []
        with self._turn:
            while self._superseded and len(names) < _MOST_RECLAIMED:
                since, name = self._superseded[0]
                if time.monotonic() - since < self._kept:
                    break
                self._superseded.popleft()
                names.append(name)
        if names:
            try:
                self._client.each(
                    [partial(self._client.delete, self._zone.path(name)) for name in names]
                )
            except StoreUnavailable as error:
                # They stay, and do no harm.
                log.info("superseded revisions are not reclaimed: %s", error)

    @contextmanager
    def snapshot(self) -> Iterator[NexusSnapshot]:
        yield NexusSnapshot(self._files, self.name)

    def close(self) -> None:
        self._client.close()

    def _create(self, files: Mapping[Name, Revision]) -> list[bool]:
        """Write files where there are none; of each, whether there was none."""
        paths = {name: self._zone.path(name) for name in files}
        created = self._client.each(
            [partial(self._client.create, paths[name], encode(name, files[name])) for name in files]
        )
        self._files.listing.note_written(next(iter(paths.values())))
        return created

    def _add(
        self, draft: _Draft, txid: str, members: str, writes: Sequence[Write]
    ) -> tuple[Heuristic, ...]:
        """What an apply comes to, on top of what the draft has."""
        places = {write: Get(write.collection, write.record_id) for write in writes}
        unknown = [get for get in places.values() if get not in draft.records]
        found = {**self._reads.current(unknown), **draft.records}
        verdicts = {write: judge(write, txid, found[get]) for write, get in places.items()}
        outcomes = [
            heuristic(write, txid, found[get], self.name)
            for write, get in places.items()
            if verdicts[write] is Verdict.FOREIGN
        ]
        ours = {w: written(w, txid, members) for w in writes if verdicts[w] is not Verdict.FOREIGN}
        files = written_together({_name_of(write): record for write, record in ours.items()})
        for write, record in ours.items():
            is_written = verdicts[write] is Verdict.ALREADY and found[places[write]] == record
            if verdicts[write] is Verdict.APPLY:
                draft.records[places[write]] = record
            # What was written by who did not meet the foreign change waits for the rest in vain.
            if verdicts[write] is Verdict.APPLY or (outcomes and is_written):
                draft.files[_name_of(write)] = files[_name_of(write)]
        return tuple(outcomes)

    def _write(self, draft: _Draft) -> None:
        """Write a draft. Raises StoreUnavailable if something else stands in its place by now."""
        if not draft.files:
            return
        created = zip(draft.files, self._create(draft.files), strict=True)
        met = [name for name, is_new in created if not is_new]
        standing = self._files.fetch(dict.fromkeys(met, ""), afresh=True) if met else {}
        for name in met:
            there, ours = standing[name], draft.files[name]
            if isinstance(there, Corrupt):
                raise there
            if there is None or there.record != ours.record:
                reason = f"{self._zone.path(name)} was written by somebody else; try again"
                raise StoreUnavailable(store=self.name, reason=reason)
            if there != ours:
                self._client.replace(self._zone.path(name), encode(name, ours))
        since = time.monotonic()
        with self._turn:
            for name in draft.files:
                if name.revision > 1:
                    self._superseded.append((since, name._replace(revision=name.revision - 1)))


def _name_of(write: Write) -> Name:
    return Name(write.collection, segment_of(write.record_id), write.revision)
