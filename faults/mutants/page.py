"""The table of results as it stands in a page of docs/."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from faults.mutants.layers import LAYERS
from faults.mutants.mutant import mutants
from faults.mutants.results import Result, headings, row

_BEGIN: Final = "<!-- written by: make mutants WRITE=docs/mutants.md -->"
_END: Final = "<!-- until here -->"
_PLACE: Final = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
_ROW: Final = re.compile(r"^\| `([\w-]+)`: .*$", re.MULTILINE)
_CAUGHT: Final = re.compile(r"\| [\d,]+ ")


class Page:
    """A page with a place for the table.

    Args:
        path: its file.

    Raises ValueError, which says what is missing, if there is no such place.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if not _PLACE.search(self._text):
            raise ValueError(f"{path} has no place for the table: the lines {_BEGIN} and {_END}")

    def write(self, results: Sequence[Result]) -> None:
        """Put the results into the table, each where its mutant meets its layer; the others stay.

        A table of other layers is not gone on with.
        """
        lines = (_BEGIN, "", *self._table(results), "", _END)
        text = _PLACE.sub(lambda _: "\n".join(lines), self._text)
        self._path.write_text(text, encoding="utf-8")

    def _table(self, results: Sequence[Result]) -> Iterator[str]:
        first, *others = headings(LAYERS)
        heading = _row([f"{first}: the defect", *others])
        known = {match[1]: match[0] for match in _ROW.finditer(self._text)}
        rows = known if heading in self._text.splitlines() else {}
        told = [each for each in results if each.mutant is not None and not each.trouble]
        rows |= {each.name: _mutants_row(each, rows.get(each.name)) for each in told}
        shown = [rows[each.name] for each in mutants() if each.name in rows]
        caught = sum(bool(_CAUGHT.search(line)) for line in shown)
        left = len(mutants()) - len(shown)
        missing = f"; {left} are not in the table yet" if left else ""
        yield f"{caught} of {len(shown)} are caught{missing}:"
        yield ""
        yield heading
        yield _row(["---"] * (len(others) + 1))
        yield from shown


def _mutants_row(result: Result, known: str | None) -> str:
    """What is known of a mutant, with what these layers have made of it now."""
    assert result.mutant is not None
    name, promises, *cells = row(result, LAYERS)
    if known is not None:
        before = _cells(known)[-len(LAYERS) :]
        cells = [now or then for now, then in zip(cells, before, strict=True)]
    return _row([f"`{name}`: {result.mutant.defect}", promises, *cells])


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
