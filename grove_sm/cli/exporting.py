"""The command that exports a grove."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from grove_sm.cli.options import HERE, AsJson, GroveFolder, open_grove
from grove_sm.cli.output import make_console, write_result

if TYPE_CHECKING:
    from grove_sm.results import Exported, Restored


def export(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where to; - for standard output.")],
    *,
    grove: GroveFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Write all that a grove holds to a file, as of one moment, for grove-sm import.

    JSON lines; the same records make the same bytes. The file stands there once it is whole, and
    replaces an earlier export, but no other file. Outcomes, idempotency keys and the settings are
    no part of it. With - the report goes to standard error.
    """
    is_stream = file == "-"
    target: str | BinaryIO = sys.stdout.buffer if is_stream else file
    with open_grove(grove) as opened, _progress(is_shown=not as_json) as on_line:
        exported = opened.export(target, on_line=on_line)
    if is_stream:
        sys.stdout.buffer.flush()
    facts = [("exported to", "standard output" if is_stream else file), *export_facts(exported)]
    write_result(exported, facts, as_json=as_json, to_stderr=is_stream)


def export_facts(of: "Exported | Restored") -> list[tuple[str, object]]:
    """What an export holds."""
    return [
        *((name, number) for name, number in of.records.items() if number),
        ("deleted records", of.deleted or None),
        ("sha256", of.sha256),
    ]


@contextmanager
def _progress(*, is_shown: bool) -> Iterator[Callable[[int, int], object]]:
    """A bar on stderr, where that is a terminal; it moves once the records have been read."""
    console = make_console(to_stderr=True)
    if not (is_shown and console.is_terminal):
        yield lambda _, __: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("exporting"), BarColumn(), MofNCompleteColumn(), TextColumn("lines"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
