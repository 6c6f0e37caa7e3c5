"""What became of mutants: a table for people, a document for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from faults.mutants.layers import Layer
from faults.mutants.mutant import Mutant
from faults.mutants.trial import Ran

SOUND: Final = "the library as it is"
_MISSED: Final = "–"  # noqa: RUF001 - as tables are set


@dataclass(frozen=True)
class Result:
    """What the layers have made of a mutant, or of the library as it is (None).

    `ran` is what those that were run did, in that order.
    """

    mutant: Mutant | None
    ran: Mapping[Layer, Ran]
    seconds: float

    @property
    def name(self) -> str:
        """The mutant's."""
        return SOUND if self.mutant is None else self.mutant.name

    @property
    def caught_by(self) -> Sequence[Layer]:
        """The layers in which a test failed."""
        return [layer for layer, ran in self.ran.items() if ran.is_caught]

    @property
    def trouble(self) -> str | None:
        """Why a layer could not be run, if that is so."""
        told = (f"{each.name}: {ran.trouble}" for each, ran in self.ran.items() if ran.trouble)
        return next(told, None)

    @property
    def is_well(self) -> bool:
        """Whether it is as it has to be: a mutant caught, the library as it is not."""
        return not self.trouble and bool(self.caught_by) is (self.mutant is not None)

    def line(self) -> str:
        """In one line."""
        if self.trouble:
            return f"{self.name}: {self.trouble}"
        if not self.caught_by:
            return (
                f"{self.name}: nothing was noticed by {', '.join(each.name for each in self.ran)}"
            )
        parts = (
            f"{layer.name} in {_counted(self.ran[layer].runs, layer.runs)}"
            for layer in self.caught_by
        )
        return f"{self.name}: caught by {', '.join(parts)}"

    def to_document(self) -> dict[str, Any]:
        """As a JSON object."""
        known = {} if self.mutant is None else about(self.mutant)
        return known | {
            "isCaught": bool(self.caught_by),
            "seconds": round(self.seconds, 1),
            "layers": {
                layer.name: {
                    "isCaught": ran.is_caught,
                    layer.runs: ran.runs,
                    "test": ran.test,
                    "error": ran.error,
                    "trouble": ran.trouble,
                }
                for layer, ran in self.ran.items()
            },
        }


def about(mutant: Mutant) -> dict[str, Any]:
    """A mutant as a JSON object."""
    return {"name": mutant.name, "defect": mutant.defect, "breaks": list(mutant.promises)}


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what.removesuffix('s') if number == 1 else what}"


def headings(layers: Sequence[Layer]) -> list[str]:
    """Of a table of results."""
    return ["mutant", "breaks", *(f"{layer.name} ({layer.runs})" for layer in layers)]


def row(result: Result, layers: Sequence[Layer]) -> list[str]:
    """A result, under these headings: the runs until the first failure, for each layer."""
    return [
        result.name,
        "" if result.mutant is None else ", ".join(result.mutant.promises),
        *(_cell(result.ran.get(layer)) for layer in layers),
    ]


def _cell(ran: Ran | None) -> str:
    if ran is None:
        return ""
    if ran.trouble:
        return "could not be run"
    return f"{ran.runs:,}" if ran.is_caught else _MISSED


def totals(results: Sequence[Result]) -> str:
    """How many were caught, in a sentence."""
    mutants = [result for result in results if result.mutant is not None]
    caught = sum(result.is_well for result in mutants)
    return f"{caught} of {len(mutants)} mutants caught"
