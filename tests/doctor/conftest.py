"""What the command line's tests share, and a grove to be looked at."""

from pathlib import Path

import pytest

from tests.cli.prepared import prepare
from tests.cli.running import Commands, wide

__all__ = ["wide"]


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """Commands on a grove that holds something of everything."""
    made = Commands(tmp_path / "grove")
    prepare(made.folder)
    return made
