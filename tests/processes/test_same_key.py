"""Every operation under one key from 8 processes at once, killed and started again: one effect."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from grove_sm import Grove, GroveError
from tests.keyed import KEYED, Arguments, Keyed

from .work import open_grove
from .zygote import Worker

CALLERS: Final = 8
KILLED: Final = 3
LEAD: Final = 0.03
LONGEST_LIFE: Final = 0.02

_BY_NAME: Final[Mapping[str, Keyed]] = {keyed.name: keyed for keyed in KEYED}


class Told(NamedTuple):
    """What a caller was told: a result, or the words of a refusal."""

    result: Any
    refusal: str | None = None


def answer_requests(connection: Connection, folder: Path) -> None:
    """Make each request that is received at the moment that it says, and tell what came of it."""
    with open_grove(folder) as grove:
        connection.send("ready")
        while True:
            name, arguments, key, moment = connection.recv()
            time.sleep(max(0.0, moment - time.monotonic()))
            try:
                told = Told(_BY_NAME[name].call(grove, arguments, key))
            except GroveError as error:
                told = Told(None, f"{error.code}: {error}")
            connection.send(told)


class Company:
    """Callers in processes of their own; who is killed is started again."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self.callers = [self._start() for _ in range(CALLERS)]

    def ask(self, numbers: Sequence[int], *request: Any) -> None:
        """Have these callers make the same request at the same moment, which is soon."""
        moment = time.monotonic() + LEAD
        for number in numbers:
            self.callers[number].send((*request, moment))

    def hear(self, numbers: Sequence[int]) -> list[Told]:
        """What these callers were told."""
        return [self.callers[number].receive() for number in numbers]

    def kill(self, numbers: Sequence[int]) -> None:
        """Kill these callers, and start others in their place."""
        for number in numbers:
            self.callers[number].kill()
            self.callers[number] = self._start()

    def _start(self) -> Worker:
        worker = self._stack.enter_context(Worker(answer_requests, self._folder))
        assert worker.receive() == "ready"
        return worker


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_one_effect_and_one_result_for_each_operation(
    tmp_path: Path, seed: int, record_property: Callable[[str, object], None]
) -> None:
    rng = random.Random(seed)
    killed = 0
    with ExitStack() as stack:
        grove = stack.enter_context(open_grove(tmp_path))
        company = Company(tmp_path, stack)
        answered = []
        for keyed in KEYED:
            arguments = keyed.prepare(grove)
            before = _effects(grove)
            request = (keyed.name, arguments, f"key of {keyed.name}")
            killed += _ask_everybody(company, request, rng)
            told = _ask_again(company, request)
            assert len(_effects(grove)) == len(before) + 1, keyed.name
            _ask_otherwise(company, keyed, arguments, request)
            assert len(_effects(grove)) == len(before) + 1, keyed.name
            answered.append((request, told))
        company.kill(range(CALLERS))
        for request, told in answered:
            company.ask([0], *request)
            assert company.hear([0]) == [told]
        assert grove.audit().violations == ()
    record_property(
        "counted",
        f"seed {seed}: {len(KEYED)} operations by {CALLERS} processes, {killed} killed meanwhile",
    )


def _effects(grove: Grove) -> set[str]:
    """The transactions that took effect."""
    history = grove.coordinator.journal.history(10**6)
    return {txid for txid, state, _ in history if state not in ("planned", "aborted")}


def _ask_everybody(company: Company, request: Sequence[Any], rng: random.Random) -> int:
    """All ask at once, some are killed meanwhile; those who live are told the same."""
    everybody = range(CALLERS)
    dying = rng.sample(everybody, KILLED)
    company.ask(everybody, *request)
    time.sleep(LEAD + rng.uniform(-LEAD / 10, LONGEST_LIFE))
    company.kill(dying)
    told = company.hear([number for number in everybody if number not in dying])
    assert all(each == told[0] for each in told), told
    assert told[0].refusal is None, told[0]
    return len(dying)


def _ask_again(company: Company, request: Sequence[Any]) -> Told:
    """All ask again, those who were started in place of the killed ones too."""
    company.ask(range(CALLERS), *request)
    first, *others = company.hear(range(CALLERS))
    assert first.refusal is None, first
    assert others == [first] * (CALLERS - 1)
    return first


def _ask_otherwise(
    company: Company, keyed: Keyed, arguments: Arguments, request: Sequence[Any]
) -> None:
    """Each asks for something else under the key, and is told what differs."""
    _, _, key = request
    for argument, other in keyed.others.items():
        company.ask([0], keyed.name, {**arguments, argument: other.value}, key)
        (told,) = company.hear([0])
        assert told.refusal == (
            f"STATE_CONFLICT: idempotency key {key!r}: it was used for another request, "
            f"which differs in {other.field}"
        )
