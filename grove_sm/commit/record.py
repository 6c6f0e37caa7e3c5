"""What the journal keeps of a transaction, and its text at rest.

A record is one line of JSON behind a checksum, so that damage anywhere in it is noticed, whatever
it is stored in.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from blake3 import blake3
from pydantic_core import from_json, to_json

from grove_sm.domain.errors import Corrupt
from grove_sm.operations.plan import Deleted, IdempotencyKey, Origin, Plan, Stored, Write

_CHECKSUM_DIGITS = 16


class Entry(NamedTuple):
    """A transaction's intent as the journal keeps it until it is finished.

    `members` names all it writes, as `[collection, id, revision]` triples in JSON: each store
    keeps that text beside the records, so that a part that lacks the others can be told.
    """

    txid: str
    coordinator: int
    operation: str
    created_at: str
    keys: tuple[str, ...]
    writes: tuple[Write, ...]
    members: str
    result: Mapping[str, Any]
    idempotency: IdempotencyKey | None


class Redo(NamedTuple):
    """The part of an entry that is dropped once it is finished; it repeats the keys, so that
    either part alone tells what the transaction holds."""

    writes: tuple[Write, ...]
    result: Mapping[str, Any]
    idempotency: IdempotencyKey | None
    keys: tuple[str, ...]


class Recorded(NamedTuple):
    """A finished request under an idempotency key."""

    txid: str
    fields: Mapping[str, str]
    result: Mapping[str, Any]


def make_entry(
    plan: Plan,
    *,
    txid: str,
    coordinator: int,
    created_at: str,
    idempotency: IdempotencyKey | None = None,
) -> Entry:
    """The journal's entry for a plan."""
    keys = plan.keys if idempotency is None else (*plan.keys, idempotency.record_id)
    members = to_json([(w.collection, w.record_id, w.revision) for w in plan.writes]).decode()
    return Entry(
        txid,
        coordinator,
        plan.operation,
        created_at,
        tuple(sorted(keys)),
        plan.writes,
        members,
        plan.result,
        idempotency,
    )


def members_of(members: str) -> tuple[tuple[str, str, int], ...]:
    """What a transaction writes, as (collection, id, revision), from the text that names it."""
    return tuple((collection, key, revision) for collection, key, revision in from_json(members))


def checksum(text: str) -> str:
    """A digest of a text, as the journal and the stores keep it beside the text."""
    return blake3(text.encode()).hexdigest()[:_CHECKSUM_DIGITS]


def record_checksum(found: Stored | Deleted) -> str:
    """A digest of a whole record, as the stores keep it beside the record."""
    return checksum("\n".join(map(str, found)))


def seal(value: object) -> str:
    """A JSON value as one line behind its checksum."""
    text = to_json(value)
    return f"{blake3(text).hexdigest()[:_CHECKSUM_DIGITS]} {text.decode()}"


def unseal(sealed: object, *, what: str, where: str) -> Any:
    """The value that `seal` sealed. Raises Corrupt, naming what and where, if it was damaged."""
    if not isinstance(sealed, str):
        raise Corrupt(what=what, where=where, reason="it is not text")
    digest, _, text = sealed.partition(" ")
    # A damaged byte may come back as half a surrogate pair, which has no UTF-8 form.
    if digest != blake3(text.encode("utf-8", "surrogatepass")).hexdigest()[:_CHECKSUM_DIGITS]:
        raise Corrupt(what=what, where=where, reason="its checksum does not match")
    return from_json(text)


def encode_head(entry: Entry) -> str:
    """What the journal keeps of an entry for good: everything but its redo."""
    return seal(
        (
            entry.txid,
            entry.coordinator,
            entry.operation,
            entry.created_at,
            entry.keys,
            entry.members,
        )
    )


def encode_redo(entry: Entry) -> str:
    """What the journal keeps of an entry until it is finished."""
    # Without an origin as earlier versions wrote it.
    writes = [write if write.origin else write[:-1] for write in entry.writes]
    return seal((entry.txid, writes, entry.result, entry.idempotency, entry.keys))


def decode_head(head: object, txid: str, *, what: str, where: str) -> Entry:
    """An entry without its redo. Raises Corrupt, naming what and where, if it was damaged."""
    parts = unseal(head, what=what, where=where)
    found, coordinator, operation, created_at, keys, members = parts
    _require_own(found, txid, what=what, where=where)
    return Entry(txid, coordinator, operation, created_at, tuple(keys), (), members, {}, None)


def decode_write(parts: Sequence[Any]) -> Write:
    """A write from the values of its fields, as JSON has them; earlier versions had no origin."""
    collection, record_id, base, document, origin = (*parts, None)[:5]
    return Write(collection, record_id, base, document, origin and Origin(*origin))


def decode_redo(redo: object, txid: str, *, what: str, where: str) -> Redo:
    """An entry's redo. Raises Corrupt, naming what and where, if it was damaged."""
    found, writes, result, idempotency, keys = unseal(redo, what=what, where=where)
    _require_own(found, txid, what=what, where=where)
    return Redo(
        tuple(map(decode_write, writes)),
        result,
        None if idempotency is None else IdempotencyKey(*idempotency),
        tuple(keys),
    )


def decode_entry(head: object, redo: object, txid: str, *, what: str, where: str) -> Entry:
    """A whole entry. Raises Corrupt, naming what and where, if head or redo was damaged."""
    entry = decode_head(head, txid, what=what, where=where)
    writes, result, idempotency, _ = decode_redo(redo, txid, what=what, where=where)
    return entry._replace(writes=writes, result=result, idempotency=idempotency)


def _require_own(found: str, txid: str, *, what: str, where: str) -> None:
    if found != txid:
        raise Corrupt(what=what, where=where, reason=f"what stands there belongs to {found}")
