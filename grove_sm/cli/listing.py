"""What commands that list records have in common: their options, and how a page is printed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from grove_sm.cli.output import Column, write_json, write_line, write_records

if TYPE_CHECKING:
    from grove_sm.views import Page

Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="Only those created then or later."),
]
Before = Annotated[
    str | None,
    typer.Option("--before", metavar="TIME", help="Only those created before then."),
]
Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TAG", help="Only with this tag; repeatable, for all of them."),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", metavar="N", help="Show at most so many, and how to go on from there."),
]
Cursor = Annotated[
    str | None,
    typer.Option("--cursor", metavar="NEXT", help="Go on from where an earlier page has ended."),
]
NewestFirst = Annotated[
    bool, typer.Option("--newest-first", help="The newest first, instead of the oldest.")
]
Count = Annotated[bool, typer.Option("--count", help="Show how many there are instead of which.")]

_TOTAL: Final = "total"
_COUNT_COLUMNS: Final = (
    Column("", lambda row: row[0]),
    Column("how many", lambda row: row[1]),
)


def write_list(
    view: Any,
    filters: Mapping[str, Any],
    *,
    newest_first: bool,
    limit: int | None,
    cursor: str | None,
    count: bool,
    columns: Sequence[Column],
    none: str,
    as_json: bool,
) -> None:
    """Print the records of a view that filters ask for, or how many there are.

    Raises ValidationError, and whatever the view does.
    """
    if not count:
        page = view.list(newest_first=newest_first, limit=limit, cursor=cursor, **filters)
        write_page(page, columns, none=none, as_json=as_json)
        return
    require_alone("--count", {"--limit": limit, "--cursor": cursor})
    write_counts(view.counts(**filters), none=none, as_json=as_json)


def write_page(page: "Page[Any]", columns: Sequence[Column], *, none: str, as_json: bool) -> None:
    """Print a page as a table, or as one JSON document: `records`, and `next` if more follow."""
    if as_json:
        more = {} if page.next is None else {"next": page.next}
        write_json({"records": list(page), **more})
        return
    write_records(page, columns, as_json=False, none=none)
    if page.next is not None:
        write_line(f"more follow: --cursor {page.next}")


def write_counts(counts: Mapping[str, int], *, none: str, as_json: bool) -> None:
    """Print counts by name, and their sum."""
    total = sum(counts.values())
    if as_json:
        write_json({_TOTAL: total, "counts": counts})
    elif not total:
        write_line(none)
    else:
        rows = [(name or "(none)", number) for name, number in counts.items()]
        write_records([*rows, (_TOTAL, total)], _COUNT_COLUMNS, as_json=False, none=none)


def require_alone(option: str, others: Mapping[str, object]) -> None:
    """Raise ValidationError for an option that another one does not go with."""
    from grove_sm.domain.errors import ValidationError

    for other, value in others.items():
        if value:
            raise ValidationError(field=option, rule=f"must not come with {other}", value=value)
