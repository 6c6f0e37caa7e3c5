"""Stores in zones of a Nexus server: a stand-in in this process, or the real one if asked for."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tests.kinds.kind import Kind, StorePlace


def _place(folder: Path, name: str) -> StorePlace:
    # Who has no HTTP client can use every other kind.
    from tests.kinds.nexus_place import new_place

    return new_place()


def _missing() -> str:
    return "" if find_spec("httpx") else "no httpx: pip install 'grove-sm[nexus]'"


NEXUS: Final = Kind("nexus", _place, is_quick=False, histories=0.02, missing=_missing)
