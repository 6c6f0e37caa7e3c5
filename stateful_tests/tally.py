"""What a suite of random histories has covered, and what of the lifecycles can be covered."""

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import grove_sm
from grove_sm.lifecycles import LIFECYCLES, Lifecycle, tables

Transition = tuple[str, str, str]
"""A lifecycle's name, a source and a trigger."""


class Tally:
    """Counts.

    Attributes:
        counts: histories, steps, and how calls ended.
        faults: strikes by kind.
        cells: strikes by (operation, effect, kind of fault).
        transitions: moves of the five lifecycles.
        effects: by (operation, slot, offset, effect), what processes that are watched did.
        operations: by (signature, operation), what steps attempted that somebody followed.
    """

    def __init__(self) -> None:
        self.counts = Counter[str]()
        self.faults = Counter[str]()
        self.cells = Counter[str]()
        self.transitions = Counter[Transition]()
        self.effects = Counter[tuple[str, int, int, str]]()
        self.operations = Counter[tuple[str, str]]()

    def observe(self, lifecycle: Lifecycle[str], source: str, trigger: str, to: str) -> None:
        """Note a move (for `grove_sm.lifecycles.observe`)."""
        self.transitions[lifecycle.name, source, trigger] += 1

    def strike(self, operation: str, effect: str, kind: str) -> None:
        """Note that a fault has struck."""
        self.faults[kind] += 1
        self.cells[f"{operation} | {effect} | {kind}"] += 1

    def add(self, other: "Tally") -> None:
        """Add another's counts."""
        for name, counter in vars(self).items():
            counter.update(getattr(other, name))

    def to_document(self) -> dict[str, Any]:
        """As a JSON object."""
        return {name: [[key, n] for key, n in c.items()] for name, c in vars(self).items()}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Tally":
        """From such an object."""
        tally = cls()
        for name, pairs in document.items():
            counter: Counter[Any] = getattr(tally, name)
            for key, n in pairs:
                counter[tuple(key) if isinstance(key, list) else key] += n
        return tally

    def lines(self) -> Iterator[str]:
        """The counts, for people."""
        yield "  ".join(f"{name} {n}" for name, n in sorted(self.counts.items()))
        yield f"cells of operation, effect and fault: {len(self.cells)}"
        yield "faults: " + ", ".join(f"{name} {n}" for name, n in self.faults.most_common())
        can_happen = reachable(self.transitions)
        for lifecycle in LIFECYCLES:
            moves = {(lifecycle.name, source, trigger) for trigger, source, _ in lifecycle.moves}
            covered = {move for move in moves if self.transitions[move]}
            missed = sorted((moves & can_happen) - covered)
            beyond = sorted(moves - can_happen - covered)
            line = f"{lifecycle.name}: {len(covered)} of {len(moves)} transitions"
            if missed:
                line += f"; missed: {_shown(missed)}"
            if beyond:
                line += f"; by no public operation yet: {_shown(beyond)}"
            yield line


def _shown(moves: list[Transition]) -> str:
    return ", ".join(f"{trigger} from {source}" for _, source, trigger in moves)


def reachable(seen: Mapping[Transition, int]) -> set[Transition]:
    """The transitions that the library's code can make.

    Those whose trigger the code pulls somewhere, from a state that is the initial one, was seen,
    or follows from these.
    """
    pulled = pulled_triggers()
    found: set[Transition] = set()
    for lifecycle in LIFECYCLES:
        states = {lifecycle.initial, *(s for name, s, _ in seen if name == lifecycle.name)}
        usable = [move for move in lifecycle.moves if move[0] in pulled[lifecycle.name]]
        for _ in lifecycle.states:
            states |= {to for _, source, to in usable if source in states}
        found |= {(lifecycle.name, s, trigger) for trigger, s, _ in usable if s in states}
    return found


_TABLES: Final[Mapping[str, str]] = {
    variable: lifecycle.name
    for variable, lifecycle in vars(tables).items()
    if isinstance(lifecycle, Lifecycle)
}


def pulled_triggers() -> Mapping[str, set[str]]:
    """By lifecycle, the triggers that stand somewhere in the library's code.

    Found as the literal that a call of `advance` has after a lifecycle, or that a function of the
    same module is called with, which passes that argument on to `advance`.
    """
    pulled: dict[str, set[str]] = {lifecycle.name: set() for lifecycle in LIFECYCLES}
    for path in Path(grove_sm.__path__[0]).rglob("*.py"):
        module = ast.parse(path.read_text())
        passing = {"advance": (None, 2)} | _passing_on(module)
        for call in _calls(module):
            name, position = passing.get(_name(call.func), (None, -1))
            lifecycle = name or _lifecycle(call)
            if lifecycle is not None and 0 <= position < len(call.args):
                argument = call.args[position]
                if isinstance(argument, ast.Constant):
                    pulled[lifecycle].add(str(argument.value))
    return pulled


def _passing_on(module: ast.Module) -> dict[str, tuple[str | None, int]]:
    """Functions that pass an argument on as a trigger: name -> lifecycle, its position."""
    found: dict[str, tuple[str | None, int]] = {}
    for function in ast.walk(module):
        if isinstance(function, ast.FunctionDef):
            parameters = [argument.arg for argument in function.args.args]
            for call in _calls(function):
                lifecycle = _lifecycle(call)
                if lifecycle and len(call.args) > 2 and _name(call.args[2]) in parameters:
                    found[function.name] = lifecycle, parameters.index(_name(call.args[2]))
    return found


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _lifecycle(call: ast.Call) -> str | None:
    if _name(call.func) != "advance" or not call.args:
        return None
    return _TABLES.get(_name(call.args[0]))
