"""The stores' tables in SQLite: one per collection, all of the same form, and what finds records.

A row is a record: its document, how often it was changed, and by which transaction, behind a
checksum; what is left of a deleted one is in a table of its own. The fields that a store is asked
by are columns generated from the document, and hold the JSON text that stands there: as SQL text, a
string would end at its first NUL.

What no column can be generated for is written with the record (`grove_sm.stores.indexing`): the
items of lists, each a posting, and the words of what is searched.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final

import sqlite_utils

from grove_sm.domain.errors import Corrupt
from grove_sm.operations.layout import (
    BOUNTIES,
    CLAIMS,
    COLLECTIONS,
    CONTRIBUTIONS,
    CREDITS,
    HANDOFFS,
    INDEXED,
    OF_THE_ID,
)
from grove_sm.operations.query import CREATED_AT
from grove_sm.stores.indexing import (
    LISTS,
    POSTED,
    add_words,
    created_of,
    postings_of,
    replace_postings,
)

FORMAT: Final = 3
MIGRATIONS: Final = sqlite_utils.Migrations("grove_stores")

DELETED: Final = "deleted_records"
"""The table of what is left of deleted records, of all collections."""

FIELDS: Final = ("record_id", "revision", "txid", "members", "document", "checksum")
"""The columns that make up a record, and its checksum."""

CREATED: Final = "created"
"""The column that records are in the order of, before their id; empty for one without a time."""

FIELDS_OF_FORMAT_1: Final[Mapping[str, Mapping[str, str]]] = {
    CONTRIBUTIONS: {"kind": "kind", "agentId": "agent.agentId", "createdAt": "createdAt"},
    HANDOFFS: {
        "sourceCid": "sourceCid",
        "toRole": "toRole",
        "status": "status",
        "createdAt": "createdAt",
    },
    CLAIMS: {
        "targetRef": "targetRef",
        "agentId": "agent.agentId",
        "status": "status",
        "createdAt": "createdAt",
    },
    BOUNTIES: {"status": "status", "createdAt": "createdAt"},
    CREDITS: {"createdAt": "createdAt"},
}
INDEXES_OF_FORMAT_1: Final[Mapping[str, Sequence[Sequence[str]]]] = {
    CONTRIBUTIONS: (("createdAt",), ("agentId", "createdAt")),
    HANDOFFS: (("sourceCid",), ("toRole", "status", "createdAt"), ("status", "createdAt")),
    CLAIMS: (("targetRef", "status"), ("agentId", "createdAt"), ("status", "createdAt")),
    BOUNTIES: (("status", "createdAt"),),
    CREDITS: (),
}
INDEXES: Final[Mapping[str, Sequence[Sequence[str]]]] = {
    CONTRIBUTIONS: (
        ("createdAt",),
        ("kind", "createdAt"),
        ("mode", "createdAt"),
        ("agentId", "createdAt"),
        ("role", "createdAt"),
    ),
    HANDOFFS: (
        ("createdAt",),
        ("sourceCid",),
        ("resolvedByCid",),
        ("toRole", "createdAt"),
        ("toRole", "status", "createdAt"),
        ("status", "createdAt"),
        ("status", "replyDueAt"),
    ),
    CLAIMS: (
        ("createdAt",),
        ("targetRef", "createdAt"),
        ("targetRef", "status"),
        ("agentId", "createdAt"),
        ("agentId", "status", "createdAt"),
        ("status", "createdAt"),
        ("status", "heartbeatAt"),
    ),
    BOUNTIES: (
        ("createdAt",),
        ("status", "createdAt"),
        ("status", "deadline"),
        ("deadline",),
        ("creatorId", "createdAt"),
        ("claimantId", "createdAt"),
    ),
    CREDITS: (
        ("type", "createdAt"),
        ("type", "status", "createdAt"),
        ("agentId", "type", "createdAt"),
        ("fromAgentId", "createdAt"),
        ("toAgentId", "createdAt"),
    ),
}

_RECORD: Final = (
    "record_id TEXT PRIMARY KEY, revision INTEGER NOT NULL, txid TEXT NOT NULL, "
    "members TEXT NOT NULL, document TEXT NOT NULL, checksum TEXT NOT NULL"
)
_DELETED_FIELDS: Final = (
    "(collection TEXT NOT NULL, record_id TEXT NOT NULL, revision INTEGER NOT NULL, "
    "txid TEXT NOT NULL, members TEXT NOT NULL, checksum TEXT NOT NULL, "
    "PRIMARY KEY (collection, record_id)) WITHOUT ROWID"
)
_CREATED: Final = f"{CREATED} TEXT AS (coalesce(document -> '$.createdAt', '')) VIRTUAL"
_OWN: Final[Mapping[str, Sequence[str]]] = {
    # In its normal form, which no expression of SQLite's makes of a time as it was given.
    CONTRIBUTIONS: (f"{CREATED} TEXT NOT NULL", "number INTEGER NOT NULL"),
}
"""Columns that are written with a record, where not all can be generated from it."""


def column(field: str) -> str:
    """The column of an indexed field that is no list."""
    return CREATED if field == CREATED_AT else f"field_{field}"


@MIGRATIONS()
def create(database: sqlite_utils.Database) -> None:
    """A new file, in the newest format at once: the other migrations find nothing left to do."""
    _make_tables(database)


@MIGRATIONS()
def delete_records(database: sqlite_utils.Database) -> None:
    """Format 2: records can be deleted."""
    database.execute(f"CREATE TABLE IF NOT EXISTS {DELETED} {_DELETED_FIELDS}")


@MIGRATIONS()
def index_for_readers(database: sqlite_utils.Database) -> None:
    """Format 3: whatever lists filter by and are ordered by, and the words of contributions.

    Raises Corrupt for a document that is no JSON, which no index can hold.
    """
    if database[f"{CONTRIBUTIONS}_words"].exists():
        return
    for collection in COLLECTIONS:
        _require_json(database, collection)
        for index in database.table(collection).indexes:
            if index.origin == "c":
                database.execute(f"DROP INDEX {index.name}")
        database.execute(f"ALTER TABLE {collection} RENAME TO {collection}_before")
    _make_tables(database)
    for collection in COLLECTIONS:
        _copy(database.conn, collection)
        database.execute(f"DROP TABLE {collection}_before")


def _make_tables(database: sqlite_utils.Database) -> None:
    for collection in COLLECTIONS:
        generated = [
            f"{column(field)} TEXT AS ({_value(path)}) VIRTUAL"
            for field, path in INDEXED[collection].items()
            if field != CREATED_AT and field not in LISTS[collection]
        ]
        columns = ", ".join((_RECORD, *generated, *_OWN.get(collection, (_CREATED,))))
        database.execute(f"CREATE TABLE {collection} ({columns}) WITHOUT ROWID")
        for fields in INDEXES[collection]:
            name = "_".join((collection, *fields))
            indexed = ", ".join(map(column, fields))
            database.execute(f"CREATE INDEX {name} ON {collection} ({indexed})")
        if collection in POSTED:
            database.execute(
                f"CREATE TABLE {collection}_postings (field TEXT NOT NULL, value TEXT NOT NULL, "
                f"{CREATED} TEXT NOT NULL, record_id TEXT NOT NULL, "
                f"PRIMARY KEY (field, value, {CREATED}, record_id)) WITHOUT ROWID"
            )
    database.execute(f"CREATE TABLE IF NOT EXISTS {DELETED} {_DELETED_FIELDS}")
    database.execute(f"CREATE INDEX {CONTRIBUTIONS}_number ON {CONTRIBUTIONS} (number, {CREATED})")
    database.execute(
        f"CREATE VIRTUAL TABLE {CONTRIBUTIONS}_words USING fts5 "
        "(summary, description, content='', tokenize='ascii')"
    )
    database.execute(
        f"CREATE VIRTUAL TABLE {CONTRIBUTIONS}_vocabulary USING fts5vocab "
        f"('{CONTRIBUTIONS}_words', 'instance')"
    )


def _value(path: str) -> str:
    if path == OF_THE_ID:
        colon = "instr(record_id, ':')"
        return f"CASE WHEN {colon} THEN json_quote(substr(record_id, 1, {colon} - 1)) END"
    return f"document -> '$.{path}'"


def _require_json(database: sqlite_utils.Database, collection: str) -> None:
    for (record_id,) in database.execute(
        f"SELECT record_id FROM {collection} WHERE NOT json_valid(document) LIMIT 1"
    ):
        path = database.execute("PRAGMA database_list").fetchone()[2]
        raise Corrupt(
            what=f"{collection} record {record_id}",
            where=f"sqlite:///{path}, table {collection}",
            reason="its document is no JSON, so the file cannot be brought up to date; take the "
            "record from a backup first",
        )


def _copy(connection: sqlite3.Connection, collection: str) -> None:
    """Take the records over from the table that they were in before."""
    fields = ", ".join(FIELDS)
    if collection not in POSTED:
        connection.execute(
            f"INSERT INTO {collection} ({fields}) SELECT {fields} FROM {collection}_before"
        )
        return
    rows = connection.execute(f"SELECT {fields} FROM {collection}_before")
    for number, row in enumerate(rows, start=1):
        record_id, document = row[0], json.loads(row[4])
        created = created_of(collection, record_id, document)
        own = {CREATED: created, "number": number} if collection == CONTRIBUTIONS else {}
        marks = ", ".join("?" * (len(FIELDS) + len(own)))
        connection.execute(
            f"INSERT INTO {collection} ({', '.join((*FIELDS, *own))}) VALUES ({marks})",
            (*row, *own.values()),
        )
        if collection == CONTRIBUTIONS:
            add_words(connection, record_id, document)
        postings = postings_of(collection, record_id, created, document)
        replace_postings(connection, collection, frozenset(), postings)
