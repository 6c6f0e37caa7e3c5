"""Damage to a SQLite store that no read of a record meets: what finds records leads astray."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from grove_sm.operations.layout import CONTRIBUTIONS, SEARCHED
from grove_sm.operations.plan import Stored
from grove_sm.operations.query import searched_texts
from grove_sm.operations.words import words
from grove_sm.stores.indexing import POSTED, Posting, created_of, postings_of
from grove_sm.stores.schema import DELETED

_WORDS: Final = f"{CONTRIBUTIONS}_words"
_WORD_TABLES: Final = tuple(f"{_WORDS}_{part}" for part in ("data", "idx", "docsize", "config"))


def find_damage(
    connection: sqlite3.Connection, collection: str, records: Sequence[Stored]
) -> str | None:
    """What is wrong beneath the sound records of a collection, in words; None if nothing is."""
    for table in _tables(collection):
        for (finding,) in connection.execute(f"PRAGMA integrity_check({table})"):
            if finding != "ok":
                return str(finding)
    if collection not in POSTED:
        return None
    documents = {record.record_id: json.loads(record.document) for record in records}
    return next(_missing(connection, collection, documents), None)


def _tables(collection: str) -> Iterator[str]:
    yield from (collection, DELETED)
    if collection in POSTED:
        yield f"{collection}_postings"
    if collection == CONTRIBUTIONS:
        yield from _WORD_TABLES


def _missing(
    connection: sqlite3.Connection, collection: str, documents: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """How lists or searches differ from what the documents say."""
    expected = {
        posting
        for record_id, document in documents.items()
        for posting in postings_of(
            collection, record_id, created_of(collection, record_id, document), document
        )
    }
    rows = connection.execute(f"SELECT field, value, created, record_id FROM {collection}_postings")
    for posting in expected.symmetric_difference(map(Posting._make, rows)):
        yield f"the posting of {posting.field} for {posting.record_id} does not go with the record"
    if collection != CONTRIBUTIONS:
        return
    numbers = {}
    for record_id, created, number in connection.execute(
        f"SELECT record_id, created, number FROM {collection}"
    ):
        numbers[number] = record_id
        if created != created_of(collection, record_id, documents[record_id]):
            yield f"the place of {record_id} does not go with the record"
    kept = _digests_kept(connection)
    for number, record_id in numbers.items():
        if kept[number] != _digest(documents[record_id]):
            yield f"the words that find {record_id} are not those of the record"


def _digests_kept(connection: sqlite3.Connection) -> Mapping[int, int]:
    """By number, a digest of the words that are kept for it."""
    digests: defaultdict[int, int] = defaultdict(int)
    for word in connection.execute(
        f"SELECT doc, term, col, offset FROM {CONTRIBUTIONS}_vocabulary"
    ):
        digests[word[0]] += hash(word[1:])
    return digests


def _digest(document: Mapping[str, Any]) -> int:
    fields = zip(SEARCHED[CONTRIBUTIONS], searched_texts(CONTRIBUTIONS, document), strict=True)
    return sum(
        hash((word, field, offset))
        for field, text in fields
        for offset, word in enumerate(words(text))
    )
