"""What a search did and found, as a document and as text."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stateful_tests.fuzz.coverage import cells, covered, possible_cells
from stateful_tests.fuzz.failures import versions
from stateful_tests.fuzz.search import Ending, Progress


@dataclass(frozen=True)
class Summary:
    """A search that has ended.

    `options` are those that it was run with, the seed among them, as they are named on the command
    line.
    """

    options: Mapping[str, Any]
    ending: Ending
    progress: Progress

    def to_document(self) -> dict[str, Any]:
        """As a JSON object; what differs from run to run with one seed is under `times`."""
        progress = self.progress
        tally = progress.tally
        return {
            "options": {name: value for name, value in self.options.items() if value is not None},
            "versions": versions(),
            "ending": self.ending,
            "histories": progress.executed,
            "steps": tally.counts["steps"],
            "calls": tally.counts["calls"],
            "faults": dict(sorted(tally.faults.items())),
            "covered": {
                name: {"states": list(each.states), "transitions": list(each.transitions)}
                for name, each in covered(tally).items()
            },
            "faultCells": list(cell_counts(progress)),
            "failures": [
                {
                    "file": path.name,
                    "kind": failure.kind,
                    "error": failure.signature.error,
                    "place": failure.signature.place,
                    "message": failure.message,
                    "steps": len(failure.steps),
                    "isShrunk": failure.is_shrunk,
                    "isRepeated": failure.is_repeated,
                }
                for failure, path in progress.failures
            ],
            "metAgain": progress.met,
            "times": {
                "seconds": round(progress.seconds, 3),
                "historiesPerSecond": round(rate(progress), 2),
                "secondsByWorker": [round(seconds, 3) for seconds in progress.by_worker],
            },
        }

    def lines(self) -> Iterator[str]:
        """For people."""
        progress = self.progress
        yield f"seed {self.options['seed']}: {self.ending} after {shown_time(progress.seconds)}"
        yield from progress_lines(progress)
        for failure, path in progress.failures:
            headline = failure.message.strip().partition("\n")[0]
            how = "" if failure.is_repeated is not False else " (did not fail again)"
            yield f"{path}: {failure.signature.error}, in {len(failure.steps)} steps{how}"
            yield f"    {failure.signature.place}"
            yield f"    {headline[:200]}"
        if not progress.failures:
            yield "nothing found"


def rate(progress: Progress) -> float:
    """Histories per second."""
    return progress.executed / progress.seconds if progress.seconds else 0.0


def cell_counts(progress: Progress) -> tuple[int, int]:
    """How many cells of those that can happen were met, and how many can."""
    can = possible_cells(progress.tally)
    return len(can & cells(progress.tally).keys()), len(can)


def progress_lines(progress: Progress) -> Iterator[str]:
    """How far a search has come, for people."""
    tally = progress.tally
    yield (
        f"{progress.executed:,} histories, {tally.counts['steps']:,} steps,"
        f" {tally.counts['calls']:,} calls; {rate(progress):.1f} histories a second"
    )
    struck = ", ".join(f"{kind} {count:,}" for kind, count in tally.faults.most_common())
    yield f"faults that struck: {struck or 'none'}"
    parts = covered(tally).values()
    states, all_states = (sum(each.states[index] for each in parts) for index in (0, 1))
    moves, all_moves = (sum(each.transitions[index] for each in parts) for index in (0, 1))
    met, can = cell_counts(progress)
    yield (
        f"covered: {states} of {all_states} states, {moves} of {all_moves} transitions,"
        f" {met:,} of {can:,} cells of operation, effect and fault"
    )
    failures = f"failures: {len(progress.failures)}"
    if progress.shrinking:
        failures += f", being shrunk: {len(progress.shrinking)}"
    if progress.met:
        failures += f", met again {progress.met:,} times"
    yield failures


def shown_time(seconds: float) -> str:
    """As hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
