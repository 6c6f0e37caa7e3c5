"""Contracts on the lifecycles."""

from typing import Final

from grove_sm.domain.errors import StateConflict
from grove_sm.lifecycles import (
    LIFECYCLES,
    TRANSACTION,
    advance,
    legal_triggers,
    mermaid,
    observe,
)
from models.contracts.choices import chosen, settled
from models.contracts.registry import contract

TRIGGERS: Final = tuple(
    (*dict.fromkeys(trigger for trigger, _, _ in lifecycle.moves), "no trigger")
    for lifecycle in LIFECYCLES
)


@contract(advance, legal_triggers, observe)
def only_the_moves_of_the_table_happen(lifecycle: int, state: int, trigger: int) -> bool:
    """A trigger leads where the table says, is seen by whoever observes, and is legal there;
    every other is refused and seen by nobody.

    pre: 0 <= lifecycle < len(LIFECYCLES)
    pre: 0 <= state < len(LIFECYCLES[lifecycle].states)
    pre: 0 <= trigger < len(TRIGGERS[lifecycle])
    post: _
    """
    of = chosen(range(len(LIFECYCLES)), lifecycle)
    table = LIFECYCLES[of]
    source, given = chosen(table.states, state), chosen(TRIGGERS[of], trigger)
    with settled():
        leads_to = [to for name, at, to in table.moves if (name, at) == (given, source)]
        seen: list[tuple[str, ...]] = []
        stop = observe(lambda moved, *move: seen.append((moved.name, *move)))
        try:
            destination = advance(table, source, given)
        except StateConflict:
            return leads_to == [] and seen == [] and given not in legal_triggers(table, source)
        finally:
            stop()
        return (
            leads_to == [destination]
            and seen == [(table.name, source, given, destination)]
            and given in legal_triggers(table, source)
        )


@contract(advance, legal_triggers)
def nothing_leaves_a_final_state(lifecycle: int, state: int) -> bool:
    """A final state has no legal trigger, and every other one has.

    pre: 0 <= lifecycle < len(LIFECYCLES)
    pre: 0 <= state < len(LIFECYCLES[lifecycle].states)
    post: _
    """
    table = chosen(LIFECYCLES, lifecycle)
    at = chosen(table.states, state)
    return (at in table.final) == (legal_triggers(table, at) == ())


@contract(advance)
def a_decision_is_never_undone(first: int, second: int, third: int) -> bool:
    """Whatever happens to a transaction, from committed it goes to finished only, and from aborted
    nowhere.

    pre: 0 <= first < 5 and 0 <= second < 5 and 0 <= third < 5
    post: _
    """
    given = [chosen(TRIGGERS[-1], trigger) for trigger in (first, second, third)]
    with settled():
        state, decided = TRANSACTION.initial, ""
        for trigger in given:
            try:
                state = advance(TRANSACTION, state, trigger)
            except StateConflict:
                continue
            if state in ("committed", "aborted"):
                assert not decided, f"{decided} has become {state}"
                decided = state
            assert state != "finished" or decided == "committed"
            assert not decided or state in (decided, "finished")
        return True


@contract(mermaid)
def a_diagram_has_a_line_for_each_move(lifecycle: int) -> bool:
    """The diagram of a lifecycle shows each move, the beginning and every end, and nothing else.

    pre: 0 <= lifecycle < len(LIFECYCLES)
    post: _
    """
    table = chosen(LIFECYCLES, lifecycle)
    with settled():
        lines = [f"{source} --> {to}: {trigger}" for trigger, source, to in table.moves]
        ends = [f"{state} --> [*]" for state in table.final]
        drawn = [line.strip() for line in mermaid(table).splitlines()]
        return drawn == ["stateDiagram-v2", f"[*] --> {table.initial}", *lines, *ends]
