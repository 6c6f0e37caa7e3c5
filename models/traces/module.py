"""Runs as a TLA+ module: the constants of models/tla/Trace.tla."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from models.traces.steps import OBSERVATIONS, Intent, Record, Step, Story

_HEAD: Final = """---- MODULE Runs ----
EXTENDS Integers, TLC
"""
_NOBODY: Final = 0


class Numbers:
    """What each name of a run is in TLA+: transactions and records are numbers there.

    Args:
        story: the run.
        stores: the stores of all runs, in the order of their numbers.
    """

    def __init__(self, story: Story, stores: Sequence[str]) -> None:
        self._story = story
        self._stores = stores
        self.transactions = {txid: number for number, txid in enumerate(story.intents, 1)}
        self._keys = {
            key: number
            for number, key in enumerate(
                sorted({key for intent in story.intents.values() for key in intent.keys}), 1
            )
        }
        self._documents: dict[tuple[Record, str | None], int] = {}
        self.records = self._number_records()

    @property
    def most_records(self) -> int:
        """The highest number of a record."""
        return max(self.records.values(), default=0)

    def store(self, store: str) -> int:
        """A store's number."""
        return 1 + self._stores.index(store)

    def nothing(self, store: str) -> int:
        """A record that nobody ever writes: who relies on it asks the store for a vote."""
        return self.store(store)

    def key(self, key: str) -> int:
        """A key's number."""
        return self._keys[key]

    def document(self, record: Record, digest: str | None) -> int:
        """A document's number."""
        return self._documents.setdefault((record, digest), len(self._documents) + 1)

    def revision(self, record: Record, revision: int) -> int:
        """A revision, counted from how the record was met first."""
        return revision - self._story.first.get(record, 0)

    def _number_records(self) -> dict[Record, int]:
        """Numbers that tell the store: modulo the number of stores."""
        story = self._story
        met = dict.fromkeys(story.first)
        for intent in story.intents.values():
            met.update(dict.fromkeys((*intent.writes, *intent.relied)))
        for step in story.steps:
            if step.name == "Read":
                met.update(dict.fromkeys(step.facts["found"]))
        next_number = {store: self.nothing(store) for store in self._stores}
        numbers = {}
        for record in met:
            store = story.places[record[0]]
            next_number[store] += len(self._stores)
            numbers[record] = next_number[store]
        return numbers


def stores_of(stories: Iterable[Story]) -> list[str]:
    """The stores of runs, in the order of their numbers, which begin with 1."""
    return sorted({store for story in stories for store in story.places.values()})


def runs_module(runs: Sequence[tuple[Story, Sequence[Sequence[Step]]]], stop: int = 0) -> str:
    """The text of the module that holds these runs, each with its steps in groups.

    TLC takes a group at once: it is one step, or observations. It is to tell what the
    specification says before the group with the number `stop`, counted from 1.
    """
    stories = [story for story, _ in runs]
    stores = stores_of(stories)
    numbers = [Numbers(story, stores) for story in stories]
    most = {
        "transactions": max((len(each.transactions) for each in numbers), default=0),
        "coordinators": max((story.coordinators for story in stories), default=0),
        "keys": max((each.most_records for each in numbers), default=0) + len(stores),
        "stores": len(stores),
    }
    texts = (_run(*run, each) for run, each in zip(runs, numbers, strict=True))
    head = f"{_HEAD}Stop == {stop}\nMost == {_value(most)}\n"
    return f"{head}Runs == <<\n{','.join(texts)}\n>>\n====\n"


def _run(story: Story, groups: Sequence[Sequence[Step]], numbers: Numbers) -> str:
    transactions = ",\n   ".join(
        _value(_transaction(intent, story, numbers)) for intent in story.intents.values()
    )
    steps = ",\n   ".join(_group(group, numbers) for group in groups)
    return f"[transactions |-> <<\n   {transactions}>>,\n steps |-> <<\n   {steps}>>]"


def _transaction(intent: Intent, story: Story, numbers: Numbers) -> Mapping[str, Any]:
    relied = {
        numbers.records[record]: numbers.revision(record, revision)
        for record, revision in intent.relied.items()
    }
    relied.update({numbers.nothing(store): 0 for store in intent.voters})
    writes = {
        numbers.records[record]: numbers.document(record, digest)
        for record, (_, digest) in intent.writes.items()
    }
    return {
        "holds": {numbers.key(key) for key in intent.keys},
        "relied": relied,
        "writes": writes,
        "unwanted": set(_unwanted(intent, story, numbers)),
    }


def _unwanted(intent: Intent, story: Story, numbers: Numbers) -> Iterable[tuple[int, int]]:
    """What may not be there: a record as a transaction has left it, that a search would find."""
    for search in intent.searched:
        for txid, other in story.intents.items():
            for record, fields in other.fields.items():
                if record not in search["found"] and _would_find(search, record, fields, story):
                    yield numbers.records[record], numbers.transactions[txid]


def _would_find(
    search: Mapping[str, Any], record: Record, fields: Mapping[str, Any], story: Story
) -> bool:
    if record[0] != search["collection"]:
        return False
    if search.get("newest"):
        age = fields["createdAt"], record[1]
        if any((story.created.get(known, ""), known[1]) > age for known in search["found"]):
            return False
    # Of several values, as a list of tags has them, one has to be the one searched for.
    return all(
        value in fields[name] if isinstance(fields[name], list) else value == fields[name]
        for name, value in search["where"].items()
    )


def _group(group: Sequence[Step], numbers: Numbers) -> str:
    if group[0].name not in OBSERVATIONS:
        (step,) = group
        return _value(_step(step, numbers))
    seen = dict.fromkeys(_value(_step(step, numbers)) for step in group)
    return f'[name |-> "Observed", seen |-> <<{", ".join(seen)}>>]'


def _step(step: Step, numbers: Numbers) -> Mapping[str, Any]:
    told: dict[str, Any] = {"name": step.name}
    if step.c is not None:
        told["c"] = step.c
    if step.t is not None:
        told["t"] = numbers.transactions[step.t]
    if step.s is not None:
        told["s"] = numbers.store(step.s)
    for fact, value in step.facts.items():
        told[fact] = _fact(fact, value, numbers)
    return told


def _fact(fact: str, value: Any, numbers: Numbers) -> Any:
    transactions = numbers.transactions
    match fact:
        case "votes":
            return {numbers.store(store): vote for store, vote in value.items()}
        case "by" | "settled":
            return {transactions[txid] for txid in value}
        case "found" if isinstance(value, dict):
            return {
                numbers.records[record]: (
                    numbers.revision(record, revision),
                    transactions.get(by, _NOBODY),
                )
                for record, (revision, by) in value.items()
            }
        case "found":
            return {(transactions[txid], state) for txid, state in value}
    return "none" if value is None else value


def _value(value: Any) -> str:
    """A value in TLA+: records have names for keys, functions numbers."""
    match value:
        case bool():
            return str(value).upper()
        case int():
            return str(value)
        case str():
            return f'"{value}"'
        case tuple():
            return f"<<{', '.join(map(_value, value))}>>"
        case dict():
            return _function(value)
    return f"{{{', '.join(sorted(map(_value, value)))}}}"


def _function(value: Mapping[Any, Any]) -> str:
    if not value:
        return "<<>>"
    if all(isinstance(key, str) for key in value):
        return f"[{', '.join(f'{key} |-> {_value(each)}' for key, each in value.items())}]"
    return f"({' @@ '.join(f'{key} :> {_value(each)}' for key, each in value.items())})"
