"""The form of a transcript: prose, and steps of commands with the output that they had.

# Prose, in lines that begin with a hash.

command
another command
----
what the commands put out
until the next empty line
"""

import difflib
from collections.abc import Sequence
from typing import Final, NamedTuple

_RULE: Final = "----"


class Step(NamedTuple):
    """Commands, the number of the line that the first is on, and their output."""

    line: int
    commands: tuple[str, ...]
    output: tuple[str, ...]


Part = Step | str
"""A step, or a line of prose or nothing, which stays as it is."""


def parse(text: str) -> list[Part]:
    """The parts of a transcript. Raises ValueError for commands that no `----` follows."""
    parts: list[Part] = []
    lines = text.splitlines()
    position = 0
    while position < len(lines):
        if _is_prose(lines[position]):
            parts.append(lines[position])
            position += 1
            continue
        end = _end_of_block(lines, position)
        block = lines[position:end]
        if _RULE not in block:
            raise ValueError(f"line {position + 1}: no {_RULE} after the commands")
        rule = block.index(_RULE)
        parts.append(Step(position + 1, tuple(block[:rule]), tuple(block[rule + 1 :])))
        position = end
    return parts


def render(parts: Sequence[Part]) -> str:
    """The transcript that `parse` would read these parts from."""
    lines: list[str] = []
    for part in parts:
        lines += [part] if isinstance(part, str) else [*part.commands, _RULE, *part.output]
    return "\n".join(lines) + "\n"


def difference(written: str, replayed: str, name: str) -> str:
    """What a replay did otherwise than is written; empty if nothing."""
    return "\n".join(
        difflib.unified_diff(
            written.splitlines(),
            replayed.splitlines(),
            f"{name} as written",
            f"{name} as replayed",
            lineterm="",
            n=6,
        )
    )


def _is_prose(line: str) -> bool:
    return not line.strip() or line.startswith("#")


def _end_of_block(lines: Sequence[str], start: int) -> int:
    return next((i for i in range(start, len(lines)) if not lines[i].strip()), len(lines))
