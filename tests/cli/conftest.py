"""A grove that was made by the command line."""

from pathlib import Path

import pytest

from tests.cli.running import Commands


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """Commands on a new grove with the default settings."""
    made = Commands(tmp_path / "grove")
    made.run("init", str(made.folder), grove=False)
    return made


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as wide as they want, whatever the tests are run in."""
    monkeypatch.delenv("COLUMNS", raising=False)
