"""A grove's settings survive a power cut as its records do."""

import os
from pathlib import Path

import pytest

from grove_sm.settings import FILE_NAME, TEMPLATE, write_template


def test_new_settings_are_forced_with_every_new_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[os.stat_result] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: forced.append(os.fstat(descriptor)))
    folder = tmp_path / "made" / "grove"
    write_template(folder)
    places = (folder / FILE_NAME, folder, tmp_path / "made", tmp_path)
    assert [found.st_ino for found in forced] == [place.stat().st_ino for place in places]
    assert forced[0].st_size == len(TEMPLATE.encode())
