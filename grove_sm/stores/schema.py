"""The stores' tables in SQLite: one per collection, all of the same form, and what finds records.

A row is a record: its document, how often it was changed, and by which transaction, behind a
checksum; what is left of a deleted one is in a table of its own. The fields that a store is asked
by are columns generated from the document, and hold the JSON text that stands there: as SQL text, a
string would end at its first NUL.

What no column can be generated for is written with the record (`grove_sm.stores.indexing`): the
items of lists, each a posting, and the words of what is searched.
"""

import json
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
_INDEX_OF_FORMAT_2: Final = "claims_targetRef_createdAt"
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


def column(field: str) -> str:
    """The column of an indexed field that is no list."""
    return CREATED if field == CREATED_AT else f"field_{field}"


@MIGRATIONS()
def create(database: sqlite_utils.Database) -> None:
    """Format 1."""
    for collection in COLLECTIONS:
        generated = "".join(
            f", field_{field} TEXT AS (document -> '$.{path}') VIRTUAL"
            for field, path in FIELDS_OF_FORMAT_1[collection].items()
        )
        database.execute(
            f"CREATE TABLE {collection} (record_id TEXT PRIMARY KEY, revision INTEGER NOT NULL, "
            "txid TEXT NOT NULL, members TEXT NOT NULL, document TEXT NOT NULL, "
            f"checksum TEXT NOT NULL{generated}) WITHOUT ROWID"
        )
        for fields in INDEXES_OF_FORMAT_1[collection]:
            name = "_".join((collection, *fields))
            columns = ", ".join(f"field_{field}" for field in fields)
            database.execute(f"CREATE INDEX {name} ON {collection} ({columns})")


@MIGRATIONS()
def delete_records(database: sqlite_utils.Database) -> None:
    """Format 2: records can be deleted, and the newest claim on a target is found at once."""
    database.execute(
        f"CREATE TABLE {DELETED} (collection TEXT NOT NULL, record_id TEXT NOT NULL, "
        "revision INTEGER NOT NULL, txid TEXT NOT NULL, members TEXT NOT NULL, "
        "checksum TEXT NOT NULL, PRIMARY KEY (collection, record_id)) WITHOUT ROWID"
    )
    database.execute(
        f"CREATE INDEX {_INDEX_OF_FORMAT_2} ON claims (field_targetRef, field_createdAt)"
    )


@MIGRATIONS()
def index_for_readers(database: sqlite_utils.Database) -> None:
    """Format 3: whatever lists filter by and are ordered by, and the words of contributions.

    Raises Corrupt for a document that is no JSON, which no index can hold.
    """
    database.execute(f"DROP INDEX {_INDEX_OF_FORMAT_2}")
    for collection in COLLECTIONS:
        _require_json(database, collection)
        for fields in INDEXES_OF_FORMAT_1[collection]:
            database.execute(f"DROP INDEX {'_'.join((collection, *fields))}")
        known = FIELDS_OF_FORMAT_1[collection]
        for field, path in INDEXED[collection].items():
            if field not in known and field not in LISTS[collection]:
                _add_column(database, collection, f"field_{field} TEXT AS ({_value(path)}) VIRTUAL")
        _add_column(database, collection, _created(collection))
        for fields in INDEXES[collection]:
            name = "_".join((collection, *fields))
            columns = ", ".join(map(column, fields))
            database.execute(f"CREATE INDEX {name} ON {collection} ({columns})")
        if collection in POSTED:
            database.execute(
                f"CREATE TABLE {collection}_postings (field TEXT NOT NULL, value TEXT NOT NULL, "
                "created TEXT NOT NULL, record_id TEXT NOT NULL, "
                "PRIMARY KEY (field, value, created, record_id)) WITHOUT ROWID"
            )
    _add_column(database, CONTRIBUTIONS, "number INTEGER")
    database.execute(f"CREATE INDEX contributions_number ON contributions (number, {CREATED})")
    database.execute(
        "CREATE VIRTUAL TABLE contributions_words USING fts5 "
        "(summary, description, content='', tokenize='ascii')"
    )
    database.execute(
        "CREATE VIRTUAL TABLE contributions_vocabulary USING fts5vocab "
        "('contributions_words', 'instance')"
    )
    _index_all(database)


def _value(path: str) -> str:
    if path == OF_THE_ID:
        colon = "instr(record_id, ':')"
        return f"CASE WHEN {colon} THEN json_quote(substr(record_id, 1, {colon} - 1)) END"
    return f"document -> '$.{path}'"


def _created(collection: str) -> str:
    if collection == CONTRIBUTIONS:
        # In its normal form, which no expression of SQLite's makes of a time as it was given.
        return f"{CREATED} TEXT NOT NULL DEFAULT ''"
    return f"{CREATED} TEXT AS (coalesce(document -> '$.createdAt', '')) VIRTUAL"


def _add_column(database: sqlite_utils.Database, collection: str, definition: str) -> None:
    database.execute(f"ALTER TABLE {collection} ADD COLUMN {definition}")


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


def _index_all(database: sqlite_utils.Database) -> None:
    """Write what finds the records that are there already."""
    connection = database.conn
    for collection in POSTED:
        rows = connection.execute(f"SELECT record_id, document FROM {collection}").fetchall()
        for number, (record_id, text) in enumerate(rows, start=1):
            document = json.loads(text)
            created = created_of(collection, record_id, document)
            if collection == CONTRIBUTIONS:
                connection.execute(
                    f"UPDATE {collection} SET {CREATED} = ?, number = ? WHERE record_id = ?",
                    (created, number, record_id),
                )
                add_words(connection, record_id, document)
            postings = postings_of(collection, record_id, created, document)
            replace_postings(connection, collection, frozenset(), postings)
