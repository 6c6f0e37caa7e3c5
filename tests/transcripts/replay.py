"""Replaying a transcript."""

from pathlib import Path
from typing import Final

from tests.transcripts import commands  # noqa: F401 - fills the list of commands
from tests.transcripts.sentences import perform
from tests.transcripts.transcript import Part, Step, parse, render
from tests.transcripts.world import World

_QUIETLY: Final = "quietly "


def replay(text: str, folder: Path) -> str:
    """A transcript as it would have to read: the same commands, with what they put out now.

    Args:
        text: a transcript; the output in it is not looked at.
        folder: an empty folder for SQLite files.

    Raises ValueError, naming the line, for what is no command; AssertionError for a command that
    makes no sense where it stands, or a fault that never happened.
    """
    parts: list[Part] = []
    with World(folder) as world:
        for part in parse(text):
            parts.append(part if isinstance(part, str) else _replay_step(world, part))
    return render(parts)


def _replay_step(world: World, step: Step) -> Step:
    output: list[str] = []
    for number, command in enumerate(step.commands, step.line):
        try:
            perform(world, command.removeprefix(_QUIETLY))
        except Exception as error:
            error.add_note(f"line {number}: {command}")
            raise
        lines = world.take_output()
        output += () if command.startswith(_QUIETLY) else lines
    return step._replace(output=tuple(output))
