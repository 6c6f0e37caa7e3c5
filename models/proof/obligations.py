"""The proof's obligations, and z3's answers to them.

The invariant is inductive if the first state satisfies it and every step from any state that
satisfies it leads to one that does. Each pair of a step and a conjunct is one obligation: that no
state satisfies the invariant and the guard, and yet not the conjunct afterwards.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

import z3

from models.proof.counterexample import Counterexample, tell
from models.proof.invariant import CONSEQUENCES, FINALITY, INVARIANT, Statement
from models.proof.steps import ALL_KEPT, STEPS, Rules
from models.proof.vocabulary import PLANS, VARIABLES, Formula, State, any_state, first_state

TIMEOUT: Final = 60.0
"""Seconds after which z3 gives an obligation up; none comes near."""


class Obligation(NamedTuple):
    """Something to prove: that `goal` follows from what is assumed.

    `part` is `first state`, a step's name, or `consequences`: all of one part assume the same.
    `before` and `after` are the states that a counterexample is told of.
    """

    part: str
    name: str
    says: str
    assumed: tuple[Formula, ...]
    goal: Formula
    before: State
    after: State


class Result(NamedTuple):
    """What became of an obligation: `proved`, `refuted`, or `undecided` within the time."""

    part: str
    name: str
    says: str
    outcome: str
    seconds: float
    counterexample: Counterexample | None


def obligations(
    invariant: Sequence[Statement] = INVARIANT, rules: Rules = ALL_KEPT
) -> Iterator[Obligation]:
    """Everything that has to be proved of an invariant under these rules."""
    first, now = first_state(), any_state()
    for statement in (*invariant, *CONSEQUENCES):
        yield Obligation(
            "first state", statement.name, statement.says, (), statement.holds(first), first, first
        )
    held = tuple(closed(conjunct.holds(now)) for conjunct in invariant)
    for name, make_step in STEPS.items():
        step = make_step(now, rules)
        assumed = (*held, step.guard)
        for conjunct in invariant:
            goal = conjunct.holds(step.after)
            yield Obligation(name, conjunct.name, conjunct.says, assumed, goal, now, step.after)
        for change in FINALITY:
            goal = change.holds(now, step.after)
            yield Obligation(name, change.name, change.says, assumed, goal, now, step.after)
    for statement in CONSEQUENCES:
        goal = statement.holds(now)
        yield Obligation("consequences", statement.name, statement.says, held, goal, now, now)


def prove(obligations: Iterable[Obligation], *, telling: bool = True) -> Iterator[Result]:
    """Ask z3 whether they can be broken. Those of one part must assume the same.

    Without `telling`, what is refuted comes without its counterexample, which takes longer to make
    small than to find.
    """
    for _, of_part in groupby(obligations, key=lambda obligation: obligation.part):
        solver = z3.Solver()
        solver.set("timeout", int(TIMEOUT * 1000))
        for index, obligation in enumerate(of_part):
            if index == 0:
                solver.add(PLANS, *obligation.assumed)
            solver.push()
            yield _proved(solver, obligation, telling=telling)
            solver.pop(solver.num_scopes())


def _proved(solver: Any, obligation: Obligation, *, telling: bool) -> Result:
    began = time.perf_counter()
    # Variables of the goal that nothing binds are a case that breaks it.
    solver.add(z3.Not(obligation.goal))
    outcome = {"unsat": "proved", "sat": "refuted"}.get(str(solver.check()), "undecided")
    seconds = time.perf_counter() - began
    counterexample = None
    if telling and outcome == "refuted":
        counterexample = tell(solver, obligation.before, obligation.after)
    return Result(
        obligation.part, obligation.name, obligation.says, outcome, seconds, counterexample
    )


def closed(formula: Formula) -> Formula:
    """The formula for all values of the variables in it."""
    variables = variables_in(formula)
    return z3.ForAll(variables, formula) if variables else formula


def variables_in(formula: Formula) -> list[Formula]:
    """The variables of statements that occur in a formula, unbound."""
    seen: set[int] = set()
    found: list[Formula] = []

    def visit(part: Formula) -> None:
        if part.get_id() in seen:
            return
        seen.add(part.get_id())
        if z3.is_quantifier(part):
            visit(part.body())
        elif any(part.eq(variable) for variable in VARIABLES):
            found.append(part)
        for child in part.children():
            visit(child)

    visit(formula)
    return found
