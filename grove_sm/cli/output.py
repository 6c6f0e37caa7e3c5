"""What commands print: tables for people, one JSON document for programs.

Records may hold anything that agents wrote. Nothing of it reaches a terminal as a control
sequence or as markup.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import typer

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH_WITHOUT_TERMINAL: Final = 100_000
_WIDTH_OF_CUT: Final = 14


class Column(NamedTuple):
    """A column of a table: its title, what it shows of a row, and whether a narrow terminal may
    cut it short. What must be read or copied whole is folded instead."""

    title: str
    show: Callable[[Any], object]
    may_be_cut: bool = False


def plain(value: object) -> str:
    """A value's text in one line, with everything that is not printable escaped."""
    text = "" if value is None else str(value)
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def to_json_value(value: object) -> Any:
    """A record, a result, a report or an error as JSON values, under camelCase names, absent ones
    left out."""
    from pydantic.alias_generators import to_camel

    from grove_sm.domain import Record
    from grove_sm.domain.errors import GroveError

    if isinstance(value, Record | GroveError):
        return value.to_document()
    if is_dataclass(value):
        members = {to_camel(f.name): getattr(value, f.name) for f in fields(value)}
        return {name: to_json_value(item) for name, item in members.items() if item is not None}
    if isinstance(value, Mapping):
        return {name: to_json_value(item) for name, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [to_json_value(item) for item in value]
    return value


def write_json(value: object, *, to_stderr: bool = False) -> None:
    """Print one JSON document, in ASCII, whatever the terminal's encoding."""
    typer.echo(json.dumps(to_json_value(value), indent=2), err=to_stderr)


def write_json_line(value: object) -> None:
    """Print one of many JSON documents, each in a line of its own."""
    typer.echo(json.dumps(to_json_value(value)))


def write_line(text: str, *, to_stderr: bool = False) -> None:
    """Print a line for people."""
    typer.echo(plain(text), err=to_stderr)


def write_records(
    records: Sequence[object], columns: Sequence[Column], *, as_json: bool, none: str
) -> None:
    """Print records as a table, or as a JSON list; for people `none` says that there are none."""
    if as_json:
        write_json(records)
    elif not records:
        write_line(none)
    else:
        _write_table(records, columns)


def write_result(
    result: object,
    facts: Iterable[tuple[str, object]],
    *,
    as_json: bool,
    to_stderr: bool = False,
) -> None:
    """Print a result as one JSON document, or what it says as facts."""
    if as_json:
        write_json(result, to_stderr=to_stderr)
    else:
        write_facts(facts, to_stderr=to_stderr)


def write_facts(facts: Iterable[tuple[str, object]], *, to_stderr: bool = False) -> None:
    """Print names with their values, one a line; those without a value are left out."""
    shown = [(name, plain(value)) for name, value in facts if value is not None]
    width = max(len(name) for name, _ in shown)
    for name, value in shown:
        typer.echo(f"{name:<{width}}  {value}", err=to_stderr)


def write_error(document: Mapping[str, Any], *, as_json: bool) -> None:
    """Print an error (`GroveError.to_document`) to stderr."""
    if as_json:
        typer.echo(json.dumps(document, indent=2), err=True)
    else:
        write_line(f"grove-sm: {document['message']}", to_stderr=True)


def make_console(*, to_stderr: bool = False) -> "Console":
    """A console that takes text as it is. Where there is no terminal, no line is too long."""
    from rich.console import Console

    console = Console(stderr=to_stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH_WITHOUT_TERMINAL
    return console


def _write_table(records: Iterable[object], columns: Sequence[Column]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        cut = column.may_be_cut
        table.add_column(column.title, overflow="ellipsis" if cut else "fold", no_wrap=cut)
    for record in records:
        table.add_row(*(plain(column.show(record)) for column in columns))
    console = make_console()
    if table.__rich_measure__(console, console.options).minimum > console.width:
        for column, shown in zip(columns, table.columns, strict=True):
            shown.max_width = _WIDTH_OF_CUT if column.may_be_cut else None
    console.print(table)
