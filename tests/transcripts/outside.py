"""What is done to a placement, and seen of it, without any process of the transcript."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from grove_sm.commit.contract import Journal, Participant
from grove_sm.commit.record import Entry
from grove_sm.domain.errors import Corrupt
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.operations.plan import Get, Stored, Write
from tests.kinds.placement import Placement
from tests.transcripts import telling
from tests.transcripts.links import Network, apply_telling

_KEEPS_KEYS: Final = frozenset({"planned", "committed"})
_KEEPS_REDO: Final = frozenset({"committed", "applied"})
_MANY: Final = 1000
_FOREIGN: Final = "another-program"


class Outside:
    """An onlooker, who may also tamper.

    Args:
        placement: what it looks at.
        folder: where the files are, if it has any.
        network: what was sent to the stores.
        name_of: the name of the process with a coordinator's number.
    """

    def __init__(
        self, placement: Placement, folder: Path, network: Network, name_of: Callable[[int], str]
    ) -> None:
        self._placement = placement
        self._folder = folder
        self._network = network
        self._name_of = name_of
        self._opened: Journal | None = placement.open_journal()

    def close(self) -> None:
        """Let go of the journal, until it is looked at again."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @property
    def _journal(self) -> Journal:
        if self._opened is None:
            self._opened = self._placement.open_journal()
        return self._opened

    def journal(self) -> Iterator[str]:
        """Every transaction that the journal knows, oldest first, and what it keeps of it."""
        history = self._journal.history(_MANY)
        for txid, state, entry in reversed(history):
            yield f"{txid} {state}: {self._describe(txid, state, entry)}"
        outcomes = self._journal.heuristics()
        for outcome in outcomes:
            yield (
                f"heuristic outcome of {outcome.txid}: {outcome.record_id} was to be at "
                f"{outcome.expected}, found {outcome.found}"
            )
        if not history and not outcomes:
            yield "journal: empty"

    def stores(self, collections: Iterable[str]) -> Iterator[str]:
        """What stands in the stores now, whole or not."""
        for collection in collections:
            with self._store(collection) as store, store.snapshot() as view:
                found = view.scan(collection)
            yield from telling.collection(collection, found)

    def deliver(self, label: str, txid: str) -> str:
        """Have the network deliver an apply that it was given before, late or once more."""
        with self._store(label if label in COLLECTIONS else COLLECTIONS[0]) as store:
            _, told = apply_telling(store, self._network.sent[txid, label])
        return f"{txid} arrives at {label}: {told}"

    def change(self, record_id: str, field: str, value: str) -> None:
        """Change a record as other software would, which knows nothing of the journal."""
        document = json.loads(self._read(record_id).document)
        self._overwrite(record_id, json.dumps({**document, field: value}))

    def put_in_place(self, other_id: str, record_id: str) -> None:
        """Put one record's document in the place of another's, as other software would."""
        self._overwrite(record_id, self._read(other_id).document)

    def damage_journal(self, part: str, txid: str) -> None:
        """Flip a bit in the `head` or the `redo` of a transaction, in the journal's file."""
        self._flip("journal.db", "transactions", part, "txid", txid)

    def damage(self, record_id: str) -> None:
        """Flip a bit in a record's document, in its store's file."""
        collection = self._collection_of(record_id)
        with self._store(collection) as store:
            file = store.name.rpartition("/")[2]
        self._flip(file, collection, "document", "record_id", record_id)

    def _describe(self, txid: str, state: str, entry: Entry | None) -> str:
        if entry is None:
            return "its head is damaged"
        parts = [f"{entry.operation} by {self._name_of(entry.coordinator)}"]
        if state in _KEEPS_KEYS:
            parts.append(f"keys {', '.join(entry.keys)}")
        if state in _KEEPS_REDO:
            parts.append(self._redo(txid, entry))
        return "; ".join(parts)

    def _redo(self, txid: str, entry: Entry) -> str:
        try:
            self._journal.load(txid)
        except Corrupt:
            return "its redo is damaged"
        return f"redo {telling.members(entry.members)}"

    def _collection_of(self, record_id: str) -> str:
        for collection in COLLECTIONS:
            with self._store(collection) as store:
                if store.read(Get(collection, record_id)):
                    return collection
        raise AssertionError(f"{record_id} is nowhere")

    def _read(self, record_id: str) -> Stored:
        collection = self._collection_of(record_id)
        with self._store(collection) as store:
            (stored,) = store.read(Get(collection, record_id))
        return stored

    def _overwrite(self, record_id: str, document: str) -> None:
        collection, old = self._collection_of(record_id), self._read(record_id)
        with self._store(collection) as store:
            write = Write(collection, record_id, old.revision, document)
            store.apply(_FOREIGN, old.members, (write,))

    @contextmanager
    def _store(self, collection: str) -> Iterator[Participant]:
        stores = self._placement.open_stores()
        try:
            yield stores[collection]
        finally:
            for store in {id(store): store for store in stores.values()}.values():
                store.close()

    def _flip(self, file: str, table: str, column: str, key: str, value: str) -> None:
        where = f"WHERE {key} = ?"
        with closing(sqlite3.connect(self._folder / file)) as connection, connection:
            (text,) = connection.execute(
                f"SELECT {column} FROM {table} {where}", (value,)
            ).fetchone()
            middle = len(text) // 2
            flipped = text[:middle] + chr(ord(text[middle]) ^ 1) + text[middle + 1 :]
            connection.execute(f"UPDATE {table} SET {column} = ? {where}", (flipped, value))
