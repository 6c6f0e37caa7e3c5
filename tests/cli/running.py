"""Runs commands in this process, as the command line would."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.testing
from typer.testing import CliRunner, Result

from grove_sm import Grove
from grove_sm.cli.app import app
from tests.groves import CODER

# To make all commands out of the functions' signatures takes longer than most of them take.
typer.testing._get_command = cache(typer.main.get_command)  # type: ignore[attr-defined]


class Commands:
    """Runs commands on one grove."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(
        self, *args: str, status: int = 0, stdin: bytes | None = None, grove: bool = True
    ) -> Result:
        """What a command printed, once it ended with this status and no traceback."""
        where = ["--grove", str(self.folder)] if grove else []
        result = CliRunner().invoke(app, [*args, *where], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        if result.exit_code != status:
            pytest.fail(f"{args} ended with {result.exit_code}, not {status}:\n{result.output}")
        return result

    def json(self, *args: str, status: int = 0, stdin: bytes | None = None) -> Any:
        """The one JSON document that a command printed."""
        return json.loads(self.run(*args, "--json", status=status, stdin=stdin).stdout)

    def records(self, *args: str) -> Any:
        """The records that a command listed."""
        page = self.json(*args)
        assert set(page) <= {"records", "next"}
        return page["records"]

    def error(self, *args: str, status: int) -> dict[str, Any]:
        """The error that a command told as JSON, with nothing on stdout."""
        result = self.run(*args, "--json", status=status)
        assert result.stdout == ""
        document: dict[str, Any] = json.loads(result.stderr)
        assert set(document) == {"code", "message", "facts"}
        return document

    def contribute(self, summary: str, *more: str, agent: str = "coder-1") -> Any:
        """A contribution by a coder."""
        who = ("--agent", agent, "--role", "coder")
        return self.json("contribute", "--kind", "work", "--summary", summary, *who, *more)


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as wide as they want, whatever the tests are run in."""
    monkeypatch.delenv("COLUMNS", raising=False)


def everything(commands: Commands) -> Sequence[Any]:
    """All records that the command line lists."""
    listings = (["contributions"], ["handoffs"], ["claims"], ["bounty", "list"])
    return [commands.records(*listing) for listing in listings]


def abandon(commands: Commands, *, applied: bool = True) -> str:
    """A committed transaction that its coordinator died of, before it could mark it as applied."""
    grove = Grove.open(commands.folder, background=False)
    if not applied:
        grove.coordinator.applier.lag = 100
    done = grove.contribute(kind="work", summary="last words", agent=CODER)
    grove.abandon()
    return done.txid
