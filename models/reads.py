"""What readers ask besides single records, answered from plain dictionaries.

Written from what docs/api.md says of lists, searches, counts and threads, not from the library.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from models.records import Records

Collection = Literal["contributions", "handoffs", "claims", "bounties"]


@dataclass(frozen=True)
class Listed:
    """The ids of the records for which all filters hold, in order."""

    collection: Collection
    filters: tuple[tuple[str, str], ...] = ()
    newest_first: bool = False


@dataclass(frozen=True)
class Found:
    """The ids of the contributions that a search finds, oldest first."""

    text: str


@dataclass(frozen=True)
class Counted:
    """How many records there are for which all filters hold, by kind or status."""

    collection: Collection
    filters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class CountedAll:
    """How many records of each collection there are; credits aside."""


@dataclass(frozen=True)
class Threaded:
    """A contribution's thread: each CID with its depth, and the ids of its handoffs."""

    cid: str


@dataclass(frozen=True)
class Ancestors:
    """What a contribution comes from: each CID with its depth."""

    cid: str


@dataclass(frozen=True)
class Children:
    """The ids of what has a relation to a contribution, oldest first."""

    cid: str


Read = Listed | Found | Counted | CountedAll | Threaded | Ancestors | Children

COLLECTIONS: Final[Sequence[Collection]] = ("contributions", "handoffs", "claims", "bounties")

# The values of a record that a filter may ask for.
_VALUES: Final[Mapping[Collection, Mapping[str, Callable[[Any], Iterable[str | None]]]]] = {
    "contributions": {
        "kind": lambda each: [each.kind],
        "mode": lambda each: [each.mode],
        "agent_id": lambda each: [each.agent.agent_id],
        "role": lambda each: [each.agent.role],
        "tag": lambda each: each.tags,
        "target_cid": lambda each: [relation.target_cid for relation in each.relations],
    },
    "handoffs": {
        "to_role": lambda each: [each.to_role],
        "source_cid": lambda each: [each.source_cid],
        "status": lambda each: [each.status],
    },
    "claims": {
        "target_ref": lambda each: [each.target_ref],
        "agent_id": lambda each: [each.agent.agent_id],
        "status": lambda each: [each.status],
    },
    "bounties": {
        "status": lambda each: [each.status],
        "creator_id": lambda each: [each.creator.agent_id],
        "claimant_id": lambda each: [each.claimed_by.agent_id] if each.claimed_by else [],
        "tag": lambda each: each.criteria.required_tags or [],
    },
}
_COUNTED_BY: Final[Mapping[Collection, str]] = {
    "contributions": "kind",
    "handoffs": "status",
    "claims": "status",
    "bounties": "status",
}
_LIMITED: Final = ("kind", "mode", "status", "source_cid", "target_cid")
"""Filters that take no other values than records can have."""

_NOBODYS: Final = "nobody's"
_WORDS: Final = ("kernel", "KERNEL 1", '"kernel 2"', '"2 kernel"', "kern*", "kernel nothing")


def answer(records: Records, read: Read) -> Any:
    """What a reader is told, where these records are all that is there."""
    told: Any
    match read:
        case Listed(collection, filters, newest_first):
            told = _ids(records, collection, filters)[:: -1 if newest_first else 1]
        case Found(text):
            told = [cid for cid in _ids(records, "contributions") if _has(records, cid, text)]
        case Counted(collection, filters):
            told = _count(records, collection, filters)
        case CountedAll():
            told = {collection: _count(records, collection) for collection in COLLECTIONS}
        case Threaded(cid):
            handoffs = records.handoffs.values()
            told = {
                at: (depth, {each.handoff_id for each in handoffs if each.source_cid == at})
                for at, depth in _walk(cid, lambda at: _children(records, at)).items()
            }
        case Ancestors(cid):
            told = _walk(cid, lambda at: _targets(records, at))
            del told[cid]
        case Children(cid):
            told = _children(records, cid)
    return told


def every_read(records: Records) -> Iterator[Read]:
    """Reads of all kinds that are worth asking where these records are, or were a moment ago."""
    yield CountedAll()
    yield from map(Found, _WORDS)
    for collection in COLLECTIONS:
        yield Listed(collection)
        yield Listed(collection, newest_first=True)
        yield Counted(collection)
        for name, values_of in _VALUES[collection].items():
            there = getattr(records, collection).values()
            values = sorted({value for each in there for value in values_of(each) if value})
            if name not in _LIMITED:
                values.append(_NOBODYS)
            for number, value in enumerate(values[-4:]):
                yield Listed(collection, ((name, value),), newest_first=number % 2 == 1)
                yield Counted(collection, ((name, value),))
    for cid in sorted(records.contributions)[:4]:
        yield from (Threaded(cid), Ancestors(cid), Children(cid))


def _ids(
    records: Records, collection: Collection, filters: Iterable[tuple[str, str]] = ()
) -> list[str]:
    found: Mapping[str, Any] = getattr(records, collection)
    values = _VALUES[collection]
    chosen = [
        (each.created_at, record_id)
        for record_id, each in found.items()
        if all(value in values[name](each) for name, value in filters)
    ]
    return [record_id for _, record_id in sorted(chosen)]


def _count(
    records: Records, collection: Collection, filters: Iterable[tuple[str, str]] = ()
) -> dict[str, int]:
    found: Mapping[str, Any] = getattr(records, collection)
    by = _COUNTED_BY[collection]
    return dict(Counter(getattr(found[each], by) for each in _ids(records, collection, filters)))


def _has(records: Records, cid: str, text: str) -> bool:
    """Whether all words, and all words in quotes in a row, are in a contribution's summary."""
    words = re.findall(r"\w+", records.contributions[cid].summary.lower())
    for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', text.lower()):
        wanted = re.findall(r"\w+", quoted or plain)
        rows = [words[at : at + len(wanted)] for at in range(len(words))]
        if plain.endswith("*"):
            is_there = any(word.startswith(wanted[0]) for word in words)
        else:
            is_there = wanted in rows
        if not is_there:
            return False
    return True


def _targets(records: Records, cid: str) -> list[str]:
    return [relation.target_cid for relation in records.contributions[cid].relations]


def _children(records: Records, cid: str) -> list[str]:
    return _ids(records, "contributions", (("target_cid", cid),))


def _walk(begin: str, lead: Callable[[str], Iterable[str]]) -> dict[str, int]:
    """How many steps away each contribution is, at least, that can be come to."""
    depths = {begin: 0}
    queue = [begin]
    for at in queue:
        for found in lead(at):
            if found not in depths:
                depths[found] = depths[at] + 1
                queue.append(found)
    return depths
