"""One search of TLC, as data: a module, a small world, and what has to hold in it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

Size = Literal["quick", "nightly"]

FAULTS: Final = (
    "Crash",
    "PowerCut",
    "Unreachable",
    "LateApply",
    "LoseLock",
    "AnswerLost",
    "JournalDown",
    "ReleaseUnanswered",
)


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """A world of a few transactions, and what TLC is to check of it.

    Attributes:
        name: what it is called on the command line and in docs/.
        about: what it shows, in a phrase.
        module: the module that is checked.
        values: constants of the module that are names, each of itself.
        definitions: constants that the module itself defines, by the name that it gives them.
        transactions, keys, coordinators: the names of those that there are.
        paths: how transactions are decided.
        faults: the kinds that may happen, `max_faults` times in all.
        reads: whether somebody reads.
        finishes: whether stores are forced and redo is dropped.
        invariants, properties: what has to hold.
        fair: whether every step that can be taken is taken some time, as liveness needs.
        symmetry: whether states that differ in names alone count as one.
        size: whether it is searched every time, or in the nightly run alone.
        without: the rule that is left out; what is checked has to be refuted then.
    """

    name: str
    about: str
    module: str
    values: tuple[str, ...]
    definitions: Mapping[str, str]
    transactions: tuple[str, ...]
    keys: tuple[str, ...]
    coordinators: tuple[str, ...] = ("c1", "c2")
    paths: tuple[str, ...] = ("one append", "two steps")
    faults: tuple[str, ...] = FAULTS
    max_faults: int = 1
    reads: bool = False
    finishes: bool = True
    invariants: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    fair: bool = False
    symmetry: bool = False
    size: Size = "quick"
    without: str | None = None

    def without_rule(self, rule: str, name: str, checked: str, **world: object) -> "Configuration":
        """A world without a rule of the protocol, in which `checked` has to be refuted."""
        is_invariant = checked in self.invariants
        changed = replace(
            self,
            name=name,
            about=f"without the rule: {rule}",
            without=rule,
            invariants=(checked,) if is_invariant else (),
            properties=() if is_invariant else (checked,),
            symmetry=False,
        )
        return replace(changed, **world)  # type: ignore[arg-type]

    def telling(self) -> "Configuration":
        """The same world, searched so that each step says what it was."""
        return replace(self, symmetry=False)

    @property
    def tells(self) -> bool:
        """Whether a counterexample says what each of its steps was."""
        return not self.symmetry

    def text(self) -> str:
        """The configuration as TLC reads it."""
        lines = [f"SPECIFICATION {'FairSpec' if self.fair else 'Spec'}", "CONSTANTS"]
        constants = {
            "Nobody": "Nobody",
            **{name: name for name in self.values},
            "Transactions": _set(self.transactions),
            "Keys": _set(self.keys),
            "Coordinators": _set(self.coordinators),
            "Paths": _strings(self.paths),
            "Faults": _strings(self.faults),
            "MaxFaults": str(self.max_faults),
            "WithReader": _boolean(self.reads),
            "Finishing": _boolean(self.finishes),
            "Telling": _boolean(self.tells),
            "Without": _strings(() if self.without is None else (self.without,)),
        }
        lines += [f"    {name} = {value}" for name, value in constants.items()]
        lines += [f"    {name} <- {value}" for name, value in self.definitions.items()]
        lines += [f"INVARIANT {name}" for name in self.invariants]
        lines += [f"PROPERTY {name}" for name in self.properties]
        if self.tells:
            lines.append("VIEW vars")
        if self.symmetry:
            lines.append("SYMMETRY Symmetry")
        if self.reads and not self.fair:
            lines.append("CONSTRAINT NobodyAnswered")
        return "\n".join((*lines, ""))


def _set(names: tuple[str, ...]) -> str:
    return f"{{{', '.join(names)}}}"


def _strings(items: tuple[str, ...]) -> str:
    return _set(tuple(f'"{item}"' for item in items))


def _boolean(value: bool) -> str:
    return str(value).upper()
