"""A counterexample to induction in words: who is there, what holds before, what changes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Final, NamedTuple

import z3

from models.proof.vocabulary import (
    ACTORS,
    FIXED,
    RELATIONS,
    SORTS,
    VARIABLES,
    Formula,
    State,
    any_state,
)

_MOST: Final = 3
"""Up to how many of each sort it is tried to do with."""


class Counterexample(NamedTuple):
    """A state that breaks an obligation.

    Attributes:
        there: who is there.
        case: whom the step and the broken statement are about, by the names these have there.
        fixed: what never changes.
        before: what holds in the state.
        gained: what holds in the next state and did not.
        lost: what held and does no more.
    """

    there: Sequence[str]
    case: Mapping[str, str]
    fixed: Sequence[str]
    before: Sequence[str]
    gained: Sequence[str]
    lost: Sequence[str]


class _World:
    """A model of z3 as a finite world that formulas can be asked of."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.there = {sort.name(): model.get_universe(sort) or [] for sort in SORTS}
        self._names = {
            str(element): f"{sort.lower()} {number}"
            for sort, elements in self.there.items()
            for number, element in enumerate(elements, 1)
        }

    @property
    def names(self) -> list[str]:
        """Everybody's."""
        return list(self._names.values())

    def name(self, term: Formula) -> str:
        """Who it is."""
        return self._names[str(self._model.eval(term, model_completion=True))]

    def holds(self, formula: Formula) -> bool:
        """Whether a formula without variables holds."""
        value = self._model.eval(self._grounded(formula), model_completion=True)
        return bool(z3.is_true(z3.simplify(value)))

    def facts(self, function: Formula, label: str) -> Iterator[str]:
        """What a relation holds of, or where a function leads."""
        sorts = [function.domain(place).name() for place in range(function.arity())]
        for of in product(*(self.there[sort] for sort in sorts)):
            names = [self.name(element) for element in of]
            if function.range() != z3.BoolSort():
                yield f"{label}({', '.join(names)}) = {self.name(function(*of))}"
            elif self.holds(function(*of)):
                yield f"{label}({', '.join(names)})"

    def state(self, state: State) -> list[str]:
        """What holds in a state."""
        return [
            fact
            for name in RELATIONS
            for fact in self.facts(_Defined(getattr(any_state(), name), getattr(state, name)), name)
        ]

    def _grounded(self, formula: Formula) -> Formula:
        """The formula with each quantifier as what it says of everybody there."""
        if not z3.is_expr(formula):
            return z3.BoolVal(formula)
        if z3.is_quantifier(formula):
            sorts = [formula.var_sort(place).name() for place in range(formula.num_vars())]
            cases = [
                self._grounded(z3.substitute_vars(formula.body(), *reversed(of)))
                for of in product(*(self.there[sort] for sort in sorts))
            ]
            return z3.And(*cases) if formula.is_forall() else z3.Or(*cases)
        if not formula.children():
            return formula
        return formula.decl()(*map(self._grounded, formula.children()))


class _Defined:
    """A relation of the next state: the sorts of one function, the values of another."""

    def __init__(self, declared: Formula, define: Callable[..., Formula]) -> None:
        self.arity, self.domain, self.range = declared.arity, declared.domain, declared.range
        self._define = define

    def __call__(self, *of: Formula) -> Formula:
        return self._define(*of)


def tell(solver: Any, before: State, after: State) -> Counterexample:
    """A solver's model, made as small as it can be, as a counterexample."""
    model = _smallest(solver)
    world = _World(model)
    declared = {declaration.name() for declaration in model.decls()}
    held, holding = world.state(before), world.state(after)
    return Counterexample(
        there=world.names,
        case={
            str(constant): world.name(constant)
            for constant in (*ACTORS, *VARIABLES)
            if str(constant) in declared
        },
        fixed=[
            fact
            for function in FIXED
            if function.name() in declared
            for fact in world.facts(function, function.name())
        ],
        before=held,
        gained=[fact for fact in holding if fact not in held],
        lost=[fact for fact in held if fact not in holding],
    )


def _smallest(solver: Any) -> Any:
    """A model with as few of each sort, and in which as little holds, as can be had one by one."""
    model = solver.model()
    there: dict[str, list[Formula]] = {}
    for sort in SORTS:
        for size in range(1, _MOST + 1):
            members = [z3.Const(f"{sort.name()} {number}", sort) for number in range(size)]
            anybody = z3.Const("anybody", sort)
            solver.push()
            solver.add(z3.ForAll([anybody], z3.Or(*(anybody == member for member in members))))
            if solver.check() == z3.sat:
                model, there[sort.name()] = solver.model(), members
                break
            solver.pop()
    now = any_state()
    for relation in (*(getattr(now, name) for name in RELATIONS), *FIXED):
        if relation.range() != z3.BoolSort():
            continue
        sorts = [relation.domain(place).name() for place in range(relation.arity())]
        for of in product(*(there.get(sort, ()) for sort in sorts)):
            solver.push()
            solver.add(z3.Not(relation(*of)))
            if solver.check() == z3.sat:
                model = solver.model()
            else:
                solver.pop()
    return model
