"""The library writes nothing outside its journal and stores, and prints nothing."""

from pathlib import Path

import pytest

from .programs import run


def test_a_session_writes_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    inside = tmp_path / "grove"
    inside.mkdir()
    for name in ("HOME", "TMPDIR", "TMP", "TEMP", "SQLITE_TMPDIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(outside))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert run("confined", inside, outside) in {"landlock\n", "watched\n"}
    assert list(outside.iterdir()) == []
    assert {path.name for path in inside.iterdir()} == {
        "grove.toml",
        "journal.db",
        "journal.db-coordinators",
        "stores.db",
    }
    assert {path.name for path in tmp_path.iterdir()} == {"outside", "grove"}
