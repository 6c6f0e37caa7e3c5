"""What lines tell of entries, reads and records."""

import json
from collections.abc import Sequence
from typing import Final

from blake3 import blake3

from grove_sm.commit.contract import Holder
from grove_sm.commit.record import Entry
from grove_sm.operations.layout import INDEXED
from grove_sm.operations.plan import Get, Read, Stored, Write
from grove_sm.operations.query import Query, values_of
from grove_sm.tracing.lines import Line

_DIGEST_DIGITS: Final = 16


def of_entry(entry: Entry) -> Line:
    """A transaction's keys and writes."""
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
        "fields": of_document(collection, record_id, document),
    }


def of_document(collection: str, record_id: str, text: str) -> Line:
    """The fields that stores filter by: what stands there, a list where the field is one."""
    document = json.loads(text)
    fields: Line = {}
    for field, path in INDEXED[collection].items():
        values = values_of(collection, field, record_id, document)
        fields[field] = list(values) if "[]" in path else "".join(values)
    return fields


def of_query(query: Query) -> Line:
    """What a query goes by."""
    return {"collection": query.collection, "where": dict(query.where)}


def of_holders(holders: Sequence[Holder]) -> list[tuple[str, str]]:
    """What is unfinished, and in which state."""
    return [(holder.txid, holder.state) for holder in holders]


def of_read(read: Read) -> Line:
    """What a read goes by."""
    if isinstance(read, Get):
        return {"collection": read.collection, "id": read.record_id}
    newest = {"newest": True} if read.newest else {}
    return {"collection": read.collection, "where": dict(read.where), **newest}


def of_records(found: Sequence[Stored]) -> list[tuple[str, int, str]]:
    """Which revisions were found, and who wrote them."""
    return [(record.record_id, record.revision, record.txid) for record in found]


def of_writes(writes: Sequence[Write]) -> list[tuple[str, str, int]]:
    """Which records are written, and what each replaces."""
    return [(write.collection, write.record_id, write.base) for write in writes]
