"""The steps of a history as data: which rule, with which arguments."""

import inspect
import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple, get_type_hints

from hypothesis.stateful import RULE_MARKER, Rule
from pydantic import TypeAdapter, ValidationError

from stateful_tests.machine import History
from stateful_tests.sketches import Sketch

RULES: Final[Mapping[str, Rule]] = {
    name: getattr(member, RULE_MARKER)
    for name, member in inspect.getmembers(History)
    if hasattr(member, RULE_MARKER)
}
"""Every rule of a history, by name."""


class UnknownStepError(ValueError):
    """A step was written down for other rules than there are now."""


class Step(NamedTuple):
    """A rule, and what it was given."""

    rule: str
    arguments: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.rule}({', '.join(f'{k}={v!r}' for k, v in self.arguments.items())})"

    @property
    def signature(self) -> str:
        """What it does, but for the details: the rule, and what it asks for."""
        words = [self.rule]
        for value in self.arguments.values():
            if isinstance(value, Sketch):
                words.append(value.asks)
            elif isinstance(value, str):
                words.append(value)
        return " ".join(words)

    def to_document(self) -> dict[str, Any]:
        """As a JSON object."""
        adapters = _adapters(self.rule)
        arguments = {
            name: adapters[name].dump_python(value, mode="json")
            for name, value in self.arguments.items()
        }
        return {"rule": self.rule, "arguments": arguments}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Step":
        """From such an object. Raises UnknownStepError if there is no such rule any more."""
        rule, given = document["rule"], document["arguments"]
        if rule not in RULES:
            raise UnknownStepError(f"there is no rule {rule!r}; there are {', '.join(RULES)}")
        adapters = _adapters(rule)
        if set(given) != set(adapters):
            raise UnknownStepError(f"{rule} takes {sorted(adapters)}, not {sorted(given)}")
        try:
            return cls(
                rule,
                {
                    name: adapters[name].validate_json(json.dumps(value))
                    for name, value in given.items()
                },
            )
        except ValidationError as error:
            raise UnknownStepError(f"{rule}: {error}") from error

    def play(self, history: History) -> bool:
        """Have a history take the step; whether it could.

        Raises what the rule raises.
        """
        rule = RULES[self.rule]
        if not all(allows(history) for allows in rule.preconditions):
            return False
        rule.function(history, **self.arguments)
        return True


@cache
def _adapters(rule: str) -> Mapping[str, TypeAdapter[Any]]:
    hints = get_type_hints(RULES[rule].function)
    return {name: TypeAdapter(hints[name]) for name in RULES[rule].arguments}
