"""What stands in a record's place, as a store shows it now."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from grove_sm.commit.contract import Participant
from grove_sm.domain.errors import GroveError
from grove_sm.operations.plan import Expectation, Get


class Place(NamedTuple):
    """Where a collection is: the store's URL, and the store, or why it cannot be used now."""

    name: str
    store: Participant | GroveError


Places = Mapping[str, Place]
"""The place of each collection."""


def places_of(stores: Mapping[str, Participant]) -> Places:
    """The places of collections whose stores are open."""
    return {collection: Place(store.name, store) for collection, store in stores.items()}


class Standing(NamedTuple):
    """What stands in a record's place.

    `revision` is 0 if there is no record; None if there was one that has been deleted, or if what
    is there could not be read. `words` says any of it to people.
    """

    revision: int | None
    txid: str | None
    document: str | None
    words: str
    is_deleted: bool = False


def read_standing(store: Participant, collection: str, record_id: str) -> Standing:
    """What a store shows in a record's place, whatever is committed and not applied there yet.

    Raises StoreUnavailable or Corrupt.
    """
    read = Get(collection, record_id)
    for found in store.read(read):
        words = f"revision {found.revision} by {found.txid}"
        return Standing(found.revision, found.txid, found.document, words)
    if store.validate((Expectation(read, ()),)):
        return Standing(0, None, None, "no record")
    return Standing(None, None, None, "it has been deleted", is_deleted=True)


def look(places: Places, collection: str, record_id: str) -> Standing:
    """As `read_standing`; what cannot be read is told in words."""
    if collection not in places:
        return Standing(None, None, None, "the settings name no store for its collection")
    store = places[collection].store
    if isinstance(store, GroveError):
        return Standing(None, None, None, store.message)
    try:
        return read_standing(store, collection, record_id)
    except GroveError as error:
        return Standing(None, None, None, error.message)


def parsed(document: str | None) -> Any:
    """A document as its JSON value; as it is, if it is none."""
    if document is None:
        return None
    try:
        return json.loads(document)
    except ValueError:
        return document
