"""The stores' tables in SQLite: one per collection, all of the same form.

A row is a record: its document, how often it was changed, and by which transaction, behind a
checksum; what is left of a deleted one is in a table of its own. The fields that a store is asked
by are columns generated from the document, and hold the JSON text that stands there: as SQL text, a
string would end at its first NUL.
"""

from typing import Final

import sqlite_utils

from grove_sm.operations.layout import COLLECTIONS, INDEXED

FORMAT: Final = 2
MIGRATIONS: Final = sqlite_utils.Migrations("grove_stores")

INDEXES: Final = {
    "contributions": (("createdAt",), ("agentId", "createdAt")),
    "handoffs": (("sourceCid",), ("toRole", "status", "createdAt"), ("status", "createdAt")),
    "claims": (("targetRef", "status"), ("agentId", "createdAt"), ("status", "createdAt")),
    "bounties": (("status", "createdAt"),),
    "credits": (),
}


DELETED: Final = "deleted_records"
"""The table of what is left of deleted records, of all collections."""


def column(field: str) -> str:
    """The generated column of an indexed field."""
    return f"field_{field}"


@MIGRATIONS()
def create(database: sqlite_utils.Database) -> None:
    """Format 1."""
    for collection in COLLECTIONS:
        generated = "".join(
            f", {column(field)} TEXT AS (document -> '$.{path}') VIRTUAL"
            for field, path in INDEXED[collection].items()
        )
        database.execute(
            f"CREATE TABLE {collection} (record_id TEXT PRIMARY KEY, revision INTEGER NOT NULL, "
            "txid TEXT NOT NULL, members TEXT NOT NULL, document TEXT NOT NULL, "
            f"checksum TEXT NOT NULL{generated}) WITHOUT ROWID"
        )
        for fields in INDEXES[collection]:
            name = "_".join((collection, *fields))
            columns = ", ".join(column(field) for field in fields)
            database.execute(f"CREATE INDEX {name} ON {collection} ({columns})")


@MIGRATIONS()
def delete_records(database: sqlite_utils.Database) -> None:
    """Format 2: records can be deleted, and the newest claim on a target is found at once."""
    database.execute(
        f"CREATE TABLE {DELETED} (collection TEXT NOT NULL, record_id TEXT NOT NULL, "
        "revision INTEGER NOT NULL, txid TEXT NOT NULL, members TEXT NOT NULL, "
        "checksum TEXT NOT NULL, PRIMARY KEY (collection, record_id)) WITHOUT ROWID"
    )
    fields = ", ".join(map(column, ("targetRef", "createdAt")))
    database.execute(f"CREATE INDEX claims_targetRef_createdAt ON claims ({fields})")
