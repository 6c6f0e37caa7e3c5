"""The stores' tables in PostgreSQL: one per collection, all of the same form.

A row is a record, as in SQLite (see `grove_sm.stores.schema`), or what is left of a deleted one,
which has no document. Three things are done otherwise than there:

- Its text has no NUL, and an id may have one: ids are bytes, whose order is that of their text.
- An entry of an index has at most a third of a page, and an id may be longer: it is unique by its
  digest. A target's index is one that keeps hashes, for the same reason.
- It cannot take a field out of a document that has a NUL in a text, escaped as it is: the fields
  that a store is asked by are written beside the document. A missing one is empty, which no JSON
  text is. The words of what is searched are written there too, as `searched_of` has them.

`intact` holds one row for as long as nothing that was applied has been lost. PostgreSQL empties an
unlogged table when it recovers from a crash, or takes over as a standby: exactly where commits may
be lost that waited for no disk. A clean stop keeps it, and them.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from grove_sm.domain.errors import Corrupt
from grove_sm.operations.layout import COLLECTIONS, INDEXED, SEARCHED
from grove_sm.operations.query import searched_texts, values_of
from grove_sm.operations.words import words
from grove_sm.postgres.session import Session
from grove_sm.stores.indexing import LISTS, json_text
from grove_sm.stores.schema import FIELDS_OF_FORMAT_1, INDEXES, INDEXES_OF_FORMAT_1

THERE: Final = "document IS NOT NULL"
"""The condition of the indexes; a query has to repeat it to be served by them."""

_UNBOUNDED: Final = "targetRef"
_BATCH: Final = 500


def column(field: str) -> str:
    """The column of an indexed field: JSON text, or a list of it."""
    return f"field_{field}"


COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    collection: (
        *map(column, INDEXED[collection]),
        *(("searched",) if collection in SEARCHED else ()),
    )
    for collection in COLLECTIONS
}
"""What is written beside the document, for each collection; see `beside`."""


def beside(
    collection: str, record_id: str, document: Mapping[str, Any] | None
) -> tuple[str | list[str], ...]:
    """What stands beside a document, in the order of `COLUMNS`; of a deleted one, nothing."""
    found: list[str | list[str]] = []
    for field in INDEXED[collection]:
        values = [] if document is None else values_of(collection, field, record_id, document)
        texts = [json_text(value) for value in values if value]
        found.append(texts if field in LISTS[collection] else "".join(texts[:1]))
    if collection in SEARCHED:
        found.append("" if document is None else searched_of(collection, document))
    return tuple(found)


def searched_of(collection: str, document: Mapping[str, Any]) -> str:
    """The words of what is searched, each with a space on both sides, and a bar between fields."""
    fields = (" ".join((*words(text), "|")) for text in searched_texts(collection, document))
    return " ".join(("|", *fields))


def _create() -> str:
    statements = [
        "CREATE UNLOGGED TABLE intact (id int PRIMARY KEY)",
        "INSERT INTO intact VALUES (1)",
    ]
    for collection in COLLECTIONS:
        fields = "".join(
            f', {column(field)} text COLLATE "C" NOT NULL'
            for field in FIELDS_OF_FORMAT_1[collection]
        )
        statements.append(
            f"CREATE TABLE {collection} (record_id bytea NOT NULL, revision bigint NOT NULL, "
            "txid text NOT NULL, members text NOT NULL, document text, "
            f"checksum text NOT NULL{fields})"
        )
        statements.append(f"CREATE UNIQUE INDEX ON {collection} (sha256(record_id))")
        for indexed in INDEXES_OF_FORMAT_1[collection]:
            statements.append(_index(collection, indexed))
    return ";".join(statements)


def _index(collection: str, indexed: Sequence[str]) -> str:
    if _UNBOUNDED in indexed:
        columns = f"USING hash ({column(_UNBOUNDED)})"
    else:
        columns = f"({', '.join(map(column, indexed))})"
    return f"CREATE INDEX ON {collection} {columns} WHERE {THERE}"


def _index_for_readers(session: Session) -> None:
    """Format 2: whatever lists filter by and are ordered by, and the words of contributions.

    Raises Corrupt for a document that is no JSON, which no index can hold.
    """
    for collection in COLLECTIONS:
        for name in COLUMNS[collection]:
            if name == "searched":
                session.execute(
                    f"ALTER TABLE {collection} ADD COLUMN searched text NOT NULL DEFAULT '', "
                    "ADD COLUMN words tsvector GENERATED ALWAYS AS "
                    "(array_to_tsvector(string_to_array(searched, ' '))) STORED"
                )
                session.execute(f"CREATE INDEX ON {collection} USING gin (words)")
        for field in INDEXED[collection]:
            if field in LISTS[collection]:
                session.execute(
                    f"ALTER TABLE {collection} ADD COLUMN {column(field)} text[] NOT NULL "
                    "DEFAULT '{}'"
                )
                session.execute(f"CREATE INDEX ON {collection} USING gin ({column(field)})")
            elif field not in FIELDS_OF_FORMAT_1[collection]:
                session.execute(
                    f'ALTER TABLE {collection} ADD COLUMN {column(field)} text COLLATE "C" '
                    "NOT NULL DEFAULT ''"
                )
        for indexed in INDEXES[collection]:
            if indexed not in INDEXES_OF_FORMAT_1[collection] and _UNBOUNDED not in indexed:
                session.execute(_index(collection, indexed))
        _write_beside(session, collection)


def _write_beside(session: Session, collection: str) -> None:
    """Write what belongs beside the documents that are there already."""
    columns = ", ".join(COLUMNS[collection])
    marks = ", ".join("%s" for _ in COLUMNS[collection])
    with session.cursor(name="documents") as cursor:
        cursor.itersize = _BATCH
        cursor.execute(f"SELECT record_id, document FROM {collection} WHERE {THERE}")
        for key, text in cursor:
            record_id = key.decode(errors="replace")
            try:
                document = json.loads(text)
            except ValueError as error:
                raise Corrupt(
                    what=f"{collection} record {record_id}",
                    where=f"table {collection}",
                    reason="its document is no JSON, so the schema cannot be brought up to date; "
                    "take the record from a backup first",
                ) from error
            session.execute(
                f"UPDATE {collection} SET ({columns}) = ROW({marks}) "
                "WHERE sha256(record_id) = sha256(%s)",
                (*beside(collection, record_id, document), key),
            )


MIGRATIONS: Final = (_create(), _index_for_readers)
"""What brings each format up to the next."""
