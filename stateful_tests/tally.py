"""What a suite of histories has covered."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from grove_sm.lifecycles import LIFECYCLES, Lifecycle

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
        for lifecycle in LIFECYCLES:
            missed = [move for move in transitions_of(lifecycle) if not self.transitions[move]]
            covered = len(lifecycle.moves) - len(missed)
            line = f"{lifecycle.name}: {covered} of {len(lifecycle.moves)} transitions"
            if missed:
                shown = (f"{trigger} from {source}" for _, source, trigger in missed)
                line += f"; missed: {', '.join(shown)}"
            yield line


def transitions_of(lifecycle: Lifecycle[str]) -> Sequence[Transition]:
    """The transitions of a lifecycle, as tallies count them."""
    return [(lifecycle.name, source, trigger) for trigger, source, _ in lifecycle.moves]
