"""From a query to the SQL that answers it, each from an index that holds its order where it can."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from grove_sm.operations.plan import Find
from grove_sm.operations.query import CREATED_AT, Place, Query
from grove_sm.stores.indexing import LISTS, json_text, match_of
from grove_sm.stores.schema import FIELDS, column

_ALL: Final = ", ".join(f"r.{field}" for field in FIELDS)
_NO_LIMIT: Final = -1


class Statement(NamedTuple):
    """SQL, and the values for its parameters."""

    sql: str
    values: tuple[str | int, ...]


def select_page(query: Query, limit: int | None, after: Place | None) -> Statement:
    """Finds the first records (`FIELDS`) that a query asks for, behind a place."""
    source, values = _source(query, after)
    order = "DESC" if query.newest_first else "ASC"
    by_place = f"ORDER BY {{0}}.created {order}, {{0}}.record_id {order}"
    bound: tuple[str | int, ...] = (*values, _NO_LIMIT if limit is None else limit)
    if not query.terms:
        leading = "p0" if _list_conditions(query) else "r"
        return Statement(f"SELECT {_ALL} {source} {by_place.format(leading)} LIMIT ?", bound)
    # Whatever has the words must be sorted; their places alone are, not the whole records.
    found = f"SELECT r.created, r.record_id {source} {by_place.format('r')} LIMIT ?"
    return Statement(
        f"SELECT {_ALL} FROM ({found}) f CROSS JOIN {query.collection} r "
        f"ON r.record_id = f.record_id {by_place.format('f')}",
        bound,
    )


def select_counts(query: Query, by: str) -> Statement:
    """Counts the records that a query asks for by the JSON text of a field; NULL without one."""
    source, values = _source(query, None)
    return Statement(f"SELECT r.{column(by)}, count(*) {source} GROUP BY 1", values)


def select_revisions(find: Find) -> Statement:
    """Finds what `Find` reads, but its ids and revisions alone."""
    source, values = _source(Query(find.collection, find.where), None)
    order = (
        "ORDER BY r.created DESC, r.record_id DESC LIMIT 1"
        if find.newest
        else "ORDER BY r.created, r.record_id"
    )
    return Statement(f"SELECT r.record_id, r.revision {source} {order}", values)


def _source(query: Query, after: Place | None) -> tuple[str, tuple[str, ...]]:
    """FROM and WHERE. What narrows most is gone through: words, else the postings of an item."""
    table = query.collection
    lists = _list_conditions(query)
    conditions: list[str] = []
    values: list[str] = []
    if query.terms:
        tables = f"{table}_words w CROSS JOIN {table} r ON r.number = w.rowid"
        conditions.append(f"w.{table}_words MATCH ?")
        values.append(match_of(query.terms))
        place = "r"
    elif lists:
        tables = f"{table}_postings p0 CROSS JOIN {table} r ON r.record_id = p0.record_id"
        (field, value), *lists = lists
        conditions += ("p0.field = ?", "p0.value = ?")
        values += (field, json_text(value))
        place = "p0"
    else:
        tables, place = f"{table} r", "r"
    for field, value in lists:
        conditions.append(
            f"EXISTS (SELECT 1 FROM {table}_postings p WHERE p.field = ? AND p.value = ? "
            f"AND p.created = {place}.created AND p.record_id = {place}.record_id)"
        )
        values += (field, json_text(value))
    for condition, given in (*_conditions(query, place), *_behind(query, place, after)):
        conditions.append(condition)
        values += given
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"FROM {tables}{where}", tuple(values)


def _list_conditions(query: Query) -> list[tuple[str, str]]:
    return [(field, value) for field, value in query.where if field in LISTS[query.collection]]


def _conditions(query: Query, place: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    lists = LISTS[query.collection]
    for field, value in query.where:
        if field not in lists:
            yield f"{_of(field, place)} = ?", (json_text(value),)
    for field, choices in query.among:
        marks = ", ".join("?" * len(choices))
        texts = tuple(map(json_text, choices))
        if field in lists:
            yield (
                f"EXISTS (SELECT 1 FROM {query.collection}_postings p WHERE p.field = ? "
                f"AND p.value IN ({marks}) "
                f"AND p.created = {place}.created AND p.record_id = {place}.record_id)",
                (field, *texts),
            )
        else:
            yield f"{_of(field, place)} IN ({marks})", texts
    for field, since, before in query.between:
        # Nothing is before what has no such field, and everything that has it is behind that.
        yield f"{_of(field, place)} >= ?", (json_text(since) if since is not None else '"',)
        if before is not None:
            yield f"{_of(field, place)} < ?", (json_text(before),)


def _of(field: str, place: str) -> str:
    return f"{place if field == CREATED_AT else 'r'}.{column(field)}"


def _behind(query: Query, place: str, after: Place | None) -> Iterator[tuple[str, tuple[str, ...]]]:
    if after is not None:
        created = json_text(after.created_at) if after.created_at else ""
        sign = "<" if query.newest_first else ">"
        yield (
            f"({place}.created, {place}.record_id) {sign} (?, ?)",
            (created, after.record_id),
        )
