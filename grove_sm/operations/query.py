"""What readers ask a collection for, and in which order they are given it. Pure.

A store answers a `Query` from its indexes where it can. `admits` and `place_of` say what the answer
is; one that has no index may go through its records with them.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from grove_sm.domain.values import Flaw, normal_time
from grove_sm.operations.layout import CONTRIBUTIONS, INDEXED, OF_THE_ID, SEARCHED
from grove_sm.operations.plan import Stored
from grove_sm.operations.words import Term, meets

CREATED_AT: Final = "createdAt"

_STEPS: Final = {
    collection: {
        field: (
            None
            if path == OF_THE_ID
            else [(step.removesuffix("[]"), step.endswith("[]")) for step in path.split(".")]
        )
        for field, path in fields.items()
    }
    for collection, fields in INDEXED.items()
}
_NORMAL_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z")


class Place(NamedTuple):
    """Where a record is in its collection's order: by creation time, then by id.

    `created_at` is the empty string for a record that does not say when it was made.
    """

    created_at: str
    record_id: str


class Between(NamedTuple):
    """Only records whose indexed field lies between two values, the first included.

    None is no bound. A record without the field lies nowhere.
    """

    field: str
    since: str | None = None
    before: str | None = None


class Query(NamedTuple):
    """Which records of a collection, and in which order.

    Attributes:
        collection: its name.
        where: (field, value) of indexed fields (`layout.INDEXED`), all of which a record must
            have; a list must hold the value.
        among: (field, values): a record must have one of them.
        between: ranges that it must lie in.
        terms: words that it must hold in the fields that are searched (`layout.SEARCHED`).
        newest_first: by creation time, then id, from the end.
    """

    collection: str
    where: tuple[tuple[str, str], ...] = ()
    among: tuple[tuple[str, tuple[str, ...]], ...] = ()
    between: tuple[Between, ...] = ()
    terms: tuple[Term, ...] = ()
    newest_first: bool = False


def all_pages(
    page: Callable[[Query, int, Place | None], Sequence[Stored]],
    query: Query,
    size: int,
    last: Place | None = None,
) -> Iterator[Stored]:
    """Every record that a query asks for behind `last`, read so many at a time as are asked for."""
    while True:
        found = page(query, size, last)
        yield from found
        if len(found) < size:
            return
        last = place_of(query.collection, found[-1].record_id, json.loads(found[-1].document))


def values_of(
    collection: str, field: str, record_id: str, document: Mapping[str, Any]
) -> tuple[str, ...]:
    """The texts that an indexed field of a record holds; none, if it has no such field.

    A contribution's creation time, which is kept as it was written, counts in its normal form.
    """
    steps = _STEPS[collection][field]
    if steps is None:
        kind, colon, _ = record_id.partition(":")
        return (kind,) if colon else ()
    found: list[Any] = [document]
    for name, is_list in steps:
        found = [value[name] for value in found if isinstance(value, dict) and name in value]
        if is_list:
            found = [item for value in found if isinstance(value, list) for item in value]
    texts = tuple([value for value in found if isinstance(value, str)])
    if collection == CONTRIBUTIONS and field == CREATED_AT:
        return tuple(map(_in_normal_form, texts))
    return texts


def place_of(collection: str, record_id: str, document: Mapping[str, Any]) -> Place:
    """Where a record is in its collection's order."""
    created_at = values_of(collection, CREATED_AT, record_id, document)
    return Place(created_at[0] if created_at else "", record_id)


def searched_texts(collection: str, document: Mapping[str, Any]) -> tuple[str, ...]:
    """The texts of a record that searches go through, an absent one empty."""
    found = (document.get(field) for field in SEARCHED.get(collection, ()))
    return tuple(text if isinstance(text, str) else "" for text in found)


def admits(query: Query, record_id: str, document: Mapping[str, Any]) -> bool:
    """Whether a record of the query's collection is one that it asks for."""

    def values(field: str) -> tuple[str, ...]:
        return values_of(query.collection, field, record_id, document)

    return (
        all(value in values(field) for field, value in query.where)
        and all(set(choices) & set(values(field)) for field, choices in query.among)
        and all(any(_lies(value, bounds) for value in values(bounds.field))
                for bounds in query.between)
        and (not query.terms or meets(query.terms, searched_texts(query.collection, document)))
    )  # fmt: skip


def _lies(value: str, bounds: Between) -> bool:
    is_late_enough = bounds.since is None or value >= bounds.since
    return is_late_enough and (bounds.before is None or value < bounds.before)


def _in_normal_form(time: str) -> str:
    if _NORMAL_TIME.fullmatch(time):
        return time
    try:
        return normal_time(time)
    except Flaw:
        return time
