"""The report of a search: one page that needs nothing else."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from grove_sm.lifecycles import LIFECYCLES
from stateful_tests.fuzz import lifecycle_picture, sequence_picture
from stateful_tests.fuzz.coverage import (
    Cell,
    cells,
    columns,
    covered,
    effects,
    possible_cells,
    side_of,
)
from stateful_tests.fuzz.failures import Failure
from stateful_tests.fuzz.summary import Summary, cell_counts, rate, shown_time
from stateful_tests.fuzz.svg import heat
from stateful_tests.tally import Tally

_FOLDER: Final = Path(__file__).parent
_TEMPLATE: Final = "report.html.j2"


class _Field(NamedTuple):
    """A cell of a table: how often it happened, how that stands out, and what it is of."""

    times: int
    standing: Literal["met", "missed", "impossible", "unaimed"]
    heat: float
    hint: str


class _Row(NamedTuple):
    effect: str
    fields: Sequence[_Field]


class _Table(NamedTuple):
    operation: str
    rows: Sequence[_Row]
    met: int
    can: int


def write(summary: Summary, path: Path) -> None:
    """Write the page. Raises OSError."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    tally = summary.progress.tally
    page = environment.get_template(_TEMPLATE).render(
        summary=summary,
        document=summary.to_document(),
        elapsed=shown_time(summary.progress.seconds),
        rate=rate(summary.progress),
        cells_met=cell_counts(summary.progress),
        lifecycles=[
            (lifecycle.name, covered(tally)[lifecycle.name], Markup(drawn))  # noqa: S704 - ours
            for lifecycle in LIFECYCLES
            for drawn in [lifecycle_picture.draw(lifecycle, tally)]
        ],
        kinds=[(kind, side_of(kind)) for kind in _kinds(tally)],
        tables=list(_tables(tally)),
        failures=[
            (
                path.name,
                failure,
                Markup(sequence_picture.draw(failure.events)),  # noqa: S704 - escaped piece by piece
                replay_command(failure, path),
            )
            for failure, path in summary.progress.failures
        ],
    )
    path.write_text(page)


def replay_command(failure: Failure, path: Path) -> str:
    """What has a failure happen again, from where the search was run."""
    words = ["grove-sm", "fuzz", "--replay", str(path)]
    if failure.planted is not None:
        words += ["--plant", failure.planted]
    return shlex.join(words)


def _kinds(tally: Tally) -> Sequence[str]:
    """The columns: drawn kinds, by where they strike, then those that have places of their own."""
    order = ("before", "after", None)
    drawn = sorted(columns(), key=lambda kind: order.index(side_of(kind)))
    others = sorted({cell.kind for cell in cells(tally)} - set(drawn))
    return [*drawn, *others]


def _tables(tally: Tally) -> Iterator[_Table]:
    counts, can = cells(tally), possible_cells(tally)
    most = max(counts.values(), default=1)
    kinds = _kinds(tally)
    for operation, names in effects(tally).items():
        rows = []
        for effect in names:
            fields = []
            for kind in kinds:
                cell = Cell(operation, effect, kind)
                count = counts.get(cell, 0)
                fields.append(_field(cell, count, most, can))
            rows.append(_Row(effect, fields))
        mine = {cell for cell in can if cell.operation == operation}
        yield _Table(operation, rows, len(mine & counts.keys()), len(mine))


def _field(cell: Cell, count: int, most: int, can: frozenset[Cell]) -> _Field:
    hint = f"{cell.operation}, {cell.effect}: {cell.kind}"
    if count:
        return _Field(count, "met", round(heat(count, most), 2), f"{hint}: {count:,} times")
    if cell in can:
        return _Field(0, "missed", 0.0, f"{hint}: can happen, did not")
    if cell.kind not in columns():
        return _Field(0, "unaimed", 0.0, f"{hint}: did not happen")
    return _Field(0, "impossible", 0.0, f"{hint}: cannot happen")
