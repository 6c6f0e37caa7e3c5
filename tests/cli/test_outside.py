"""What scripts and shells rely on: exit statuses, streams, help, start-up."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import grove_sm
from grove_sm import GroveError
from grove_sm.cli.exits import EXIT_STATUSES, status_of
from grove_sm.cli.output import plain
from grove_sm.domain import contribution, coordination
from tests.cli.running import Commands

PROGRAM = (sys.executable, "-c", "from grove_sm.cli import main; main()")


def execute(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments], capture_output=True, text=True, check=False, **options
    )


def test_every_error_has_an_exit_status() -> None:
    codes = {error.code for error in GroveError.__subclasses__()}
    listed = [code for row in EXIT_STATUSES for code in row.codes]
    assert codes <= set(listed)
    assert len(listed) == len(set(listed))
    assert [row.status for row in EXIT_STATUSES] == list(range(9))
    assert status_of("A_CODE_FROM_THE_FUTURE") == 1


def test_help_lists_the_exit_statuses(commands: Commands) -> None:
    text = " ".join(commands.run("--help", grove=False).stdout.split())
    for row in EXIT_STATUSES:
        assert f"{row.status} {row.meaning}" in text


@pytest.mark.parametrize(
    ("command", "values"),
    [
        ("contribute", contribution.Kind),
        ("contribute", contribution.Mode),
        ("contribute", contribution.RelationType),
        ("contribute", contribution.Direction),
        ("handoffs", coordination.HandoffStatus),
        ("claims", coordination.ClaimStatus),
        ("bounty list", coordination.BountyStatus),
        ("bounty create", contribution.Direction),
    ],
)
def test_help_names_every_value_that_an_option_takes(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, command: str, values: Any
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    text = commands.run(*command.split(), "--help", grove=False).stdout
    for value in get_args(values):
        assert value in text


KEYED = {
    *("contribute", "review", "reproduce", "discuss", "adopt"),
    *("claim", "heartbeat", "release", "complete"),
    *("pick-up", "acknowledge", "dead-letter"),
    *(
        f"bounty {name}"
        for name in ("create", "open", "claim", "release", "complete", "settle", "cancel")
    ),
    *("credits grant", "credits transfer"),
}
"""The commands for operations, each of which takes an idempotency key."""


def test_every_command_takes_json_and_all_that_use_a_grove_take_its_folder() -> None:
    leaves = []

    def walk(name: str, command: Any) -> None:
        for child, it in getattr(command, "commands", {}).items():
            walk(f"{name} {child}".strip(), it)
        if not hasattr(command, "commands"):
            leaves.append((name, {text for parameter in command.params for text in parameter.opts}))

    from typer.main import get_command

    from grove_sm.cli.app import app

    walk("", get_command(app))
    assert [name for name, texts in leaves if "--json" not in texts] == []
    assert {name for name, texts in leaves if "--key" in texts} == KEYED
    assert sorted(name for name, texts in leaves if "--grove" not in texts) == [
        "demo",
        "fuzz",
        "init",
    ]


def test_usage_errors_are_json_where_json_is_asked_for(commands: Commands) -> None:
    for arguments in (
        ("claim", "t"),
        ("claim", "--no-such-option"),
        ("no-such-command",),
        ("bounty", "claim"),
        ("credits", "grant", "a", "many"),
    ):
        error = commands.error(*arguments, status=2)
        assert error["code"] == "USAGE_ERROR"
        assert commands.run(*arguments, status=2).stderr != ""


@given(st.text())
def test_plain_text_is_one_printable_line(text: str) -> None:
    shown = plain(text)
    assert shown.isprintable()
    if text.isprintable():
        assert shown == text


def test_version() -> None:
    shown = execute("--version")
    assert (shown.returncode, shown.stderr) == (0, "")
    name, version = shown.stdout.split()
    assert name == "grove-sm"
    assert version[0].isdigit()


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys; from grove_sm.cli.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print({'sqlite3', 'sqlite_utils', 'transitions', 'grove_sm.grove'} & {*sys.modules})"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert shown.stdout.splitlines()[-1] == "set()"


def test_every_public_name_is_found_at_its_first_use() -> None:
    for name in grove_sm.__all__:
        assert getattr(grove_sm, name).__name__ == name
    assert set(grove_sm.__all__) <= set(dir(grove_sm))
    with pytest.raises(AttributeError, match="nonsense"):
        grove_sm.nonsense  # noqa: B018


def test_a_process_ends_with_the_status_and_tells_errors_on_stderr_alone(tmp_path: Path) -> None:
    folder = str(tmp_path / "grove")
    assert execute("init", folder).returncode == 0
    refused = execute("bounty", "claim", "none", "--agent", "a", "--grove", folder)
    assert refused.returncode == 3
    assert refused.stdout == ""
    assert refused.stderr == "grove-sm: bounty none was not found\n"
    refused = execute("bounty", "claim", "none", "--agent", "a", "--grove", folder, "--json")
    assert refused.returncode == 3
    assert json.loads(refused.stderr)["code"] == "NOT_FOUND"


def test_a_terminal_that_lacks_letters_gets_escapes(commands: Commands) -> None:
    commands.contribute("Größe 😀")
    shown = execute(
        "contributions",
        "--grove",
        str(commands.folder),
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert shown.returncode == 0, shown.stderr
    assert r"Gr\xf6\xdfe \U0001f600" in shown.stdout


def test_a_reader_that_goes_away_causes_no_traceback(commands: Commands) -> None:
    commands.contribute("a")
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        shown = subprocess.run(
            [*PROGRAM, "contributions", "--json", "--grove", str(commands.folder)],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert shown.returncode == 1
    assert "Traceback" not in shown.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_an_output_that_is_full_is_told(commands: Commands) -> None:
    with Path("/dev/full").open("wb") as full:
        shown = subprocess.run(
            [*PROGRAM, "claims", "--json", "--grove", str(commands.folder)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert shown.returncode != 0
    assert json.loads(shown.stderr.split("Exception ignored")[0])["code"] == "OUTPUT_ERROR"


def run_import(commands: Commands, *more: str) -> bytes:
    """What an import of one line shows on a terminal that is its stderr."""
    line = b'{"kind":"work","summary":"a","agent":{"agentId":"a"},"createdAt":"2026-01-01T00:00Z"}'
    main, terminal = pty.openpty()
    with os.fdopen(main, "rb", buffering=0) as screen:
        subprocess.run(
            [*PROGRAM, "import", "-", "--grove", str(commands.folder), *more],
            input=line,
            stdout=subprocess.DEVNULL,
            stderr=terminal,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
            check=True,
        )
        os.write(terminal, b"end")
        shown = screen.read(100_000)
        os.close(terminal)
    return shown


def test_import_shows_a_bar_on_a_terminal_unless_json_is_asked_for(commands: Commands) -> None:
    assert b"importing" in run_import(commands)
    assert run_import(commands, "--json") == b"end"


def test_demo_passes_on_only_what_it_was_given(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, Any]] = []

    def run_demo(**choices: Any) -> int:
        calls.append(choices)
        return 1

    monkeypatch.setattr("grove_sm.demo.run_demo", run_demo)
    commands.run("demo", grove=False, status=1)
    commands.run(
        *("demo", "--file", "f", "--seed", "1", "--kills", "2", "--workers", "3", "--keep", "d"),
        "--json",
        grove=False,
        status=1,
    )
    assert calls == [
        {"as_json": False},
        {
            "file": Path("f"),
            "seed": 1,
            "kills": 2,
            "workers": 3,
            "keep": Path("d"),
            "as_json": True,
        },
    ]
