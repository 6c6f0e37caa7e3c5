"""Where these tests work."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

_RAM: Final = "/dev/shm"  # noqa: S108 - nothing is kept there


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory, where there is such a thing: nothing here is about disks."""
    with tempfile.TemporaryDirectory(dir=_RAM if os.path.isdir(_RAM) else None) as name:
        yield Path(name)
