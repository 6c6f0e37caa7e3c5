"""What finds records in a SQLite file and no column can be generated for: postings and words.

It is written in the transaction that writes the record, so that it never tells of another state.
A posting is an item of a list, with the place of the record that has it. Words are kept by
SQLite's FTS5 as `grove_sm.operations.words` makes them, and not the text that they are from.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from pydantic_core import to_json

from grove_sm.operations.layout import COLLECTIONS, CONTRIBUTIONS, INDEXED
from grove_sm.operations.query import place_of, searched_texts, values_of
from grove_sm.operations.words import Term, words

LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    collection: tuple(field for field, path in INDEXED[collection].items() if "[]" in path)
    for collection in COLLECTIONS
}
"""The indexed fields of each collection that are items of lists."""

POSTED: Final = tuple(collection for collection in COLLECTIONS if LISTS[collection])
"""The collections of which this module keeps something."""

_NUMBER: Final = f"SELECT number FROM {CONTRIBUTIONS} WHERE record_id = ?"
# Not by the number's SELECT in it, for which SQLite would make a table each time.
_ADD_WORDS: Final = (
    f"INSERT INTO {CONTRIBUTIONS}_words (rowid, summary, description) VALUES (?, ?, ?)"
)


class Posting(NamedTuple):
    """An item of a list, as JSON text, and the place of the record that has it."""

    field: str
    value: str
    created: str
    record_id: str


def json_text(value: str) -> str:
    """A string as it stands in a column: as SQL text it would end at its first NUL."""
    return to_json(value).decode()


def created_of(collection: str, record_id: str, document: Mapping[str, Any]) -> str:
    """A record's creation time as it stands in the column that records are in the order of."""
    created_at = place_of(collection, record_id, document).created_at
    return json_text(created_at) if created_at else ""


def postings_of(
    collection: str, record_id: str, created: str, document: Mapping[str, Any]
) -> frozenset[Posting]:
    """Every posting of a record that was `created_of` a time."""
    return frozenset(
        [
            Posting(field, json_text(value), created, record_id)
            for field in LISTS[collection]
            for value in values_of(collection, field, record_id, document)
        ]
    )


def replace_postings(
    connection: sqlite3.Connection,
    collection: str,
    stale: frozenset[Posting],
    postings: frozenset[Posting],
) -> None:
    """Write a record's postings in place of its earlier ones."""
    if gone := stale - postings:
        connection.executemany(
            f"DELETE FROM {collection}_postings "
            "WHERE field = ? AND value = ? AND created = ? AND record_id = ?",
            gone,
        )
    if new := postings - stale:
        connection.executemany(
            f"INSERT OR IGNORE INTO {collection}_postings VALUES (?, ?, ?, ?)", new
        )


def add_words(connection: sqlite3.Connection, record_id: str, document: Mapping[str, Any]) -> None:
    """Write a contribution's words under its number.

    Those of an earlier document stay, under a number that no record has any more.
    """
    (number,) = connection.execute(_NUMBER, (record_id,)).fetchone()
    connection.execute(_ADD_WORDS, (number, *_words_by_field(document)))


def match_of(terms: Iterable[Term]) -> str:
    """FTS5's expression for what a search asks for; words hold nothing that it gives a meaning."""
    return " AND ".join(f'"{" ".join(t.words)}"{" *" if t.is_prefix else ""}' for t in terms)


def _words_by_field(document: Mapping[str, Any]) -> Iterator[str]:
    return (" ".join(words(text)) for text in searched_texts(CONTRIBUTIONS, document))
