"""The stores' tables in PostgreSQL: one per collection, all of the same form.

A row is a record, as in SQLite (see `grove_sm.stores.schema`), or what is left of a deleted one,
which has no document. Three things are done otherwise than there:

- Its text has no NUL, and an id may have one: ids are bytes, whose order is that of their text.
- An entry of an index has at most a third of a page, and an id may be longer: it is unique by its
  digest. A target's index is one that keeps hashes, for the same reason.
- It cannot take a field out of a document that has a NUL in a text, escaped as it is: the fields
  that a store is asked by are written beside the document. A missing one is empty, which no JSON
  text is.

`intact` holds one row for as long as nothing that was applied has been lost. PostgreSQL empties an
unlogged table when it recovers from a crash, or takes over as a standby: exactly where commits may
be lost that waited for no disk. A clean stop keeps it, and them.
"""

from typing import Final

from grove_sm.operations.layout import COLLECTIONS, INDEXED
from grove_sm.stores.schema import INDEXES, column

THERE: Final = "document IS NOT NULL"
"""The condition of the indexes; a query has to repeat it to be served by them."""

_UNBOUNDED: Final = "targetRef"


def _create() -> str:
    statements = [
        "CREATE UNLOGGED TABLE intact (id int PRIMARY KEY)",
        "INSERT INTO intact VALUES (1)",
    ]
    for collection in COLLECTIONS:
        fields = "".join(
            f', {column(field)} text COLLATE "C" NOT NULL' for field in INDEXED[collection]
        )
        statements.append(
            f"CREATE TABLE {collection} (record_id bytea NOT NULL, revision bigint NOT NULL, "
            "txid text NOT NULL, members text NOT NULL, document text, "
            f"checksum text NOT NULL{fields})"
        )
        statements.append(f"CREATE UNIQUE INDEX ON {collection} (sha256(record_id))")
        for indexed in INDEXES[collection]:
            if _UNBOUNDED in indexed:
                columns = f"USING hash ({column(_UNBOUNDED)})"
            else:
                columns = f"({', '.join(map(column, indexed))})"
            statements.append(f"CREATE INDEX ON {collection} {columns} WHERE {THERE}")
    return ";".join(statements)


MIGRATIONS: Final = (_create(),)
"""What brings each format up to the next."""
