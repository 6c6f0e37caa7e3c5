"""A grove's records as plain dictionaries, and what an operation makes of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, NamedTuple

from grove_sm.domain import (
    Bounty,
    Claim,
    Contribution,
    Handoff,
    format_time,
    parse_time,
)
from grove_sm.domain.errors import GroveError


class Balance(NamedTuple):
    """An account."""

    available: int = 0
    reserved: int = 0


@dataclass(frozen=True)
class Records:
    """Everything that a reader of a grove can see, by id; and what it has to remember besides.

    Attributes:
        changed: claim or handoff id -> when it was changed last.
        published: CID -> the answer of the call that published it.
    """

    contributions: Mapping[str, Contribution] = field(default_factory=dict)
    handoffs: Mapping[str, Handoff] = field(default_factory=dict)
    claims: Mapping[str, Claim] = field(default_factory=dict)
    bounties: Mapping[str, Bounty] = field(default_factory=dict)
    accounts: Mapping[str, Balance] = field(default_factory=dict)
    changed: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, "Answer"] = field(default_factory=dict)

    @property
    def visible(self) -> "Records":
        """What a reader can see of it."""
        return replace(self, changed={}, published={})


Answer = Mapping[str, Any]
"""The facts of a result, by name."""

Outcome = Answer | GroveError

Step = tuple[Records, Answer]
"""What an operation leaves, and what its caller is told."""


def later(now: str, by: timedelta) -> str:
    """The time so much after another."""
    return format_time(parse_time(now) + by)
