"""`grove-sm export`, and `grove-sm import` of what it wrote."""

import json
import os
import pty
import shutil
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from grove_sm import Grove
from tests.cli.prepared import prepare
from tests.cli.running import Commands, everything
from tests.cli.test_import import GOOD, HISTORY
from tests.cli.test_outside import PROGRAM
from tests.groves import CODER, REVIEWER, Clock


def wiped(commands: Commands) -> Commands:
    """The same folder, with nothing in it but a new grove."""
    shutil.rmtree(commands.folder)
    commands.run("init", str(commands.folder), grove=False)
    return commands


def live_on(folder: Path) -> None:
    """What people do with a history: deliveries, replies, claims, bounties, credits, forgetting."""
    clock = Clock(datetime.now(UTC))
    with Grove.open(folder, clock=clock) as grove:
        for number in range(30):
            work = grove.pick_up(agent=REVIEWER)
            assert work is not None
            if number % 3 == 0:
                cid = work.contribution.cid
                grove.review(cid, summary=f"review {number}", agent=REVIEWER)
            elif number % 3 == 1:
                grove.dead_letter(work.handoff.handoff_id)
        grove.grant_credits("sponsor-1", 1000)
        cids = [contribution.cid for contribution in grove.contributions.list(limit=9)]
        for number, cid in enumerate(cids):
            bounty = grove.create_bounty(
                title=f"bounty {number}",
                amount=10,
                criteria={"description": "c"},
                agent=CODER.replace(agent_id="sponsor-1"),
            ).bounty_id
            if number % 3:
                grove.claim_bounty(bounty, agent=CODER)
            if number % 3 == 2:
                grove.settle_bounty(bounty, cid)
        clock.time += timedelta(days=2)
        assert grove.sweep(forget_after=3600.0).handoffs_forgotten
        assert grove.audit().ok


def test_a_real_history_and_all_that_hangs_on_it_comes_back(
    commands: Commands, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    commands.run("import", str(HISTORY))
    live_on(commands.folder)
    exported = commands.json("export", str(first))
    assert exported["records"]["contributions"] >= 400
    assert exported["deleted"] > 0
    assert all(exported["records"].values())
    before, counts = everything(commands), commands.json("counts")

    restored = wiped(commands).json("import", str(first))
    assert restored.pop("txid").startswith("tx-")
    assert exported | {"alreadyThere": False} == restored | {"size": first.stat().st_size}
    assert commands.json("export", str(second)) == exported
    assert second.read_bytes() == first.read_bytes()
    assert everything(commands) == before
    assert commands.json("counts") == counts
    assert commands.json("audit")["ok"] is True
    commands.run("sweep")
    assert commands.json("audit")["ok"] is True


def test_all_kinds_of_records_come_back(tmp_path: Path) -> None:
    commands = Commands(tmp_path / "grove")
    prepare(commands.folder)
    first = commands.run("export", "-").stdout_bytes
    result = wiped(commands).run("import", "-", stdin=first)
    assert result.stdout.startswith("export         taken over\n")
    again = commands.run("export", "-")
    assert again.stdout_bytes == first
    assert again.stderr.startswith("exported to    standard output\n")
    assert "it was there already" in commands.run("import", "-", stdin=first).stdout


def test_the_report_does_not_mix_with_what_is_exported(commands: Commands) -> None:
    commands.contribute("a")
    result = commands.run("export", "-", "--json")
    assert result.stdout.splitlines()[0] == '{"export":"grove-sm","format":1}'
    assert json.loads(result.stderr)["records"]["contributions"] == 1


def test_a_grove_that_is_not_empty_is_refused(commands: Commands, tmp_path: Path) -> None:
    commands.contribute("a")
    commands.run("export", str(tmp_path / "export.jsonl"))
    commands.contribute("b")
    before = everything(commands)
    error = commands.error("import", str(tmp_path / "export.jsonl"), status=4)
    assert error["code"] == "STATE_CONFLICT"
    assert "must be empty to take over an export, and has 2 contributions" in error["message"]
    assert everything(commands) == before


def test_a_file_that_is_cut_off_or_changed_is_refused_by_its_line(
    commands: Commands, tmp_path: Path
) -> None:
    file = tmp_path / "export.jsonl"
    commands.contribute("a summary")
    commands.run("export", str(file))
    lines = file.read_bytes().splitlines(keepends=True)
    wiped(commands)
    cases = {
        4: b"".join(lines[:3]),
        2: b"".join(lines).replace(b"a summary", b"A summary"),
        1: b"".join(lines[1:]),
        3: lines[0] + lines[1] + lines[2][:30],
    }
    for line, text in cases.items():
        file.write_bytes(text)
        error = commands.error("import", str(file), status=7)
        assert error["code"] == "CORRUPT"
        assert error["facts"]["what"] == f"line {line}"
        assert error["facts"]["where"] == str(file)
        assert everything(commands) == [[], [], [], []]
    file.write_bytes(lines[0].replace(b"1}", b"2}"))
    error = commands.error("import", str(file), status=2)
    assert "install a newer grove-sm" in error["message"]


def test_other_files_are_not_overwritten(commands: Commands, tmp_path: Path) -> None:
    file = tmp_path / "contributions.jsonl"
    file.write_text(json.dumps(GOOD))
    error = commands.error("export", str(file), status=2)
    assert "another one is not overwritten" in error["message"]
    assert file.read_text() == json.dumps(GOOD)
    assert commands.json("import", str(file))["imported"] == 1
    missing = commands.error("export", str(tmp_path / "no" / "file"), status=2)
    assert "No such file or directory" in missing["message"]


@pytest.fixture
def large(commands: Commands) -> Commands:
    """A grove that takes a moment to export."""
    commands.run("import", str(HISTORY))
    return commands


def in_a_terminal(*arguments: str) -> tuple["subprocess.Popen[bytes]", int]:
    terminal, end = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [*PROGRAM, *arguments], stdin=end, stdout=subprocess.PIPE, stderr=end, env=environment
    )
    os.close(end)
    return process, terminal


def read_to_end(terminal: int) -> bytes:
    text = b""
    while True:
        try:
            more = os.read(terminal, 65536)
        except OSError:
            return text
        if not more:
            return text
        text += more


def test_a_terminal_is_shown_how_far_it_is(large: Commands, tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"
    process, terminal = in_a_terminal("export", str(file), "--grove", str(large.folder))
    shown = read_to_end(terminal)
    assert process.wait() == 0
    assert b"exporting" in shown
    assert b"802" in shown
    wiped(large)
    process, terminal = in_a_terminal("import", str(file), "--grove", str(large.folder))
    assert b"importing" in read_to_end(terminal)
    assert process.wait() == 0


def test_ctrl_c_leaves_no_half(large: Commands, tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"
    arguments = ["export", str(file), "--grove", str(large.folder)]
    statuses = []
    for delay in (0.2, 0.4, 0.6, 0.8):
        process = subprocess.Popen(
            [*PROGRAM, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        statuses.append(process.wait())
        left: list[Any] = [path.name for path in tmp_path.iterdir()]
        assert set(left) <= {"grove", "export.jsonl"}
        if file.exists():
            assert file.read_bytes().endswith(b'"}\n')
            file.unlink()
    assert any(statuses)
