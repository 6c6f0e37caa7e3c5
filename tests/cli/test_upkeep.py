"""Commands that make, recover and check groves, and tell what the journal holds."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from grove_sm.commit.record import make_entry
from grove_sm.commit.txid import make_txid
from grove_sm.connect import open_journal
from grove_sm.operations.plan import Facts, make_plan
from tests.cli.running import Commands, abandon
from tests.groves import NOW


def test_init_makes_the_files_and_refuses_a_folder_that_is_a_grove(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "grove"
    commands = Commands(folder)
    assert f"{folder} is a grove now" in commands.run("init", str(folder), grove=False).stdout
    assert {"grove.toml", "journal.db", "stores.db"} <= {file.name for file in folder.iterdir()}
    settings = (folder / "grove.toml").read_text()
    refused = commands.run("init", str(folder), grove=False, status=4)
    assert refused.stderr == (
        f"grove-sm: {folder}: it is a grove already; its settings are in {folder}/grove.toml\n"
    )
    assert (folder / "grove.toml").read_text() == settings


def test_init_takes_a_folder_with_other_files_but_no_file(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    Commands(tmp_path).run("init", str(tmp_path), grove=False)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    file = tmp_path / "notes.txt"
    assert (
        "FOLDER must not be a file"
        in Commands(file).run("init", str(file), grove=False, status=2).stderr
    )


def test_init_that_fails_leaves_no_settings_behind(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"something else entirely" * 100)
    Commands(tmp_path).run("init", str(tmp_path), grove=False, status=7)
    assert not (tmp_path / "grove.toml").exists()


@pytest.mark.parametrize("command", [("audit",), ("journal", "ls"), ("import", "-")])
def test_a_folder_that_is_no_grove_is_never_made_one(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    for folder in (tmp_path, tmp_path / "typo"):
        refused = Commands(folder).run(*command, status=2)
        assert "grove-sm init FOLDER" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_grove_is_that_of_the_environment_or_the_current_folder(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands.contribute("here")
    monkeypatch.chdir(commands.folder)
    assert "here" in commands.run("contributions", grove=False).stdout
    monkeypatch.chdir(tmp_path)
    commands.run("contributions", grove=False, status=2)
    monkeypatch.setenv("GROVE_FOLDER", str(commands.folder))
    assert "here" in commands.run("contributions", grove=False).stdout


def test_recover_tells_what_it_finished(commands: Commands) -> None:
    txid = abandon(commands)
    assert commands.json("recover") == {
        "rolledForward": [txid],
        "rolledBack": [],
        "inDoubt": [],
        "corrupt": [],
    }
    assert commands.run("recover").stdout == "nothing was unfinished\n"
    txid = abandon(commands)
    assert commands.run("recover").stdout.splitlines()[-1].split() == ["rolled", "forward", txid]


def test_a_transaction_without_a_decision_is_undecided_until_its_coordinator_dies(
    commands: Commands,
) -> None:
    url = "sqlite:///journal.db"
    journal = open_journal(url, commands.folder, opened_at=NOW, busy_timeout=5.0)
    txid = make_txid(datetime.now(UTC), journal.coordinator, "0")
    plan = make_plan("claim", Facts({}), writes=(), keys=("target:t",), result={})
    entry = make_entry(plan, txid=txid, coordinator=journal.coordinator, created_at=NOW)
    held = journal.hold(entry, one_append=False)
    held.__enter__()
    assert commands.json("outcome", txid, status=6)["outcome"] == "undecided"
    assert commands.json("recover")["rolledBack"] == []
    story = commands.json("journal", "show", txid)
    assert story["state"] == "planned"
    assert (story["outcome"], story["holdsKeys"]) == ("undecided", True)
    assert (story["coordinatorLives"], story["keys"]) == (True, ["target:t"])
    journal.close()
    assert commands.json("journal", "show", txid)["coordinatorLives"] is False
    assert commands.json("recover")["rolledBack"] == [txid]
    assert commands.json("outcome", txid)["outcome"] == "aborted"
    assert commands.json("journal", "show", txid)["outcome"] == "aborted"


def test_damage_is_told_once_and_by_exit_status(commands: Commands) -> None:
    txid = abandon(commands)
    with sqlite3.connect(commands.folder / "journal.db") as journal:
        journal.execute("UPDATE transactions SET redo = replace(redo, 'last', 'lost')")
    report = commands.json("recover", status=8)
    assert report["inDoubt"] == [txid]
    assert len(report["corrupt"]) == 1
    shown = commands.run("recover", status=8)
    assert shown.stderr.count("is corrupt: its checksum does not match") == 1
    assert commands.error("contributions", status=7)["code"] == "CORRUPT"
    story = commands.json("journal", "show", txid)
    assert "its checksum does not match" in story["damage"]
    assert story["writes"][0]["collection"] == "contributions"


def test_audit_tells_violations_by_exit_status(commands: Commands) -> None:
    commands.contribute("whole")
    assert commands.run("audit").stdout == "2 records checked, no violations\n"
    assert commands.json("audit") == {"ok": True, "checked": 2, "violations": []}
    with sqlite3.connect(commands.folder / "stores.db") as stores:
        stores.execute("DELETE FROM handoffs")
    report = commands.json("audit", status=8)
    assert report["ok"] is False
    assert report["violations"]
    for violation in report["violations"]:
        assert set(violation) == {"rule", "records", "found"}
    shown = commands.run("audit", status=8).stdout
    assert report["violations"][0]["rule"] in shown


def test_a_store_that_cannot_be_used_has_its_exit_status(commands: Commands) -> None:
    for file in commands.folder.glob("stores.db*"):
        file.unlink()
    (commands.folder / "stores.db").mkdir()
    error = commands.error("claims", status=5)
    assert error["code"] == "STORE_UNAVAILABLE"
    assert "stores.db" in error["facts"]["store"]
