"""From a URL to what is there, for whoever only looks."""

import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from grove_sm.connect import open_stores, postgres_place, sqlite_path
from grove_sm.doctor.journal_view import JournalView
from grove_sm.doctor.sqlite_view import SQLiteView, view_file
from grove_sm.domain.errors import StoreUnavailable, ValidationError
from grove_sm.journal.liveness import Liveness
from grove_sm.journal.schema import FORMAT as JOURNAL_FORMAT
from grove_sm.operations.plan import Get, Scanned
from grove_sm.stores.reading import SQLiteReads
from grove_sm.stores.schema import FORMAT as STORES_FORMAT

Scanner = Callable[[str], Sequence[Scanned]]


class Found(NamedTuple):
    """What is at a URL.

    Attributes:
        format: of what is there; None for a kind without one.
        newest_format: the one that this version writes.
        is_stale: whether it may have changed while it was looked at.
    """

    format: int | None
    newest_format: int | None
    is_stale: Callable[[], bool] = lambda: False

    @property
    def is_old(self) -> bool:
        """Whether it is of an earlier version, and cannot be read as it is."""
        return self.format != self.newest_format


def free_bytes(url: str, base: Path) -> int | None:
    """How much room is left on the disk of a file; None for what is no file here."""
    try:
        path = sqlite_path(url, base, "url")
        return None if path is None else shutil.disk_usage(path.parent).free
    except (OSError, ValidationError, StoreUnavailable):
        return None


@contextmanager
def view_journal(
    url: str, base: Path, busy_timeout: float
) -> Iterator[tuple[Found, JournalView | None]]:
    """A journal as it is at one moment; without a view of it, if its format is an earlier one, or
    it keeps nothing that others could see.

    Raises ValidationError, StoreUnavailable or Corrupt.
    """
    path, place = sqlite_path(url, base, "journal"), postgres_place(url, "journal")
    if path is not None:
        with view_file(path, busy_timeout) as file:
            file.check()
            found = _checked(file, "journal", JOURNAL_FORMAT)
            view = JournalView(file.name, file.connection, file.errors, _living(path))
            yield found, None if found.is_old else view
    elif place is not None:
        from grove_sm.doctor.postgres_view import view_journal_schema

        with view_journal_schema(place, busy_timeout) as seen:
            yield seen
    else:
        yield Found(None, None), None


@contextmanager
def view_store(
    collection: str, url: str, base: Path, busy_timeout: float
) -> Iterator[tuple[Found, Scanner | None]]:
    """A store as it is at one moment: what goes through a collection, as `Snapshot.scan` does.

    Without that if its format is an earlier one. Raises as `view_journal`.
    """
    field = f"stores.{collection}"
    path, place = sqlite_path(url, base, field), postgres_place(url, field)
    if path is not None:
        with view_file(path, busy_timeout) as file:
            found = _checked(file, "stores", STORES_FORMAT)
            reads = SQLiteReads(file, file.connection)
            yield found, None if found.is_old else reads.scan
    elif place is not None:
        from grove_sm.doctor.postgres_view import view_store_schema

        with view_store_schema(place, busy_timeout) as seen:
            yield seen
    else:
        (store,) = open_stores({collection: url}, base, busy_timeout=busy_timeout).values()
        with closing(store), store.snapshot() as snapshot:
            # So that it has answered.
            snapshot.read(Get(collection, collection))
            yield Found(None, None), snapshot.scan


def check_format(name: str, component: str, found: int, newest: int) -> None:
    """Raises StoreUnavailable if there is nothing, ValidationError for a newer format."""
    if not found:
        raise StoreUnavailable(store=name, reason=f"there is no {component} of a grove in it")
    if found > newest:
        raise ValidationError(
            field=name,
            rule=f"its {component} format must be at most {newest}, the newest that this version "
            "of grove-sm can read; install a newer grove-sm",
            value=found,
        )


def _checked(file: SQLiteView, component: str, newest: int) -> Found:
    format_ = file.format(component)
    check_format(file.name, component, format_, newest)
    return Found(format_, newest, lambda: file.is_stale)


def _living(journal: Path) -> Callable[[Collection[int]], Collection[int]]:
    """Asks the locks of a journal's coordinators, of which there are none before the first."""

    def living(coordinators: Collection[int]) -> Collection[int]:
        if not Liveness.path_of(journal).exists():
            return ()
        with closing(Liveness(journal)) as liveness:
            return [number for number in coordinators if liveness.is_alive(number)]

    return living
