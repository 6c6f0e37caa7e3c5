"""What runs did, in numbers: whether all that is to be seen in traces was there to be seen."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from models.traces.steps import Story

Counts = Counter[str]

COUNTED: Final[Mapping[str, str]] = {
    "runs": "runs",
    "steps": "steps",
    "transactions": "transactions",
    "committed": "committed",
    "died": "processes that died in the middle",
    "rolled forward": "rolled forward by somebody else",
    "aborted": "aborted by somebody else",
    "taken for dead": "coordinators taken for dead",
    "refused": "commits refused, since somebody was first",
    "unknown": "decisions whose answer was lost",
    "unreachable": "applies that failed",
    "late": "applies that came late or again",
}
"""What is counted, by name, in words."""


def counts_of(story: Story) -> Counts:
    """The counts of one run."""
    counts = Counts({"runs": 1, "steps": len(story.steps), "transactions": len(story.intents)})
    owners: dict[str, int] = {}
    left: set[str] = set()
    for step in story.steps:
        by = step.event.call.coordinator
        match step.name:
            case "Plan":
                owners[step.t or ""] = by
            case "HoldAndDecide" | "RecordCommit":
                counts["committed"] += 1
                counts["unknown"] += not step.facts["answered"]
                left.add(step.t or "")
            case "HoldKeys":
                left.add(step.t or "")
            case "RecordAbort" | "DropRedo":
                left.discard(step.t or "")
            case "Crash":
                counts["died"] += any(owners[txid] == by for txid in left)
            case "Applied":
                counts["rolled forward"] += owners[step.t or ""] != by
            case "Abort":
                counts["aborted"] += owners[step.t or ""] != by
            case "Alive":
                counts["taken for dead"] += not step.facts["alive"] and step.facts["of"] != 0
            case name if name in _BY_STEP:
                counts[_BY_STEP[name]] += 1
    return counts


_BY_STEP: Final = {
    "CommitRefused": "refused",
    "Unreachable": "unreachable",
    "LateApply": "late",
}
