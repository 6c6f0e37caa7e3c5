"""The form of a transcript's commands, and the list of them that `commands` fills."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from grove_sm import Grove
from grove_sm.operations.layout import COLLECTIONS
from tests.transcripts.process import Process
from tests.transcripts.world import PLACES, World

Words = Mapping[str, str]
"""The words of a sentence by the name of the part that they stand for."""


class Command(NamedTuple):
    """A form of sentence, and what one of that form does."""

    form: re.Pattern[str]
    do: Callable[[World, Words], None]


_STORE: Final = f"(?:{'|'.join((*COLLECTIONS, 'stores'))})"
_SPAN: Final = r"\d+[smhd]"
_PARTS: Final[Mapping[str, str]] = {
    "process": "[A-Z]",
    "other": "[A-Z]",
    "agent": r"[a-z]+-\d",
    "text": '"[^"]+"',
    "cid": r"C\d+",
    "txid": r"T\d+",
    "bounty": r"bounty-\d+",
    "target": r"\w+:\S+",
    "record": r"\S+\d",
    "copied": r"\S+\d",
    "field": r"\w+",
    "amount": r"\d+",
    "lag": r"\d+",
    "part": "head|redo",
    "span": rf"[+-]{_SPAN}",
    "where": "|".join(PLACES),
    "store": _STORE,
    "stores": f"{_STORE}(?: {_STORE})*",
    "place": f"{_STORE}|journal",
    "when": "before|after",
    "does": "dies|freezes",
    "effect": f"hold keys|decide|release keys|drop redo|(?:prepare|apply|force) {_STORE}",
    "lost": "request|answer",
    "loses": f"decide|apply {_STORE}",
}
_OPTIONAL_PARTS: Final[Mapping[str, tuple[str, str]]] = {
    "key": (" under key ", r"\S+"),
    "lease": (" for ", _SPAN),
    "remote": (", ", "remote"),
}
"""What may be left out, with what stands before it."""

_COMMANDS: Final[list[Command]] = []


def perform(world: World, text: str) -> None:
    """Have the world do what a sentence says. Raises ValueError if it is no command."""
    for command in _COMMANDS:
        match = command.form.fullmatch(text)
        if match:
            words = match.groupdict()
            command.do(world, {name: words[name].strip('"') for name in words if words[name]})
            return
    raise ValueError(f"no command has this form: {text}")


def sentence(
    form: str,
) -> Callable[[Callable[[World, Words], None]], Callable[[World, Words], None]]:
    """Have a function do what a sentence of this form says, with its parts in `<angles>`."""

    def register(do: Callable[[World, Words], None]) -> Callable[[World, Words], None]:
        _COMMANDS.append(Command(re.compile(re.sub("<(\\w+)>", _pattern, form)), do))
        return do

    return register


def of_process(form: str) -> Callable[[Callable[[Process, Words], None]], object]:
    """The same, for a sentence about a process."""

    def register(do: Callable[[Process, Words], None]) -> object:
        return sentence(form)(lambda world, words: do(world.process(words["process"]), words))

    return register


def call(form: str) -> Callable[[Callable[[Grove, Words], Iterable[str]]], object]:
    """The same, for a call in a process, which answers lines; labels reach it as ids."""

    def register(answer: Callable[[Grove, Words], Iterable[str]]) -> object:
        def do(world: World, words: Words) -> None:
            full = {name: world.labels.expand(word) for name, word in words.items()}
            world.process(words["process"]).do(lambda grove: answer(grove, full))

        return sentence(form)(do)

    return register


def _pattern(match: re.Match[str]) -> str:
    name = match[1]
    if name in _OPTIONAL_PARTS:
        before, part = _OPTIONAL_PARTS[name]
        return f"(?:{before}(?P<{name}>{part}))?"
    return f"(?P<{name}>{_PARTS[name]})"
