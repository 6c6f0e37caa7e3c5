"""`recover --watch`: a service that finishes what others leave as they die."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from tests.cli.running import Commands, abandon

PROGRAM = (sys.executable, "-c", "from grove_sm.cli import main; main()")


def watch(commands: Commands, *more: str) -> "subprocess.Popen[str]":
    """A service that has begun."""
    options = ("--every", "0.02s", "--grove", str(commands.folder), *more)
    process = subprocess.Popen(
        [*PROGRAM, "recover", "--watch", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("grove-sm: recovering sqlite:///"), line
    return process


def end(process: "subprocess.Popen[str]", how: signal.Signals) -> Sequence[Any]:
    """End a service; what it told, on stdout and stderr, and its exit status."""
    process.send_signal(how)
    out, err = process.communicate(timeout=60)
    return out, err, process.returncode


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_what_is_left_is_finished_and_told_until_a_signal(
    commands: Commands, how: signal.Signals
) -> None:
    abandon(commands)
    with watch(commands) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "rolled forward: 1\n"
        for _ in range(2):
            abandon(commands)
            assert process.stdout.readline() == "rolled forward: 1\n"
        assert end(process, how) == ("", "", 0)


def test_each_look_is_a_json_document_a_line(commands: Commands) -> None:
    with watch(commands, "--json") as process:
        assert process.stdout is not None
        txid = abandon(commands)
        told = json.loads(process.stdout.readline())
        assert told == {"rolledForward": [txid], "rolledBack": [], "inDoubt": [], "corrupt": []}
        assert end(process, signal.SIGTERM) == ("", "", 0)


def test_several_watch_at_once(commands: Commands) -> None:
    with ExitStack() as stack:
        services = [stack.enter_context(watch(commands, "--json")) for _ in range(3)]
        left = [abandon(commands) for _ in range(5)]
        assert commands.json("audit")["ok"]
        told = [end(service, signal.SIGTERM) for service in services]
    assert {(err, status) for _, err, status in told} == {("", 0)}
    for txid in left:
        assert commands.json("outcome", txid)["outcome"] == "committed"


@pytest.mark.parametrize("every", ["0s", "soon", "2d"])
def test_a_pause_that_is_none_is_refused(commands: Commands, every: str) -> None:
    refused = commands.run("recover", "--watch", "--every", every, status=2)
    assert "--every" in refused.stderr
