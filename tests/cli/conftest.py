"""A grove that was made by the command line."""

from pathlib import Path

import pytest

from tests.cli.running import Commands, wide

__all__ = ["wide"]


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """Commands on a new grove with the default settings."""
    made = Commands(tmp_path / "grove")
    made.run("init", str(made.folder), grove=False)
    return made
