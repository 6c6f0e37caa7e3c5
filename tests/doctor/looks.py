"""Looks at a grove, and what they find."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from grove_sm.doctor import Examination, Finding, examine
from grove_sm.settings import FILE_NAME, TEMPLATE


@contextmanager
def untouched(folder: Path) -> Iterator[None]:
    """Nothing in a folder is made, changed or removed; but SQLite's index of a log."""

    def state() -> dict[str, bytes]:
        found = [path for path in folder.rglob("*") if not path.name.endswith("-shm")]
        return {str(path): path.read_bytes() for path in found if path.is_file()}

    before = state()
    yield
    assert state() == before


def look(folder: Path, **options: Any) -> Examination:
    with untouched(folder):
        return examine(folder, **options)


def problem(found: Examination) -> Finding:
    """The only problem."""
    assert not found.ok
    (only,) = [finding for finding in found.findings if finding.is_problem]
    return only


def set_stores(folder: Path, **stores: str) -> None:
    """Have collections in other places."""
    text = TEMPLATE
    for collection, url in stores.items():
        text = text.replace(f'{collection} = "sqlite:///stores.db"', f'{collection} = "{url}"')
    (folder / FILE_NAME).write_text(text)
