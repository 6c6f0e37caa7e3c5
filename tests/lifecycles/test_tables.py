"""The tables are well formed, and are the protocol's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grove_sm.domain.errors import StateConflict
from grove_sm.lifecycles import (
    BOUNTY,
    CLAIM,
    CONTRIBUTE,
    HANDOFF,
    LIFECYCLES,
    TRANSACTION,
    Lifecycle,
    advance,
    legal_triggers,
    mermaid,
)

every_lifecycle = pytest.mark.parametrize(
    "lifecycle", LIFECYCLES, ids=[lifecycle.name for lifecycle in LIFECYCLES]
)


def reachable(lifecycle: Lifecycle[str], start: str) -> set[str]:
    found = {start}
    while more := {to for _, source, to in lifecycle.moves if source in found} - found:
        found |= more
    return found


@every_lifecycle
def test_table_is_well_formed(lifecycle: Lifecycle[str]) -> None:
    states = set(lifecycle.states)
    assert len(states) == len(lifecycle.states)
    assert {lifecycle.initial, *lifecycle.final} <= states
    assert {state for _, *ends in lifecycle.moves for state in ends} == states
    sources = [(trigger, source) for trigger, source, _ in lifecycle.moves]
    assert len(set(sources)) == len(sources), "a trigger leads to one place"


@every_lifecycle
def test_final_states_are_those_without_a_way_out(lifecycle: Lifecycle[str]) -> None:
    ends = set(lifecycle.states) - {source for _, source, _ in lifecycle.moves}
    assert ends == set(lifecycle.final)


@every_lifecycle
def test_every_state_is_on_a_way_from_the_initial_to_a_final_one(lifecycle: Lifecycle[str]) -> None:
    assert reachable(lifecycle, lifecycle.initial) == set(lifecycle.states)
    for state in lifecycle.states:
        assert reachable(lifecycle, state) & set(lifecycle.final)


# The protocol's own tables (sections 3 to 5), which name states and no triggers.
@pytest.mark.parametrize(
    ("lifecycle", "table"),
    [
        (
            HANDOFF,
            {
                "pending_pickup": {"delivered", "replied", "expired", "dead_lettered"},
                "delivered": {"processed", "replied", "expired", "dead_lettered"},
                "processed": {"replied", "expired"},
            },
        ),
        (CLAIM, {"active": {"active", "released", "completed", "expired"}}),
        (
            BOUNTY,
            {
                "draft": {"open", "cancelled"},
                "open": {"claimed", "expired", "cancelled"},
                "claimed": {"completed", "open", "expired", "cancelled"},
                "completed": {"settled", "expired", "cancelled"},
            },
        ),
        (
            TRANSACTION,
            {
                "planned": {"prepared", "aborted"},
                "prepared": {"committed", "aborted"},
                "committed": {"finished"},
            },
        ),
        (
            CONTRIBUTE,
            {
                "requested": {"validated", "refused"},
                "validated": {"planned", "duplicate", "refused"},
                "planned": {"published", "refused", "unknown"},
                "unknown": {"published", "refused"},
            },
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Lifecycle) else "",
)
def test_moves_are_those_of_the_protocol(
    lifecycle: Lifecycle[str], table: dict[str, set[str]]
) -> None:
    moves: dict[str, set[str]] = {}
    for _, source, to in lifecycle.moves:
        moves.setdefault(source, set()).add(to)
    assert moves == table


def test_a_decided_transaction_cannot_be_undone() -> None:
    assert reachable(TRANSACTION, "committed") == {"committed", "finished"}
    assert reachable(TRANSACTION, "aborted") == {"aborted"}


@given(st.data())
def test_walks_follow_the_table_and_nothing_else(data: st.DataObject) -> None:
    lifecycle = data.draw(st.sampled_from(LIFECYCLES))
    triggers = sorted({trigger for trigger, _, _ in lifecycle.moves})
    table = {(source, trigger): to for trigger, source, to in lifecycle.moves}
    state = lifecycle.initial
    for trigger in data.draw(st.lists(st.sampled_from(triggers), max_size=12)):
        if (state, trigger) in table:
            assert trigger in legal_triggers(lifecycle, state)
            expected = table[state, trigger]
            state = advance(lifecycle, state, trigger)
            assert state == expected
        else:
            with pytest.raises(StateConflict):
                advance(lifecycle, state, trigger)


@every_lifecycle
def test_diagram_has_a_line_for_each_move(lifecycle: Lifecycle[str]) -> None:
    first, start, *lines = mermaid(lifecycle).splitlines()
    assert first == "stateDiagram-v2"
    assert start.split() == ["[*]", "-->", lifecycle.initial]
    drawn = [tuple(line.replace(" --> ", ": ").strip().split(": ")) for line in lines]
    moves = [(source, to, trigger) for trigger, source, to in lifecycle.moves]
    assert drawn == [*moves, *((state, "[*]") for state in lifecycle.final)]
