"""Whether a committed write still has to be applied to what a store holds: one pure decision.

An apply may come twice, at once from several coordinators, or long after later transactions have
changed the record. The revision tells these apart from a change that this library did not make,
since it grows by exactly one with every transaction, and transactions on a record are ordered.
"""

from enum import Enum

from grove_sm.operations.plan import Deleted, Heuristic, Origin, Stored, Write


class Verdict(Enum):
    """What an apply does about one write."""

    APPLY = "apply"
    ALREADY = "already"
    FOREIGN = "foreign"


def judge(write: Write, txid: str, found: Stored | Deleted | None) -> Verdict:
    """Decide about a write by what stands in its place.

    APPLY: exactly what the write replaces is there. ALREADY: this transaction's write is there,
    or a later one's on top of it. FOREIGN: neither can be, so other software has been here; an
    identical document is nobody's conflict and counts as ALREADY.

    No write comes after a deletion, so that whatever meets one is ALREADY, or FOREIGN.
    """
    revision = found.revision if found else 0
    if isinstance(found, Deleted):
        return Verdict.ALREADY if revision >= write.revision else Verdict.FOREIGN
    if revision == write.base:
        return Verdict.APPLY
    if found is None or revision < write.base:
        return Verdict.FOREIGN
    own = write.origin.txid if write.origin else txid
    if revision > write.revision or found.txid == own or found.document == write.document:
        return Verdict.ALREADY
    return Verdict.FOREIGN


def written(write: Write, txid: str, members: str) -> Stored | Deleted:
    """What stands in the place of a record once a write is applied."""
    origin = write.origin or Origin(write.revision, txid, members)
    if write.document is None:
        return Deleted(write.record_id, *origin)
    return Stored(write.record_id, *origin, write.document)


def heuristic(write: Write, txid: str, found: Stored | Deleted | None, store: str) -> Heuristic:
    """The record of a write whose verdict was FOREIGN."""
    expected = f"revision {write.base}" if write.base else "no record"
    actual = f"revision {found.revision} by {found.txid}" if found else "no record"
    if isinstance(found, Deleted):
        actual = f"that it was deleted as {actual}"
    return Heuristic(txid, store, write.collection, write.record_id, expected, actual, write)
