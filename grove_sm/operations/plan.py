"""What an operation reads and what it decides to write: plain values, nothing else.

An operation is a pure function `plan(request, facts) -> Plan`. It asks `Facts` for what it needs;
what is not known yet is raised as `MissingFacts`, its caller reads that from the stores and asks
again. Everything an operation looked at therefore is in its facts, and becomes the precondition
under which its plan holds.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Stored(NamedTuple):
    """A record as a store holds it.

    `revision` counts its changes from 1, `txid` names the transaction that made the last one,
    and `members` names everything that transaction wrote.
    """

    record_id: str
    revision: int
    txid: str
    members: str
    document: str


class Deleted(NamedTuple):
    """What a store keeps of a record that was deleted, so that no late write brings it back.

    `revision` counts the deletion too; the rest is as in `Stored`.
    """

    record_id: str
    revision: int
    txid: str
    members: str


Scanned = Stored | Deleted | Exception
"""What a look through a collection meets: a record, what is left of a deleted one, or damage."""


class Get(NamedTuple):
    """A read of one record by its id."""

    collection: str
    record_id: str


class Find(NamedTuple):
    """A read of every record whose indexed fields have these values (`layout.INDEXED`).

    With `newest`, only of that one of them which was created last; of several, the last by id.
    """

    collection: str
    where: tuple[tuple[str, str], ...]
    newest: bool = False


Read = Get | Find


class Expectation(NamedTuple):
    """A precondition: this read still finds exactly these records at these revisions.

    That a `Get` finds none means that there has never been one: deleted is not absent here.
    """

    read: Read
    found: tuple[tuple[str, int], ...]


class Origin(NamedTuple):
    """What a record had in the grove that it is taken over from; see `Stored`."""

    revision: int
    txid: str
    members: str


class Write(NamedTuple):
    """One record's new document, to replace the one at revision `base` (0: there is none yet).

    None deletes the record. Its id is never used again. A record that is taken over from another
    grove keeps what it had there, its `origin`; of one that was deleted there, what is left is
    taken over.
    """

    collection: str
    record_id: str
    base: int
    document: str | None
    origin: Origin | None = None

    @property
    def revision(self) -> int:
        """The record's revision once this is applied."""
        return self.base + 1 if self.origin is None else self.origin.revision


class Heuristic(NamedTuple):
    """A committed write that met a change which no transaction of this library made (X/Open XA).

    `expected` and `found` say in words what the write was to replace and what stood there; `write`
    is the write itself, None where it is not known any more.
    """

    txid: str
    store: str
    collection: str
    record_id: str
    expected: str
    found: str
    write: Write | None = None

    @property
    def record(self) -> str:
        """The record, as a person names it."""
        return f"{self.collection} {self.record_id}"


class IdempotencyKey(NamedTuple):
    """A caller's key for one request (Grove protocol, section 7).

    `fields` maps each argument of the request to a digest of its value, so that a different
    request under the same key can be told from a retry, field by field.
    """

    scope: str
    key: str
    fields: Mapping[str, str]
    expires_at: str

    @property
    def record_id(self) -> str:
        """The one string under which the journal keeps this key."""
        return f"idempotency:{len(self.scope)}:{self.scope}:{self.key}"


class Plan(NamedTuple):
    """What one operation will write, and under which conditions.

    `keys` are the families to hold, in the one global order (sorted); `result` is the JSON object
    that the caller's result is rebuilt from when its idempotency key comes again.
    """

    operation: str
    writes: tuple[Write, ...]
    expectations: tuple[Expectation, ...]
    keys: tuple[str, ...]
    result: Mapping[str, Any]


class MissingFacts(Exception):  # noqa: N818 - a question, not an error
    """Raised inside a plan function when it needs reads that were not made yet."""

    def __init__(self, reads: tuple[Read, ...]) -> None:
        super().__init__(reads)
        self.reads = reads


class Facts:
    """What has been read for one operation, looked up by read.

    In a `hopeful` first attempt an operation may take a record that it is about to create for
    absent, without reading it: the base of its write is checked before the decision anyway, and
    if the hope fails, the next attempt reads.
    """

    __slots__ = ("hopeful", "known")

    def __init__(self, known: Mapping[Read, tuple[Stored, ...]], *, hopeful: bool = False) -> None:
        self.known = known
        self.hopeful = hopeful

    def need(self, *reads: Read) -> None:
        """Ask for several reads at once. Raises MissingFacts naming those not known."""
        missing = tuple(read for read in reads if read not in self.known)
        if missing:
            raise MissingFacts(missing)

    def get(self, collection: str, record_id: str) -> Stored | None:
        """The record of this id, or None if there is none."""
        read = Get(collection, record_id)
        self.need(read)
        found = self.known[read]
        return found[0] if found else None

    def find(self, collection: str, **where: str) -> tuple[Stored, ...]:
        """Every record whose indexed fields have these values."""
        read = Find(collection, tuple(sorted(where.items())))
        self.need(read)
        return self.known[read]

    def find_newest(self, collection: str, **where: str) -> Stored | None:
        """Of the records whose indexed fields have these values the one that was created last."""
        read = Find(collection, tuple(sorted(where.items())), newest=True)
        self.need(read)
        found = self.known[read]
        return found[0] if found else None


def make_plan(
    operation: str,
    facts: Facts,
    *,
    writes: Iterable[Write],
    keys: Iterable[str],
    result: Mapping[str, Any],
) -> Plan:
    """A plan whose preconditions are all its facts, and the base of every write.

    A write of a record that was not read expects it at its base revision: absent, if that is 0.
    """
    expected = {
        read: tuple((row.record_id, row.revision) for row in found)
        for read, found in facts.known.items()
    }
    writes = tuple(writes)
    seen = {
        (read.collection, record_id) for read, found in expected.items() for record_id, _ in found
    }
    for write in writes:
        if (write.collection, write.record_id) not in seen:
            read = Get(write.collection, write.record_id)
            expected.setdefault(read, ((write.record_id, write.base),) if write.base else ())
    return Plan(
        operation,
        writes,
        tuple(Expectation(read, found) for read, found in expected.items()),
        tuple(sorted(set(keys))),
        result,
    )
