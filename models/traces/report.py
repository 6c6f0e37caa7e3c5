"""Batches of runs, recorded and checked: what became of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from faults.schedule import Crash
from models.tla.tlc import ModelError
from models.traces.counts import COUNTED, Counts, counts_of
from models.traces.runs import Batch, Run, record
from models.traces.verdict import Refusal, explain, judge

ALL_ALLOWED: Final = 0
NOT_ALLOWED: Final = 1
NOT_CHECKED: Final = 3
_EXPLAINED: Final = 2


@dataclass
class Report:
    """What became of runs so far.

    Attributes:
        counts: what the runs did, in numbers.
        refused: those that are not allowed, and of the first few why; None of the others.
        failed: why batches could not be recorded or checked.
    """

    counts: Counts = field(default_factory=Counts)
    refused: list[tuple[Run, Refusal | None]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def add(self, other: "Report") -> None:
        """Add what became of others."""
        self.counts.update(other.counts)
        self.refused += other.refused
        self.failed += other.failed

    @property
    def status(self) -> int:
        """The exit status."""
        if self.refused:
            return NOT_ALLOWED
        return NOT_CHECKED if self.failed else ALL_ALLOWED

    def lines(self) -> Iterator[str]:
        """It, for people."""
        for run, refusal in self.refused:
            yield f"not allowed: {run.name}"
            yield from (f"  {line}" for line in (refusal.lines() if refusal else ()))
        for reason in self.failed:
            yield f"not checked: {reason}"
        runs = self.counts["runs"]
        yield f"{runs - len(self.refused)} of {runs} runs are allowed by the specification"
        yield from (f"{self.counts[name]:>9,} {words}" for name, words in COUNTED.items())

    def to_document(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "runs": self.counts["runs"],
            "allowed": self.counts["runs"] - len(self.refused),
            "counts": {name: self.counts[name] for name in COUNTED},
            "refused": [
                {"run": run.name, **(refusal._asdict() if refusal else {})}
                for run, refusal in self.refused
            ],
            "failed": self.failed,
        }


def named(batch: Batch) -> str:
    """A batch, in words."""
    return ", ".join(f"{draw.size} runs ({draw.place}, seed {draw.seed})" for draw in batch)


def check_batch(batch: Batch) -> Report:
    """Record a batch of runs and check them."""
    try:
        return judged([run for draw in batch for run in record(draw)])
    except ModelError as error:
        return Report(failed=[str(error)])
    except (Exception, Crash) as error:
        return Report(
            failed=[f"{named(batch)}: the run itself fails: {type(error).__name__}: {error}"]
        )


def judged(runs: Sequence[Run]) -> Report:
    """Check runs. Raises as `judge`."""
    report = Report()
    for verdict in judge(runs):
        report.counts.update(counts_of(verdict.story))
        if not verdict.is_allowed:
            refusal = explain(verdict) if len(report.refused) < _EXPLAINED else None
            report.refused.append((verdict.run, refusal))
    return report
