"""Reads of a zone of a Nexus server, as it is now or, by a listing that is kept, as it was."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import Final

from grove_sm.blocking import in_pieces, sleep
from grove_sm.domain.errors import Corrupt, StoreUnavailable
from grove_sm.nexus.client import NexusClient
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.operations.plan import Deleted, Find, Get, Read, Scanned, Stored
from grove_sm.operations.query import Place, Query
from grove_sm.stores.memory import MemorySnapshot
from grove_sm.stores.nexus_files import Name, Revision, Zone, decode, segment_of
from grove_sm.stores.nexus_listing import NexusListing, Single, Whole, merged

Question = Whole | Single
Listed = Mapping[tuple[str, str], Mapping[int, str]]
"""By collection and segment, the etag of each revision."""

LookUp = Callable[[Sequence[Question]], Listed]

Answer = Mapping[tuple[str, str], Revision | Corrupt]
"""By collection and segment, a record's newest revision that counts."""

_CACHED_BYTES: Final = 64 * 2**20
_MOST_KNOWN: Final = 100_000
_MANY: Final = 20
_MOST_LOOKS: Final = 10
_PAUSE: Final = 0.02


class NexusFiles:
    """The revisions in a zone, those that were read before kept in memory: they never change.

    Args:
        client: asks the server.
        zone: where they are.
        name: the store's, as errors call it.
    """

    def __init__(self, client: NexusClient, zone: Zone, name: str) -> None:
        self.listing = NexusListing(client, zone)
        self.zone = zone
        self._client = client
        self._name = name
        self._turn = Lock()
        self._cached: OrderedDict[tuple[Name, str], tuple[Revision, int]] = OrderedDict()
        self._size = 0
        self._known_whole: set[Name] = set()

    def etags(self, questions: Sequence[Question]) -> Listed:
        """By collection and segment, the etag of each revision that is there now."""
        return merged(self._client.each([partial(self.listing.etags, q) for q in questions]))

    def fetch(
        self, wanted: Mapping[Name, str], *, afresh: bool = False
    ) -> dict[Name, Revision | Corrupt | None]:
        """Revisions by their files, of these etags; None for one that is gone.

        Args:
            wanted: the etag of each.
            afresh: whether to read what is known, too.
        """
        found: dict[Name, Revision | Corrupt | None] = {}
        if not afresh:
            with self._turn:
                for key in wanted.items():
                    if key in self._cached:
                        self._cached.move_to_end(key)
                        found[key[0]] = self._cached[key][0]
        missing = [name for name in wanted if name not in found]
        if missing:
            reads = [partial(self._read, name) for name in missing]
            contents = self._client.each(reads)
            for name, content in in_pieces(zip(missing, contents, strict=True)):
                found[name] = self._decoded(name, wanted[name], content)
        return found

    def newest(self, questions: Sequence[Question]) -> Answer:
        """The newest revisions that count of all records that questions are about."""
        for look in range(_MOST_LOOKS):
            # A file is listed a moment before the released server lets it be read.
            sleep(_PAUSE * look)
            with suppress(_Gone):
                return self.choose(self.etags(questions), questions, self.etags)
        raise StoreUnavailable(store=self._name, reason="its files keep changing; try again")

    def choose(
        self,
        etags: Listed,
        questions: Sequence[Question],
        look_up: LookUp,
        *,
        afresh: bool = False,
    ) -> Answer:
        """The newest revision that counts of each record in a listing.

        A revision counts once every file that was written with it is there, or a later one of the
        same record (as in RAMP, Bailis et al., "Scalable atomic visibility", 2014). Until then the
        one before it does.

        Args:
            etags: the listing.
            questions: what it answers.
            look_up: lists what else is needed.
            afresh: whether to read what is known, too.

        Raises _Gone if a file of the listing is gone, StoreUnavailable.
        """
        chosen: dict[tuple[str, str], Revision | Corrupt] = {}
        left = {key: sorted(revisions) for key, revisions in etags.items()}
        seen = _Seen(etags, questions, look_up)
        while left:
            wanted = {Name(*key, each[-1]): etags[key][each[-1]] for key, each in left.items()}
            found = self.fetch(wanted, afresh=afresh)
            leaders = {f.leader for f in found.values() if isinstance(f, Revision) and f.leader}
            whole = self._whole_parts(leaders, seen)
            for name, revision in in_pieces(found.items()):
                if revision is None:
                    raise _Gone
                key = name[:2]
                if isinstance(revision, Corrupt) or revision.leader in whole:
                    chosen[key] = revision
                    del left[key]
                else:
                    left[key].pop()
                    if not left[key]:
                        del left[key]
        return chosen

    def _whole_parts(self, leaders: Set[Name], seen: "_Seen") -> Set[Name | None]:
        """Those whose part is there as a whole; None, who has none, is among them."""
        whole = {leader for leader in leaders if leader in self._known_whole}
        seen.look_at(leaders - whole)
        there = [leader for leader in leaders - whole if seen.has(leader)]
        files = self.fetch({leader: seen.etag(leader) for leader in there})
        seen.look_at(n for file in files.values() if isinstance(file, Revision) for n in file.part)
        for leader, file in files.items():
            if file is None and seen.is_newest(leader):
                raise _Gone
            # One that was reclaimed had been superseded, and so had been seen whole.
            if not isinstance(file, Revision) or all(map(seen.has, file.part)):
                whole.add(leader)
        if len(self._known_whole) > _MOST_KNOWN:
            self._known_whole = set()
        self._known_whole |= whole
        return whole | {None}

    def _read(self, name: Name) -> bytes | None:
        return self._client.read(self.zone.path(name))

    def _decoded(self, name: Name, etag: str, content: bytes | None) -> Revision | Corrupt | None:
        if content is None:
            return None
        try:
            revision = decode(name, content, f"{self._name}, file {self.zone.path(name)}")
        except Corrupt as error:
            return error
        with self._turn:
            _, before = self._cached.pop((name, etag), (None, 0))
            self._cached[name, etag] = revision, len(content)
            self._size += len(content) - before
            while self._size > _CACHED_BYTES:
                _, (_, size) = self._cached.popitem(last=False)
                self._size -= size
        return revision


class _Seen:
    """Which revisions have been listed, and which could be without another look."""

    def __init__(self, etags: Listed, questions: Sequence[Question], look_up: LookUp) -> None:
        self._etags = dict(etags)
        self._questions = set(questions)
        self._look_up = look_up

    def has(self, name: Name) -> bool:
        """Whether a revision, or a later one of the same record, is there."""
        return max(self._etags.get(name[:2], (0,))) >= name.revision

    def is_newest(self, name: Name) -> bool:
        """Whether a revision is there, and none that is later."""
        return max(self._etags.get(name[:2], (0,))) == name.revision

    def etag(self, name: Name) -> str:
        """A revision's etag; empty if it is not there."""
        return self._etags.get(name[:2], {}).get(name.revision, "")

    def look_at(self, names: Iterable[Name]) -> None:
        """List whatever is needed to tell of these."""
        keys = {name[:2] for name in names if not self.has(name)}
        unlisted = {key for key in keys if self._questions.isdisjoint((key, key[0]))}
        if unlisted:
            questions = _questions(unlisted)
            self._questions.update(questions)
            self._etags.update(self._look_up(questions))


class _Gone(Exception):  # noqa: N818 - it tells of no error: somebody has reclaimed a file
    """A file that was listed is not there any more."""


class NexusReads:
    """What a store reads, and part of the `Snapshot` contract.

    Args:
        newest: the newest revisions of what questions are about.
    """

    def __init__(self, newest: Callable[[Sequence[Question]], Answer]) -> None:
        self._newest = newest

    def read(self, read: Read) -> tuple[Stored, ...]:
        """See `Participant.read`."""
        if isinstance(read, Get):
            record = self.current([read])[read]
            return (record,) if isinstance(record, Stored) else ()
        return self._collection(read.collection).read(read)

    def page(
        self, query: Query, limit: int | None, after: Place | None = None
    ) -> tuple[Stored, ...]:
        """See `Participant.page`."""
        return self._collection(query.collection).page(query, limit, after)

    def counts(self, query: Query, by: str) -> Mapping[str, int]:
        """See `Participant.counts`."""
        return self._collection(query.collection).counts(query, by)

    def current(self, gets: Iterable[Get]) -> dict[Get, Stored | Deleted | None]:
        """What is in the place of each record. Raises Corrupt."""
        keys = {get: (get.collection, segment_of(get.record_id)) for get in gets}
        answer = self._newest(_questions(keys.values())) if keys else {}
        return {get: _sound(answer[key]) if key in answer else None for get, key in keys.items()}

    def found(self, reads: Sequence[Read]) -> list[tuple[tuple[str, int], ...]]:
        """The id and revision of all that each read finds; a `Get` finds what is deleted, too."""
        wholes = {read.collection for read in reads if isinstance(read, Find)}
        keys = [(r.collection, segment_of(r.record_id)) for r in reads if isinstance(r, Get)]
        answer = self._newest(_questions(keys, wholes))
        tables = {name: MemorySnapshot({name: _table(answer, name)}) for name in wholes}
        return [
            tuple((r.record_id, r.revision) for r in tables[read.collection].read(read))
            if isinstance(read, Find)
            else _revision_of(answer.get((read.collection, segment_of(read.record_id))))
            for read in reads
        ]

    def _collection(self, collection: str) -> MemorySnapshot:
        return MemorySnapshot({collection: _table(self._newest([collection]), collection)})


class NexusSnapshot(NexusReads):
    """The `Snapshot` contract: a zone as it was when it was listed."""

    def __init__(self, files: NexusFiles, name: str) -> None:
        super().__init__(self._as_it_was)
        self._files = files
        self._name = name
        self._etags = files.etags(COLLECTIONS)

    def scan(self, collection: str) -> Sequence[Scanned]:
        """See `Snapshot.scan`. Reads every file, known or not."""
        answer = self._as_it_was([collection], afresh=True)
        damaged = [error for error in answer.values() if isinstance(error, Corrupt)]
        damaged += self._of_others(collection)
        records = [each.record for each in answer.values() if isinstance(each, Revision)]
        records.sort(key=lambda record: (isinstance(record, Deleted), record.record_id))
        sound = [record for record in records if isinstance(record, Stored)]
        return [*sound, *damaged, *(record for record in records if isinstance(record, Deleted))]

    def _as_it_was(self, questions: Sequence[Question], *, afresh: bool = False) -> Answer:
        def among(asked: Sequence[Question]) -> Listed:
            return {
                key: revisions
                for key, revisions in self._etags.items()
                if key in asked or key[0] in asked
            }

        try:
            return self._files.choose(among(questions), questions, among, afresh=afresh)
        except _Gone:
            reason = "what it held when the look at it began has been reclaimed; try again"
            raise StoreUnavailable(store=self._name, reason=reason) from None

    def _of_others(self, collection: str) -> Iterator[Corrupt]:
        """Each file in a collection's folder that is none of this library's."""
        for entry in self._files.listing.entries(collection):
            if self._files.zone.name(entry.path) is None:
                yield Corrupt(
                    what=f"the file {entry.path}",
                    where=self._name,
                    reason="this library has not written it, and does not read it",
                )


def _questions(keys: Iterable[tuple[str, str]], wholes: Iterable[str] = ()) -> Sequence[Question]:
    """What to ask for these records and collections: for all of one where many of it are asked."""
    asked = set(wholes)
    singles = set(keys)
    many = Counter(collection for collection, _ in singles)
    asked |= {collection for collection, number in many.items() if number > _MANY}
    return [*sorted(asked), *sorted(key for key in singles if key[0] not in asked)]


def _sound(revision: Revision | Corrupt) -> Stored | Deleted:
    if isinstance(revision, Corrupt):
        raise revision
    return revision.record


def _revision_of(revision: Revision | Corrupt | None) -> tuple[tuple[str, int], ...]:
    if revision is None:
        return ()
    record = _sound(revision)
    return ((record.record_id, record.revision),)


def _table(answer: Answer, collection: str) -> dict[str, Stored | Deleted]:
    """A collection's records by id. Raises Corrupt if any cannot be read: it might be asked for."""
    records = (_sound(revision) for key, revision in answer.items() if key[0] == collection)
    return {record.record_id: record for record in records}
