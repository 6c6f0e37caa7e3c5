"""Moves are made by the table, refused in words, and can be watched."""

from collections.abc import Iterator

import pytest

from grove_sm.domain.errors import StateConflict
from grove_sm.lifecycles import (
    BOUNTY,
    CLAIM,
    LIFECYCLES,
    TRANSACTION,
    Lifecycle,
    advance,
    legal_triggers,
    observe,
)
from grove_sm.lifecycles import machine as machine_module

Move = tuple[str, str, str, str]


@pytest.fixture
def moves() -> Iterator[list[Move]]:
    seen: list[Move] = []
    stop = observe(lambda lifecycle, *move: seen.append((lifecycle.name, *move)))
    yield seen
    stop()


@pytest.mark.parametrize(
    ("lifecycle", "trigger", "source", "to"),
    [(lifecycle, *move) for lifecycle in LIFECYCLES for move in lifecycle.moves],
    ids=lambda value: value.name if isinstance(value, Lifecycle) else value,
)
def test_every_move_of_every_table(
    lifecycle: Lifecycle[str], trigger: str, source: str, to: str
) -> None:
    assert advance(lifecycle, source, trigger) == to


@pytest.mark.parametrize("lifecycle", LIFECYCLES, ids=[each.name for each in LIFECYCLES])
def test_everything_else_is_refused(lifecycle: Lifecycle[str], moves: list[Move]) -> None:
    triggers = {trigger for each in LIFECYCLES for trigger, _, _ in each.moves}
    legal = {(source, trigger) for trigger, source, _ in lifecycle.moves}
    for state in lifecycle.states:
        for trigger in triggers | {"", "trigger", "to_" + lifecycle.initial}:
            if (state, trigger) not in legal:
                with pytest.raises(StateConflict):
                    advance(lifecycle, state, trigger)
    assert moves == []


@pytest.mark.parametrize(
    ("lifecycle", "state", "trigger", "words"),
    [
        (
            BOUNTY,
            "open",
            "settle",
            "record r: the bounty lifecycle has no move 'settle' from 'open'; "
            "from there it has claim, expire, cancel",
        ),
        (
            CLAIM,
            "released",
            "heartbeat",
            "record r: the claim lifecycle has no move 'heartbeat' from 'released'; "
            "that state is final",
        ),
        (
            TRANSACTION,
            "lost",
            "commit",
            "record r: 'lost' is not a state of the transaction lifecycle",
        ),
    ],
)
def test_refusals_name_the_record_the_move_and_the_way_on(
    lifecycle: Lifecycle[str], state: str, trigger: str, words: str
) -> None:
    with pytest.raises(StateConflict) as caught:
        advance(lifecycle, state, trigger, record="record r")
    assert caught.value.message == words
    assert caught.value.record == "record r"


def test_a_refusal_without_a_record_names_its_kind() -> None:
    with pytest.raises(StateConflict, match=r"^a bounty: "):
        advance(BOUNTY, "settled", "open")


def test_legal_triggers() -> None:
    assert legal_triggers(TRANSACTION, "prepared") == ("commit", "abort")
    assert legal_triggers(TRANSACTION, "finished") == ()


def test_observers_see_each_move_until_they_stop(moves: list[Move]) -> None:
    others: list[str] = []
    stop = observe(lambda *move: others.append(move[2]))
    advance(CLAIM, "active", "heartbeat")
    stop()
    stop()
    advance(CLAIM, "active", "release")
    assert moves == [
        ("claim", "active", "heartbeat", "active"),
        ("claim", "active", "release", "released"),
    ]
    assert others == ["heartbeat"]


def test_each_lifecycle_builds_one_machine() -> None:
    for lifecycle in LIFECYCLES:
        advance(lifecycle, lifecycle.moves[0][1], lifecycle.moves[0][0])
    built = machine_module._destinations.cache_info().misses
    for lifecycle in LIFECYCLES:
        for trigger, source, _ in lifecycle.moves:
            advance(lifecycle, source, trigger)
    assert machine_module._destinations.cache_info().misses == built
