"""Commands for contribute's family: they set the kind and the first relation."""

from collections.abc import Mapping
from typing import Any

import pytest
from typer.main import get_command

from grove_sm.calls.contributing import ANSWERS
from grove_sm.cli.app import app
from tests.cli.running import Commands

WHO = ("--summary", "s", "--agent", "r-1", "--role", "reviewer")


def options(command: str) -> set[str]:
    commands: Mapping[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
    return {text for parameter in commands[command].params for text in parameter.opts}


@pytest.mark.parametrize("command", ANSWERS)
def test_an_answer_relates_to_its_target_first(commands: Commands, command: str) -> None:
    kind, relation_type = ANSWERS[command]
    target = commands.contribute("the target")
    more = ("--relation", f"derives_from={target['cid']}", "--tag", "t", "--mode", "exploration")
    done = commands.json(command, target["cid"], *WHO, *more, "--key", "k")
    assert done["contribution"]["kind"] == kind
    assert done["contribution"]["relations"] == [
        {"targetCid": target["cid"], "relationType": relation_type},
        {"targetCid": target["cid"], "relationType": "derives_from"},
    ]
    assert (done["contribution"]["tags"], done["contribution"]["mode"]) == (["t"], "exploration")
    assert done["repliedIds"] == ([] if command == "reproduce" else target["handoffIds"])
    assert commands.json(command, target["cid"], *WHO, *more, "--key", "k")["cid"] == done["cid"]
    assert len(commands.records("contributions")) == 2


@pytest.mark.parametrize("command", ANSWERS)
def test_an_answer_is_told_as_a_contribution_is(commands: Commands, command: str) -> None:
    target = commands.contribute("the target")
    lines = commands.run(command, target["cid"], *WHO).stdout.splitlines()
    assert lines[0].startswith("published ")
    answers = [line.split()[1] for line in lines if line.startswith("answers ")]
    assert answers == ([] if command == "reproduce" else target["handoffIds"])


@pytest.mark.parametrize("command", ANSWERS)
def test_an_answer_takes_the_options_of_a_contribution(command: str) -> None:
    assert options(command) - {"target"} == options("contribute") - {"--kind"}
