"""An examination: what it tells of groves in every state, and that it changes nothing."""

import os
import shutil
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from grove_sm import Grove
from grove_sm.commit.txid import make_txid
from grove_sm.doctor import examine
from grove_sm.operations.plan import Write
from grove_sm.settings import FILE_NAME
from grove_sm.stores.sqlite import SQLiteStore
from tests.cli.running import Commands, abandon
from tests.conformance.places import entry
from tests.groves import CODER, SPONSOR
from tests.test_upgrade import FORMATS, make_earlier

from .looks import look, problem, set_stores


def test_all_is_well(commands: Commands) -> None:
    found = look(commands.folder)
    assert found.ok
    assert found.findings == ()
    assert found.audit is not None
    assert found.audit.checked > 40
    assert found.audit.ok
    assert found.journal is not None
    places = [found.journal, *found.stores]
    assert [(place.role, place.format) for place in places] == [
        ("journal", 2),
        ("contributions, handoffs, claims, bounties, credits", 3),
    ]
    assert all(place.is_reachable and place.seconds and place.free_bytes for place in places)
    assert (found.coordinators, found.unfinished, found.heuristics) == ((), (), 0)
    assert not list(commands.folder.glob("*-shm"))

    document = commands.json("doctor")
    assert document["ok"] is True
    assert document["inDoubt"] == {"count": 0}
    assert document["versions"]["sqlite"] == sqlite3.sqlite_version
    shown = commands.run("doctor").stdout
    assert "all is well" in shown
    assert f"Python {document['versions']['python']}" in shown
    assert "coder -> reviewer; reviewer -> coder" in shown


def test_who_has_it_open_is_told(commands: Commands) -> None:
    with Grove.open(commands.folder) as grove:
        grove.contribute(kind="work", summary="s", agent=CODER)
        found = examine(commands.folder)
        assert found.ok
        (coordinator,) = found.coordinators
        assert coordinator.process == os.getpid()
        assert coordinator.coordinator == grove.coordinator.journal.coordinator
        assert f"process {os.getpid()} on " in commands.run("doctor").stdout
    assert examine(commands.folder).coordinators == ()


@pytest.mark.parametrize("applied", [False, True])
def test_what_a_process_left_is_told_and_not_finished(commands: Commands, applied: bool) -> None:
    txid = abandon(commands, applied=applied)
    found = look(commands.folder)
    finding = problem(found)
    assert finding.what.startswith("1 transactions were left unfinished by processes that are gone")
    assert finding.next == "finish what they left with: grove-sm recover"
    (unfinished,) = found.unfinished
    assert (unfinished.txid, unfinished.coordinator_lives) == (txid, False)
    assert unfinished.process == os.getpid()
    # As its readers will see it.
    assert found.audit is not None
    assert found.audit.ok

    document = commands.json("doctor", status=8)
    assert document["inDoubt"]["count"] == len(found.in_doubt)
    assert txid in commands.run("doctor", status=8).stdout
    commands.run("recover")
    assert look(commands.folder).ok


def test_a_live_process_that_does_not_decide_is_told(commands: Commands) -> None:
    with Grove.open(commands.folder) as grove:
        journal = grove.coordinator.journal
        now = datetime.now(UTC)
        made = entry(journal, "slow")._replace(txid=make_txid(now, journal.coordinator, "slow"))
        with journal.hold(made, one_append=False):
            assert examine(commands.folder).ok
            later = now + timedelta(hours=3)
            found = examine(commands.folder, clock=lambda: later)
            finding = problem(found)
            assert finding.what.startswith(
                f"transaction {made.txid} has been undecided for 3 hours, by process {os.getpid()} "
            )
            assert f"grove-sm journal show {made.txid}" in finding.next
            assert found.in_doubt[0].age == pytest.approx(3 * 3600, abs=1)


def test_a_store_that_is_not_there_is_told_and_the_rest_too(commands: Commands) -> None:
    set_stores(commands.folder, claims="sqlite:///elsewhere.db")
    found = look(commands.folder)
    finding = problem(found)
    assert "elsewhere.db is unavailable: there is no such file" in finding.what
    assert "restore all files of one backup together" in finding.next
    assert [place.is_reachable for place in found.stores] == [True, False]
    assert found.audit is None
    (note,) = [each for each in found.findings if not each.is_problem]
    assert note.what.startswith("the audit was not made, since sqlite:///elsewhere.db")
    assert not (commands.folder / "elsewhere.db").exists()
    shown = commands.run("doctor", status=8).stdout
    assert "CANNOT BE READ" in shown
    set_stores(commands.folder, claims="sqlite:///no-such-folder/claims.db")
    assert "no-such-folder does not exist" in problem(look(commands.folder)).what


def test_a_journal_that_is_gone_is_told(commands: Commands) -> None:
    (commands.folder / "journal.db").unlink()
    found = look(commands.folder)
    assert "journal.db is unavailable: there is no such file" in problem(found).what
    assert found.stores[0].is_reachable


@pytest.mark.parametrize("size", [100, 20_000])
def test_a_journal_that_is_damaged_is_told(commands: Commands, size: int) -> None:
    path = commands.folder / "journal.db"
    content = bytearray(path.read_bytes())
    content[:size] = b"\xaa" * min(size, len(content))
    path.write_bytes(bytes(content))
    found = look(commands.folder)
    finding = problem(found)
    assert "journal.db is corrupt" in finding.what
    assert finding.next.startswith("copy all files as they are")
    assert found.journal is not None
    assert not found.journal.is_reachable
    assert found.stores[0].is_reachable
    assert commands.json("doctor", status=8)["journal"]["trouble"] == finding.what


def test_a_file_that_is_no_database_is_told(commands: Commands) -> None:
    (commands.folder / "stores.db").write_bytes(b"dear diary, " * 1000)
    assert "stores.db is corrupt: file is not a database" in problem(look(commands.folder)).what
    (commands.folder / "stores.db").write_bytes(b"")
    assert "there is no stores of a grove in it" in problem(look(commands.folder)).what


@pytest.mark.parametrize("name", ["journal.db", "stores.db"])
def test_no_damage_keeps_it_from_telling(commands: Commands, name: str) -> None:
    abandon(commands)
    path = commands.folder / name
    whole = path.read_bytes()
    random = Random(11)
    told = 0
    for _ in range(60):
        content = bytearray(whole)
        for _ in range(random.choice((1, 5, 200))):
            content[random.randrange(len(content))] = random.randrange(256)
        path.write_bytes(bytes(content))
        found = look(commands.folder)
        assert not found.ok
        assert found.versions.python
        assert not [each for each in found.findings if "defect" in each.next]
        told += len(found.findings) > 1
    assert told > 10


def test_a_damaged_unfinished_transaction_is_told(commands: Commands) -> None:
    txid = abandon(commands)
    with closing(sqlite3.connect(commands.folder / "journal.db")) as journal, journal:
        journal.execute("UPDATE transactions SET redo = 'x' || redo WHERE txid = ?", (txid,))
    found = look(commands.folder)
    finding = problem(found)
    assert f"transaction {txid}" in finding.what
    assert finding.next.endswith(f"grove-sm journal discard {txid}")


def test_a_damaged_record_is_told_by_the_audit(commands: Commands) -> None:
    with closing(sqlite3.connect(commands.folder / "stores.db")) as stores, stores:
        stores.execute("UPDATE claims SET txid = 'tx-other' WHERE record_id IN "
                       "(SELECT record_id FROM claims LIMIT 1)")  # fmt: skip
    finding = problem(look(commands.folder))
    assert "the audit finds" in finding.what
    assert "every record is readable" in finding.what
    assert finding.next == "list all of them with: grove-sm audit"


def test_what_other_software_did_is_told(commands: Commands) -> None:
    grove = Grove.open(commands.folder, background=False)
    grove.coordinator.applier.lag = 100
    claim = grove.claim("file:theirs", agent=CODER, intent_summary="mine").claim
    txid = grove.coordinator.journal.unfinished()[-1].txid
    grove.abandon()
    with closing(SQLiteStore(commands.folder / "stores.db")) as store:
        theirs = claim.replace(intent_summary="theirs").to_json()
        store.apply("somebody", "[]", (Write("claims", claim.claim_id, 0, theirs),))
    commands.run("recover")
    found = look(commands.folder)
    assert found.heuristics == 1
    finding = problem(found)
    assert finding.what == (
        f"transaction {txid} met what other software had written, at claims {claim.claim_id}"
    )
    assert finding.next.endswith(f"grove-sm journal resolve {txid}")
    commands.run("journal", "resolve", txid, "--keep", "--yes")
    assert look(commands.folder).ok


@pytest.mark.parametrize("earlier", FORMATS)
def test_an_older_format_is_noted_and_left_as_it_is(earlier: int, tmp_path: Path) -> None:
    make_earlier(tmp_path / "grove", earlier)
    found = look(tmp_path / "grove")
    assert found.stores[0].format == earlier
    assert found.audit is None
    notes = [finding.what for finding in found.findings if not finding.is_problem]
    assert any("and this version writes" in note for note in notes)
    assert any(note.startswith("the audit was not made") for note in notes)


def test_a_newer_format_asks_for_an_upgrade(commands: Commands) -> None:
    with closing(sqlite3.connect(commands.folder / "journal.db")) as journal, journal:
        journal.execute("UPDATE grove_formats SET version = 99")
    assert problem(look(commands.folder)).next == "upgrade with: pip install --upgrade grove-sm"


def test_settings_that_cannot_be_read_are_told(commands: Commands, tmp_path: Path) -> None:
    (commands.folder / FILE_NAME).write_text("format = 1\njournal = 7\n")
    found = look(commands.folder)
    assert "journal must be a string" in problem(found).what
    assert (found.settings, found.journal, found.stores) == (None, None, ())
    assert "cannot be read" in commands.run("doctor", status=8).stdout
    assert "must be a grove" in problem(examine(tmp_path / "nowhere")).what
    assert not (tmp_path / "nowhere").exists()


def test_little_space_is_told(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 42))
    finding = next(each for each in look(commands.folder).findings if each.is_problem)
    assert "has 0.0 MB left" in finding.what
    assert finding.next.startswith("free some space there")


def test_what_is_audited_is_one_moment_whatever_others_do(commands: Commands) -> None:
    stop = threading.Event()

    def work() -> None:
        with Grove.open(commands.folder) as grove:
            number = 0
            while not stop.is_set():
                number += 1
                grove.contribute(kind="work", summary=f"w{number}", agent=CODER)
                grove.grant_credits(SPONSOR.agent_id, 5)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        found = [examine(commands.folder) for _ in range(5)]
    finally:
        stop.set()
        thread.join()
    assert [each.findings for each in found if not each.ok] == []
