"""A whole grove as lines of text, and back. Pure.

The first line names the format. Each that follows holds a record, or what is left of one that was
deleted, in the order of collections and ids; it has a checksum of its own, so that damage is told
by the line. The last counts them, and has the SHA-256 of all before it.

Every line is canonical JSON (RFC 8785) with a newline behind it, and nothing in one depends on
when or where it was written: the same records always make the same bytes.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import AfterValidator
from pydantic_core import to_json

from grove_sm.domain import (
    Account,
    Bounty,
    Claim,
    Contribution,
    Grant,
    Handoff,
    Record,
    Reservation,
    Transfer,
    canonical_json,
)
from grove_sm.domain.canonical import encode_normal
from grove_sm.domain.errors import Corrupt, ValidationError
from grove_sm.domain.fields import Identifier, Maybe, Revision
from grove_sm.domain.values import Flaw, check_text
from grove_sm.operations.credits import CREDIT_KINDS
from grove_sm.operations.documents import decode
from grove_sm.operations.layout import (
    BOUNTIES,
    CLAIMS,
    COLLECTIONS,
    CONTRIBUTIONS,
    HANDOFFS,
    account_record,
    grant_record,
    reservation_record,
    transfer_record,
)
from grove_sm.operations.plan import Deleted, Stored

FORMAT: Final = 1
MAX_BYTES: Final = 450_000_000
"""The longest export that is taken over, which is done in one transaction: the journal's text of
that may be twice as long, and SQLite keeps none of more than a billion bytes."""

Records = Mapping[str, Sequence[Stored | Deleted]]
"""All that a grove holds, by collection; each in the order of ids."""

_HEADER: Final = canonical_json({"export": "grove-sm", "format": FORMAT})
_BEGIN_OF_HEADER: Final = b'{"export":'
_BEGIN_OF_RECORD: Final = b'{"checksum":'
_CHECKSUM_DIGITS: Final = 16
_KINDS: Final[Mapping[str, type[Record]]] = {
    CONTRIBUTIONS: Contribution,
    HANDOFFS: Handoff,
    CLAIMS: Claim,
    BOUNTIES: Bounty,
    **CREDIT_KINDS,
}


_ID_OF: Final[Mapping[type[Record], Callable[[Any], str]]] = {
    Contribution: lambda record: record.cid,
    Handoff: lambda record: record.handoff_id,
    Claim: lambda record: record.claim_id,
    Bounty: lambda record: record.bounty_id,
    Account: lambda record: account_record(record.agent_id),
    Grant: lambda record: grant_record(record.grant_id),
    Reservation: lambda record: reservation_record(record.reservation_id),
    Transfer: lambda record: transfer_record(record.transfer_id),
}


class Export(NamedTuple):
    """What an export holds: records, and the SHA-256 of all its lines but the last."""

    records: Records
    sha256: str

    @property
    def counts(self) -> Mapping[str, int]:
        """How many records there are, by collection, without deleted ones."""
        return _counts(self.records)

    @property
    def deleted(self) -> int:
        """Of how many deleted records it tells."""
        return _deleted(self.records)


def is_export(line: bytes) -> bool:
    """Whether a file that begins with this line is meant as an export, of whatever format."""
    return line.startswith((_BEGIN_OF_HEADER, _BEGIN_OF_RECORD))


def export_lines(records: Records) -> Iterator[bytes]:
    """The lines of an export, each with its newline.

    Raises Corrupt for a record that breaks a rule.
    """
    digest = hashlib.sha256()
    for line in _lines(records):
        digest.update(line)
        yield line
    yield _last_line(records, digest.hexdigest())


def with_parts_that_are_there(records: Records) -> Records:
    """The same records, each with what its transaction wrote as far as that is there.

    What is not is accounted for in the journal alone, where an operator has decided about it.
    """
    revisions = {
        (name, found.record_id): found.revision for name, scan in records.items() for found in scan
    }

    def there(members: str) -> str:
        parts = json.loads(members)
        kept = [part for part in parts if revisions.get((part[0], part[1]), 0) >= part[2]]
        return members if kept == parts else to_json(kept).decode()

    return {
        name: [found._replace(members=there(found.members)) for found in scan]
        for name, scan in records.items()
    }


def read_export(lines: Iterable[bytes], where: str) -> Export:
    """What an export holds.

    Args:
        lines: its lines, each with its newline.
        where: the file, as errors name it.

    Raises Corrupt, naming the line, for one that no export of these records has, or if there is
    no last one; ValidationError for a newer format, or if it is too long.
    """
    reading = _Reading(where)
    for line in lines:
        reading.take(line)
    return reading.end()


class _Reading:
    """An export, as far as it has been read."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._number = 0
        self._size = 0
        self._digest = hashlib.sha256()
        self._records: dict[str, list[Stored | Deleted]] = {name: [] for name in COLLECTIONS}
        self._latest = (-1, "")
        self._export: Export | None = None

    def take(self, line: bytes) -> None:
        """Read the next line."""
        self._number += 1
        self._size += len(line)
        if self._size > MAX_BYTES:
            rule = f"must have at most {MAX_BYTES:,} bytes, to be taken over in one transaction"
            raise ValidationError(field=self._where, rule=rule)
        if self._export is not None:
            raise self._corrupt("it comes after the last line of an export")
        if not line.endswith(b"\n"):
            raise self._corrupt(
                "it does not end in a newline alone; the file is cut off, or changed"
            )
        if self._number == 1:
            self._take_header(line[:-1])
        elif line.startswith(_BEGIN_OF_RECORD):
            self._take_record(line[:-1])
        else:
            self._take_last(line)
        self._digest.update(line)

    def end(self) -> Export:
        """What has been read, if that is all of it."""
        if self._export is None:
            self._number += 1
            raise self._corrupt("it is not there: the file is cut off before its last line")
        return self._export

    def _take_header(self, text: bytes) -> None:
        if text == _HEADER:
            return
        try:
            found = _parse(text).get("format")
        except ValidationError:
            found = None
        if isinstance(found, int) and found > FORMAT:
            raise ValidationError(
                field=f"{self._where}: format",
                rule=f"must be at most {FORMAT}, the newest that this version of grove-sm can "
                "read; install a newer grove-sm",
                value=found,
            )
        raise self._corrupt(f"an export begins with {_HEADER.decode()}")

    def _take_record(self, text: bytes) -> None:
        try:
            collection, found = _read_record(text)
        except ValidationError as error:
            raise self._corrupt(error.message) from error
        place = COLLECTIONS.index(collection), found.record_id
        if place <= self._latest:
            raise self._corrupt("it is not behind the line before it, in the order of an export")
        self._latest = place
        self._records[collection].append(found)

    def _take_last(self, line: bytes) -> None:
        sha256 = self._digest.hexdigest()
        expected = _last_line(self._records, sha256)
        if line != expected:
            raise self._corrupt(
                "it is no record, and not the last line of what stands before it, which would be "
                + expected.decode().rstrip()
            )
        self._export = Export(self._records, sha256)

    def _corrupt(self, reason: str) -> Corrupt:
        return Corrupt(what=f"line {self._number}", where=self._where, reason=reason)


def _check_members(members: list[Any]) -> list[Any]:
    for index, member in enumerate(members):
        match member:
            case [str(name), str(key), int(revision)] if (
                name in COLLECTIONS and revision >= 1 and revision is not True
            ):
                check_text(key)
                continue
        raise Flaw("must be a collection, an id and a revision", member, index)
    return members


class _RecordLine(Record):
    """The line of a record, or of what is left of one: then it has no document."""

    checksum: str
    collection: Literal["contributions", "handoffs", "claims", "bounties", "credits"]
    id: Identifier
    revision: Revision
    txid: Identifier
    members: Annotated[list[Any], AfterValidator(_check_members)]
    document: Maybe[dict[str, Any]] = None


def _lines(records: Records) -> Iterator[bytes]:
    yield _HEADER + b"\n"
    for collection in COLLECTIONS:
        for found in records.get(collection, ()):
            yield _record_line(collection, found) + b"\n"


def _record_line(collection: str, found: Stored | Deleted) -> bytes:
    if isinstance(found, Deleted):
        return _sealed_line(collection, found, None)
    return _sealed_line(collection, found, decode(_kind_of(collection, found.record_id), found))


def _sealed_line(collection: str, found: Stored | Deleted, record: Record | None) -> bytes:
    line: dict[str, Any] = {
        "collection": collection,
        "id": found.record_id,
        "revision": found.revision,
        "txid": found.txid,
        "members": json.loads(found.members),
    }
    if record is not None:
        line["document"] = record.to_document()
    rest = encode_normal(line)[1:]
    # It stands first in the order of keys.
    return b'%b"%b",%b' % (_BEGIN_OF_RECORD, _checksum(rest), rest)


def _last_line(records: Records, sha256: str) -> bytes:
    line = {"records": _counts(records), "deleted": _deleted(records), "sha256": sha256}
    return canonical_json(line) + b"\n"


def _read_record(text: bytes) -> tuple[str, Stored | Deleted]:
    """What a line holds. Raises ValidationError."""
    line = _RecordLine.from_document(_parse(text))
    rest = text.partition(b",")[2]
    if line.checksum.encode() != _checksum(rest):
        rule = "must be that of the rest of the line, which was changed"
        raise ValidationError(field="checksum", rule=rule, value=line.checksum)
    found: Stored | Deleted = Deleted(
        line.id, line.revision, line.txid, to_json(line.members).decode()
    )
    record = None
    if line.document is not None:
        kind = _kind_of(line.collection, line.id)
        record = kind.from_document(line.document)
        if _ID_OF[kind](record) != line.id:
            raise ValidationError(field="id", rule="must be the document's own", value=line.id)
        found = Stored(*found[:4], record.to_json())
    if _sealed_line(line.collection, found, record) != text:
        raise ValidationError(field="the line", rule="must be as an export writes it")
    return line.collection, found


def _parse(text: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValidationError(field="the line", rule=f"must be JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise ValidationError(field="the line", rule="must be an object", value=parsed)
    return parsed


def _kind_of(collection: str, record_id: str) -> type[Record]:
    """Raises ValidationError for an id that no record of the collection has."""
    name = record_id.partition(":")[0] if collection not in _KINDS else collection
    if name not in _KINDS:
        rule = f"must begin with one of {', '.join(CREDIT_KINDS)}, and a colon"
        raise ValidationError(field="id", rule=rule, value=record_id)
    return _KINDS[name]


def _checksum(rest: bytes) -> bytes:
    """The checksum of a line, of all that stands behind it."""
    return hashlib.sha256(rest).hexdigest()[:_CHECKSUM_DIGITS].encode()


def _counts(records: Records) -> dict[str, int]:
    return {
        collection: sum(isinstance(found, Stored) for found in records.get(collection, ()))
        for collection in COLLECTIONS
    }


def _deleted(records: Records) -> int:
    return sum(isinstance(found, Deleted) for scan in records.values() for found in scan)
