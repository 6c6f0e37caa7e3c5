"""Writes of a SQLite store: a record, and what finds it, in place of what was to be there."""

import json
import sqlite3
from typing import Final

from pydantic_core import from_json

from grove_sm.commit.record import record_checksum
from grove_sm.commit.redo import written
from grove_sm.operations.layout import COLLECTIONS, CONTRIBUTIONS
from grove_sm.operations.plan import Deleted, Write
from grove_sm.stores.indexing import (
    POSTED,
    Posting,
    add_words,
    created_of,
    postings_of,
    replace_postings,
)
from grove_sm.stores.schema import DELETED, FIELDS

_NUMBER: Final = f"(SELECT coalesce(max(number), 0) + 1 FROM {CONTRIBUTIONS})"
_OF_A_CONTRIBUTION: Final = {CONTRIBUTIONS: (", created, number", f", ?7, {_NUMBER}")}
_INSERT: Final = {
    c: f"INSERT INTO {c} ({', '.join(FIELDS)}{more}) SELECT ?1, ?2, ?3, ?4, ?5, ?6{values} "
    f"WHERE NOT EXISTS (SELECT 1 FROM {DELETED} WHERE collection = '{c}' AND record_id = ?1) "
    "ON CONFLICT DO NOTHING"
    for c in COLLECTIONS
    for more, values in [_OF_A_CONTRIBUTION.get(c, ("", ""))]
}
_UPDATE: Final = {
    c: f"UPDATE {c} SET revision = ?, txid = ?, members = ?, document = ?, checksum = ?"
    f"{f', created = ?, number = {_NUMBER}' if c == CONTRIBUTIONS else ''} "
    "WHERE record_id = ? AND revision = ?"
    for c in COLLECTIONS
}
_DELETE: Final = {c: f"DELETE FROM {c} WHERE record_id = ? AND revision = ?" for c in COLLECTIONS}
_KEEP_DELETED: Final = (
    f"INSERT INTO {DELETED} (collection, record_id, revision, txid, members, checksum) "
    "VALUES (?, ?, ?, ?, ?, ?)"
)
_TAKE_DELETED: Final = {
    c: f"INSERT INTO {DELETED} SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS "
    f"(SELECT 1 FROM {c} WHERE record_id = ?2) ON CONFLICT DO NOTHING"
    for c in COLLECTIONS
}
_DOCUMENT: Final = {
    c: f"SELECT document FROM {c} WHERE record_id = ? AND revision = ?" for c in COLLECTIONS
}


def is_one_statement(write: Write) -> bool:
    """Whether `put` needs no transaction around it."""
    return write.document is not None and write.collection not in POSTED


def put(connection: sqlite3.Connection, txid: str, members: str, write: Write) -> bool:
    """Write or delete a record if exactly what the write replaces is there; whether it was."""
    if write.collection not in POSTED:
        return _put_row(connection, txid, members, write)
    before = _postings_before(connection, write)
    if write.document is None:
        is_put = _put_row(connection, txid, members, write)
        postings = frozenset[Posting]()
    else:
        document = from_json(write.document)
        created = created_of(write.collection, write.record_id, document)
        own = (created,) if write.collection == CONTRIBUTIONS else ()
        is_put = _put_row(connection, txid, members, write, *own)
        postings = postings_of(write.collection, write.record_id, created, document)
        if is_put and write.collection == CONTRIBUTIONS:
            add_words(connection, write.record_id, document)
    if is_put:
        replace_postings(connection, write.collection, before, postings)
    return is_put


def _put_row(
    connection: sqlite3.Connection, txid: str, members: str, write: Write, *created: str
) -> bool:
    found = written(write, txid, members)
    if isinstance(found, Deleted):
        return _put_deletion(connection, write, found)
    checksum = record_checksum(found)
    if write.base == 0:
        row = (*found, checksum, *created)
        return connection.execute(_INSERT[write.collection], row).rowcount == 1
    values = (*found[1:], checksum, *created, write.record_id, write.base)
    return connection.execute(_UPDATE[write.collection], values).rowcount == 1


def _put_deletion(connection: sqlite3.Connection, write: Write, deleted: Deleted) -> bool:
    collection = write.collection
    kept = (collection, *deleted, record_checksum(deleted))
    if write.base == 0:
        # What is left of one that was deleted elsewhere.
        return connection.execute(_TAKE_DELETED[collection], kept).rowcount == 1
    place = (write.record_id, write.base)
    if connection.execute(_DELETE[collection], place).rowcount != 1:
        return False
    connection.execute(_KEEP_DELETED, kept)
    return True


def _postings_before(connection: sqlite3.Connection, write: Write) -> frozenset[Posting]:
    """The postings of the record that a write is to replace."""
    if write.base == 0:
        return frozenset()
    collection, record_id = write.collection, write.record_id
    found = connection.execute(_DOCUMENT[collection], (record_id, write.base)).fetchone()
    if found is None:
        return frozenset()
    document = json.loads(found[0])
    return postings_of(collection, record_id, created_of(collection, record_id, document), document)
