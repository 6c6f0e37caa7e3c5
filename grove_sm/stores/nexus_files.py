"""Where a record's revisions are in a zone of a Nexus server, and what is in such a file.

What stands at a path never changes: each revision of a record has a file of its own, which any
number of writers may write, at once or an hour late, with the same bytes each. The newest is the
record. So nothing here rests on the server's conditions for writes, which it checks without a lock.
"""

import json
import zlib
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import quote

from blake3 import blake3

from grove_sm.commit.record import checksum, seal, unseal
from grove_sm.domain.errors import Corrupt
from grove_sm.operations.layout import COLLECTIONS, CONTRIBUTIONS
from grove_sm.operations.plan import Deleted, Stored

OTHERS: Final = "other software"
"""In place of the transaction of a contribution that this library has not written."""

_FIRST: Final = 1
_JSON: Final = ".json"
_LONGEST_SEGMENT: Final = 180
_DIGEST_DIGITS: Final = 32
_WHITESPACE: Final = b" \t\n\r"
_LENGTH_BYTES: Final = 4
_SYMBOLS_A_BYTE: Final = 4
_FOOTER: Final = _LENGTH_BYTES * _SYMBOLS_A_BYTE


class Name(NamedTuple):
    """The file of one revision; `segment` is its record's id as a part of a path."""

    collection: str
    segment: str
    revision: int


class Revision(NamedTuple):
    """What a file holds: a revision of a record, and which files were written with it.

    Of the files that a transaction has written in one collection none counts before all are there.
    Each names the same one of them as its `leader`, and that has the `part`: all of them. None, and
    empty, where there is no other file.
    """

    record: Stored | Deleted
    leader: Name | None = None
    part: tuple[Name, ...] = ()


def segment_of(record_id: str) -> str:
    """An id as one part of a path, which no other id has, and that leads out of no folder.

    Percent-encoded, dots too. One that becomes too long is cut, and ends in a digest of the id
    behind a tilde, which otherwise is always encoded.
    """
    segment = quote(record_id, safe=":").replace(".", "%2E").replace("~", "%7E")
    if len(segment) <= _LONGEST_SEGMENT:
        return segment or "%"
    digest = blake3(record_id.encode()).hexdigest()[:_DIGEST_DIGITS]
    return f"{segment[: _LONGEST_SEGMENT - _DIGEST_DIGITS - 1]}~{digest}"


class Zone:
    """The paths of a zone."""

    def __init__(self, name: str) -> None:
        self._root = f"/zones/{name}"

    def folder(self, collection: str) -> str:
        """Where a collection is."""
        return f"{self._root}/{collection}"

    def beginning(self, collection: str, segment: str) -> str:
        """What the paths of all revisions of a record begin with; those of others may, too."""
        return f"{self.folder(collection)}/{segment}"

    def path(self, name: Name) -> str:
        """Where a revision is. A contribution is where other Grove software looks for it."""
        beginning = self.beginning(name.collection, name.segment)
        if name.collection == CONTRIBUTIONS and name.revision == _FIRST:
            return f"{beginning}{_JSON}"
        return f"{beginning}/{name.revision}"

    def name(self, path: str) -> Name | None:
        """The revision at a path; None if there is never one."""
        root, _, rest = path.partition(f"{self._root}/")
        collection, *parts = rest.split("/")
        if root or collection not in COLLECTIONS:
            return None
        match parts:
            case [file] if collection == CONTRIBUTIONS and file.endswith(_JSON):
                name = Name(collection, file.removesuffix(_JSON), _FIRST)
            case [segment, revision] if revision.isascii() and revision.isdecimal():
                name = Name(collection, segment, int(revision))
            case _:
                return None
        return name if name.revision >= _FIRST and self.path(name) == path else None


def encode(name: Name, revision: Revision) -> bytes:
    """The bytes of a file: the document, and the rest of the record behind it.

    The rest is written in JSON's whitespace (RFC 8259, section 2), two bits a character: other
    software, which takes the file for the document alone, reads it as just that.
    """
    record, leader, part = revision
    document = (record.document if isinstance(record, Stored) else "null").encode()
    head = (
        name.collection,
        record.record_id,
        record.revision,
        record.txid,
        record.members,
        isinstance(record, Deleted),
        leader,
        part,
        len(document),
        checksum(document.decode()),
    )
    packed = zlib.compress(seal(head).encode())
    return document + _blanks(packed) + _blanks(len(packed).to_bytes(_LENGTH_BYTES))


def decode(name: Name, content: bytes, path: str) -> Revision:
    """What a file holds. Raises Corrupt if that is damaged, or not this revision."""
    what = f"{name.collection} record {name.segment}"
    sealed = _behind(content)
    if sealed is None:
        return _by_others(name, content, what, path)
    head = unseal(sealed, what=what, where=path)
    collection, record_id, number, txid, members, is_deleted, leader, part, length, digest = head
    document = content[:length].decode("utf-8", "replace")
    what = f"{collection} record {record_id}"
    if checksum(document) != digest:
        raise Corrupt(what=what, where=path, reason="its checksum does not match")
    if name != Name(collection, segment_of(record_id), number):
        reason = f"revision {number} of {what} stands there"
        raise Corrupt(what=f"{name.collection} record {name.segment}", where=path, reason=reason)
    record = (
        Deleted(record_id, number, txid, members)
        if is_deleted
        else Stored(record_id, number, txid, members, document)
    )
    return Revision(record, leader and Name(*leader), tuple(Name(*each) for each in part))


def written_together(records: Mapping[Name, Stored | Deleted]) -> dict[Name, Revision]:
    """The files of one transaction."""
    parts: dict[str, list[Name]] = {}
    for name in records:
        parts.setdefault(name.collection, []).append(name)
    files = {}
    for name, record in records.items():
        part = parts[name.collection]
        leader = min(part) if len(part) > 1 else None
        files[name] = Revision(record, leader, tuple(part) if name == leader else ())
    return files


def _by_others(name: Name, content: bytes, what: str, path: str) -> Revision:
    """A contribution that other software has written. Raises Corrupt if it is none."""
    reason = "this library has not written what stands there"
    if name.collection != CONTRIBUTIONS or name.revision != _FIRST:
        raise Corrupt(what=what, where=path, reason=reason)
    try:
        text = content.decode()
        record_id = json.loads(text)["cid"]
        is_its_own = segment_of(record_id) == name.segment
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Corrupt(what=what, where=path, reason=f"{reason}, and it is damaged") from None
    if not is_its_own:
        raise Corrupt(what=what, where=path, reason=f"{reason}; its cid is another")
    return Revision(Stored(record_id, _FIRST, OTHERS, "[]", text))


def _behind(content: bytes) -> str | None:
    """What stands in whitespace behind a document; None if there is nothing that can be read."""
    length = int.from_bytes(_packed(content[-_FOOTER:]) or b"")
    begin = len(content) - _FOOTER - length * _SYMBOLS_A_BYTE
    if length == 0 or begin < 0:
        return None
    packed = _packed(content[begin:-_FOOTER])
    try:
        return None if packed is None else zlib.decompress(packed).decode()
    except (zlib.error, ValueError):
        return None


def _blanks(packed: bytes) -> bytes:
    return bytes(_WHITESPACE[byte >> shift & 3] for byte in packed for shift in (6, 4, 2, 0))


def _packed(blanks: bytes) -> bytes | None:
    """The bytes that stand in whitespace; None if anything else is there."""
    digits = [_WHITESPACE.find(symbol) for symbol in blanks]
    if -1 in digits or len(digits) % _SYMBOLS_A_BYTE:
        return None
    fours = zip(*[iter(digits)] * _SYMBOLS_A_BYTE, strict=True)
    return bytes(a << 6 | b << 4 | c << 2 | d for a, b, c, d in fours)
