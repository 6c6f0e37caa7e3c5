"""From a URL to the journal or store that it names."""

import importlib.util
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from grove_sm.commit.contract import Journal, Participant
from grove_sm.domain.errors import GroveError, StoreUnavailable, ValidationError
from grove_sm.journal.memory import MemoryJournal, MemoryJournalData
from grove_sm.journal.sqlite import SQLiteJournal
from grove_sm.stores.memory import MemoryStore, Tables
from grove_sm.stores.sqlite import SQLiteStore
from grove_sm.urls import hide_secrets

if TYPE_CHECKING:
    from grove_sm.nexus.url import NexusUrl
    from grove_sm.postgres.url import PostgresUrl

_SQLITE: Final = "sqlite:///"
_MEMORY: Final = "memory://"
_POSTGRES: Final = ("postgresql://", "postgres://")
_NEXUS: Final = ("nexus+http://", "nexus+https://")

_memory_stores: defaultdict[str, tuple[Tables, threading.RLock]] = defaultdict(
    lambda: ({}, threading.RLock())
)
_memory_journals: defaultdict[str, MemoryJournalData] = defaultdict(MemoryJournalData)


def check_urls(journal: str, stores: Mapping[str, str], base: Path) -> None:
    """Raise what opening these would for a URL that cannot be opened, before a file is made."""
    for field, url in {"journal": journal, **{f"stores.{c}": u for c, u in stores.items()}}.items():
        if url.startswith(_SQLITE):
            _file(url, base, field)
        elif url.startswith(_POSTGRES):
            _postgres(url, field)
        elif url.startswith(_NEXUS) and field != "journal":
            _nexus(url, field)
        elif not url.startswith(_MEMORY):
            raise _unknown_kind(field, url)


def open_journal(
    url: str,
    base: Path,
    *,
    opened_at: str,
    busy_timeout: float,
    clock: Callable[[], str] | None = None,
) -> Journal:
    """The journal that a URL names.

    Args:
        url: `sqlite:///FILE`, `postgresql://USER@HOST:PORT/DATABASE?schema=NAME` or
            `memory://NAME`.
        base: the folder that a relative file is relative to.
        opened_at: the time now.
        busy_timeout: seconds to wait for another process that is deciding, and for an answer.
        clock: the time whenever something happens there, for operators to read.

    Raises ValidationError for another kind of URL, StoreUnavailable or Corrupt.
    """
    if url.startswith(_SQLITE):
        path = _file(url, base, "journal")
        return SQLiteJournal(path, opened_at=opened_at, clock=clock, busy_timeout=busy_timeout)
    if url.startswith(_POSTGRES):
        place = _postgres(url, "journal")
        from grove_sm.journal.postgres import PostgresJournal

        return PostgresJournal(place, opened_at=opened_at, clock=clock, timeout=busy_timeout)
    if url.startswith(_MEMORY):
        data = MemoryJournalData() if url == _MEMORY else _memory_journals[url]
        return MemoryJournal(url, data, patience=busy_timeout, opened_at=opened_at, clock=clock)
    raise _unknown_kind("journal", url)


def open_stores(
    urls: Mapping[str, str], base: Path, *, busy_timeout: float
) -> dict[str, Participant]:
    """The store of each collection; one and the same object for those that share a place.

    Raises as `open_journal`; whatever was opened before that is closed again.
    """
    opened: dict[str, Participant] = {}
    stores: dict[str, Participant] = {}
    try:
        for collection, url in urls.items():
            place, open_store = _store(collection, url, base, busy_timeout)
            if place not in opened:
                opened[place] = open_store()
            stores[collection] = opened[place]
    except BaseException:
        for store in opened.values():
            store.close()
        raise
    return stores


def open_reachable(
    urls: Mapping[str, str], base: Path, *, busy_timeout: float
) -> dict[str, Participant | GroveError]:
    """As `open_stores`, but each on its own, and none is made: why not, for one that cannot be."""
    opened: dict[str, Participant | GroveError] = {}
    for collection, url in urls.items():
        try:
            if url.startswith(_SQLITE):
                path = _file(url, base, f"stores.{collection}")
                if not path.exists():
                    raise StoreUnavailable(store=f"{_SQLITE}{path}", reason="there is no such file")
            opened |= open_stores({collection: url}, base, busy_timeout=busy_timeout)
        except GroveError as error:
            opened[collection] = error
    return opened


def sqlite_path(url: str, base: Path, field: str) -> Path | None:
    """The file of a SQLite URL; None for another kind.

    Raises ValidationError if it names none, StoreUnavailable if that has no folder.
    """
    return _file(url, base, field) if url.startswith(_SQLITE) else None


def postgres_place(url: str, field: str) -> "PostgresUrl | None":
    """What a PostgreSQL URL says; None for another kind.

    Raises ValidationError, also if the driver is not installed.
    """
    return _postgres(url, field) if url.startswith(_POSTGRES) else None


def _store(
    collection: str, url: str, base: Path, busy_timeout: float
) -> tuple[str, Callable[[], Participant]]:
    if url.startswith(_SQLITE):
        path = _file(url, base, f"stores.{collection}")
        return str(path), lambda: SQLiteStore(path, busy_timeout=busy_timeout)
    if url.startswith(_POSTGRES):
        place = _postgres(url, f"stores.{collection}")
        from grove_sm.stores.postgres import PostgresStore

        return place.name, lambda: PostgresStore(place, timeout=busy_timeout)
    if url.startswith(_NEXUS):
        zone = _nexus(url, f"stores.{collection}")
        from grove_sm.stores.nexus import NexusStore

        return zone.name, lambda: NexusStore(zone, timeout=busy_timeout)
    if url == _MEMORY:
        # Private, so each collection has one of its own.
        return f"{url}#{collection}", lambda: MemoryStore(
            f"{url}#{collection}", {}, threading.RLock()
        )
    if url.startswith(_MEMORY):
        return url, lambda: MemoryStore(url, *_memory_stores[url])
    raise _unknown_kind(f"stores.{collection}", url)


def _file(url: str, base: Path, field: str) -> Path:
    name = url.removeprefix(_SQLITE)
    if not name or "\0" in name:
        raise ValidationError(
            field=field, rule="must name a file, as sqlite:///grove.db", value=url
        )
    path = (base / name).absolute()
    if not path.parent.is_dir():
        raise StoreUnavailable(store=url, reason=f"the folder {path.parent} does not exist")
    return path.parent.resolve() / path.name


def _postgres(url: str, field: str) -> "PostgresUrl":
    _need(("psycopg", "psycopg_pool"), "the PostgreSQL driver", "postgres", url, field)
    from grove_sm.postgres.url import PostgresUrl

    return PostgresUrl.parse(url, setting=field)


def _nexus(url: str, field: str) -> "NexusUrl":
    _need(("httpx",), "an HTTP client", "nexus", url, field)
    from grove_sm.nexus.url import NexusUrl

    return NexusUrl.parse(url, setting=field)


def _need(modules: Iterable[str], what: str, extra: str, url: str, field: str) -> None:
    """Raise ValidationError if a kind of place cannot be used without an extra."""
    if not all(importlib.util.find_spec(name) for name in modules):
        raise ValidationError(
            field=field,
            rule=f"needs {what}; install it with: pip install 'grove-sm[{extra}]'",
            value=hide_secrets(url),
        )


def _unknown_kind(field: str, url: str) -> ValidationError:
    kinds = [_SQLITE, _POSTGRES[0], *(() if field == "journal" else _NEXUS)]
    rule = f"must begin with {', '.join(kinds)} or {_MEMORY}"
    return ValidationError(field=field, rule=rule, value=hide_secrets(url))
