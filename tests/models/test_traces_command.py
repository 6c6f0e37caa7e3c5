"""The command that holds traces against the specification: what it prints, and its exit status."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from grove_sm import Grove
from tests.groves import CODER

ROOT: Final = Path(__file__).parents[2]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "models.traces", *map(str, arguments)],
        check=False,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace of a grove."""
    folder = tmp_path_factory.mktemp("traced")
    path = folder / "trace.jsonl"
    with Grove.open(folder / "grove", background=False, trace=path) as grove:
        grove.claim("file:a", agent=CODER, intent_summary="mine")
    return path


def without(trace: Path, call: str) -> str:
    """A trace without its only such call, and its answer."""
    lines = trace.read_text().splitlines(keepends=True)
    numbers = [json.loads(line)["began"] for line in lines]
    (taken,) = (json.loads(line)["began"] for line in lines if f'"call":"{call}"' in line)
    return "".join(line for line, began in zip(lines, numbers, strict=True) if began != taken)


def test_help_teaches() -> None:
    done = run("--help")
    assert done.returncode == 0
    for word in (
        "--number",
        "--seed",
        "--keep",
        "--json",
        "Grove.open(trace=FILE)",
        "Exits with 0",
    ):
        assert word in done.stdout


def test_an_allowed_trace(trace: Path) -> None:
    done = run(trace)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("1 of 1 runs are allowed by the specification\n")
    assert "1 committed" in done.stdout


def test_a_refused_trace_says_where_and_why(trace: Path, tmp_path: Path) -> None:
    tampered = tmp_path / "tampered.jsonl"
    tampered.write_text(without(trace, "force"))
    done = run(tampered, "--keep", tmp_path / "kept")
    assert done.returncode == 1
    assert f"not allowed: {tampered}" in done.stdout
    assert "not allowed: coordinator 1 (place 1) drops the redo of tx-" in done.stdout
    assert "every store that it writes to was forced after it had applied it" in done.stdout
    assert "is at revision 1" in done.stdout
    assert "forced: revision 0" in done.stdout
    (kept,) = (tmp_path / "kept").iterdir()
    again = run(kept, "--json")
    assert again.returncode == 1
    (refused,) = json.loads(again.stdout)["refused"]
    assert "drops the redo" in refused["step"]
    assert refused["matched"] < refused["steps"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("not a trace", "must be JSON"),
        ('{"call": "open"}', "must be a line of a trace"),
        ('{"coordinator": 1, "thread": 1, "began": 1, "ended": 2}', "its beginning is missing"),
        (
            '{"coordinator": 1, "thread": 1, "began": 1, "call": "open", "format": 99}',
            "format must be 1",
        ),
    ],
)
def test_a_file_that_is_no_trace(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(text + "\n")
    done = run(path)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.replace("│", " ").split())


def test_a_trace_that_begins_in_the_middle(tmp_path: Path) -> None:
    grove = Grove.open(tmp_path / "grove", background=False)
    grove.claim("file:a", agent=CODER, intent_summary="mine")
    grove.abandon()
    path = tmp_path / "trace.jsonl"
    Grove.open(tmp_path / "grove", background=False, trace=path).close()
    done = run(path)
    assert done.returncode == 2
    assert "must begin when nothing is unfinished" in " ".join(
        done.stderr.replace("│", " ").split()
    )


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    done = run(tmp_path / "missing.jsonl")
    assert done.returncode == 2
    assert "does not exist" in done.stderr
