"""The demo's results for people and for programs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from pydantic.alias_generators import to_camel
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from grove_sm.demo.verdict import Verdict

_ROWS: Final = (
    ("operations acknowledged", "acknowledged"),
    ("refused: another was first", "refused"),
    ("kills (SIGKILL)", "kills"),
    ("operations cut off by a kill", "cut_off"),
    ("  rolled forward: there as a whole", "rolled_forward"),
    ("  rolled back: no trace of them", "rolled_back"),
    ("  left in part", "in_part"),
    ("brought to an end by a recovery", "recoveries"),
    ("violations", "violations"),
)

_MEANINGS: Final[Mapping[str, str]] = {
    "a contribution has its handoffs": "contributions that nobody was told of: no handoffs",
    "a claim has its bounty": "claims whose bounty is still open: claimed, and yet it is not",
    "an unsettled bounty's amount is reserved": "bounties that promise credits nobody set aside",
}
"""What a rule that was broken by a number of records means to the agents."""


@dataclass(frozen=True)
class Outcome:
    """Everything that a run of the demo found."""

    seed: int
    history: str
    imported: int
    workers: int
    kills: int
    safe: Verdict
    unsafe: Verdict


def to_document(outcome: Outcome) -> dict[str, Any]:
    """The outcome as a JSON object with camelCase keys."""
    document: dict[str, Any] = _camel(asdict(outcome))
    return document


def to_table(outcome: Outcome) -> Group:
    """The two sides beside each other, and what the unsafe one's violations mean."""
    table = Table(title=f"{outcome.workers} workers, five SQLite files", title_justify="left")
    table.add_column("")
    table.add_column("with the journal", justify="right")
    table.add_column("unsafe: one store,\nthen the other", justify="right")
    for label, name in _ROWS:
        cells = [_cell(outcome, verdict, name) for verdict in (outcome.safe, outcome.unsafe)]
        table.add_row(label, *cells, end_section=name in {"kills", "recoveries"})
    lines = [*_explain("with the journal", outcome.safe), *_explain("unsafe", outcome.unsafe)]
    again = f"--seed {outcome.seed} makes the same choices again."
    return Group(table, *(Text(line) for line in (*lines, again)))


def show(outcome: Outcome, console: Console) -> None:
    """Print the outcome for people."""
    console.print(to_table(outcome))


def _cell(outcome: Outcome, verdict: Verdict, name: str) -> Text:
    if name == "kills":
        return Text(f"{outcome.kills}")
    value = getattr(verdict, name)
    count = len(value) if isinstance(value, tuple) else value
    is_bad = name in {"in_part", "violations"}
    style = "" if not is_bad else "bold red" if count else "bold green"
    return Text(f"{count:,}", style=style)


def _explain(side: str, verdict: Verdict) -> list[str]:
    """What was broken and how often, with an example of each."""
    if not verdict.violations:
        return []
    lines = [f"What is broken, {side}:"]
    counts = Counter(violation.rule for violation in verdict.violations)
    example = {violation.rule: violation for violation in verdict.violations}
    for rule, count in counts.most_common():
        records = ", ".join(map(_shorten, example[rule].records))
        lines.append(f"  {count:3} {_MEANINGS.get(rule, f'times broken: {rule}')}")
        lines.append(f"      {records}: {example[rule].found}")
    return lines


def _shorten(record: str) -> str:
    kind, _, record_id = record.partition(" ")
    return f"{kind} {record_id[:24]}{'...' if len(record_id) > 24 else ''}"


def _camel(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {to_camel(key): _camel(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_camel(item) for item in value]
    return value
