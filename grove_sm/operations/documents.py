"""From what a store holds to records, and back to writes."""

import json
from typing import TypeVar

from grove_sm.domain import Contribution, Record
from grove_sm.domain.errors import Corrupt, NotFound, ValidationError
from grove_sm.operations.plan import Facts, Stored, Write

R = TypeVar("R", bound=Record)


def decode(kind: type[R], stored: Stored, where: str = "its store") -> R:
    """The record that a stored document holds.

    Raises Corrupt, naming it and `where`, if the document breaks a rule or, for a contribution,
    does not match its CID.
    """
    what = f"{kind.__name__.lower()} {stored.record_id}"
    try:
        record = kind.from_document(json.loads(stored.document))
    except (ValueError, ValidationError) as error:
        raise Corrupt(what=what, where=where, reason=str(error)) from error
    if isinstance(record, Contribution) and record.cid != stored.record_id:
        raise Corrupt(what=what, where=where, reason=f"what stands there has the CID {record.cid}")
    return record


def look_up(
    kind: type[R], collection: str, record_id: str, facts: Facts
) -> tuple[Stored, R] | None:
    """A record as it is stored, and what it says; None if there is none. Raises Corrupt."""
    stored = facts.get(collection, record_id)
    return None if stored is None else (stored, decode(kind, stored))


def known(
    kind: type[R], collection: str, record_id: str, facts: Facts, *, reason: str = ""
) -> tuple[Stored, R]:
    """As `look_up`, for a record that has to be there. Raises NotFound, for this reason."""
    found = look_up(kind, collection, record_id, facts)
    if found is None:
        raise NotFound(record=f"{kind.__name__.lower()} {record_id}", reason=reason)
    return found


def create(collection: str, record_id: str, record: Record) -> Write:
    """The write that makes a new record."""
    return Write(collection, record_id, 0, record.to_json())


def update(collection: str, stored: Stored, record: Record) -> Write:
    """The write that replaces a record as it was read."""
    return Write(collection, stored.record_id, stored.revision, record.to_json())


def delete(collection: str, stored: Stored) -> Write:
    """The write that deletes a record as it was read."""
    return Write(collection, stored.record_id, stored.revision, None)
