"""A trace, read: the calls in it, and which of what was asked took effect.

The form of its lines is that of `grove_sm.tracing`. Where faults come between a coordinator and
its journal and stores, a trace has two sides: what was `asked`, and how that was answered; and
what `arrived`. A trace without sides is taken for both.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from grove_sm.domain.errors import ValidationError
from grove_sm.tracing import FORMAT, Line

_ARRIVED: Final = "arrived"
_ABOUT_THE_CALL: Final = frozenset(
    {"call", "coordinator", "thread", "side", "began", "ended", "error"}
)


@dataclass(frozen=True)
class Call:
    """One call. `ended` and `error` are None if it was never answered, or without an error."""

    name: str
    coordinator: int
    thread: int
    side: str
    began: int
    facts: Mapping[str, Any]
    ended: int | None = None
    error: str | None = None

    def __getitem__(self, fact: str) -> Any:
        return self.facts[fact]

    def get(self, fact: str) -> Any:
        """A fact, or None if the trace does not tell it."""
        return self.facts.get(fact)

    @property
    def is_done(self) -> bool:
        """Whether it was answered without an error."""
        return self.ended is not None and self.error is None

    def encloses(self, other: "Call") -> bool:
        """Whether another call can be what arrived of this one."""
        return (
            (self.name, self.coordinator, self.thread)
            == (other.name, other.coordinator, other.thread)
            and (self.get("store"), self.get("txid")) == (other.get("store"), other.get("txid"))
            and self.began <= other.began
            and (self.ended is None or (other.ended is not None and other.ended <= self.ended))
        )


class Event(NamedTuple):
    """What was asked and what arrived of it; either may be missing.

    Without faults in between they are the same call. What arrives without having been asked then
    was sent before: it is late, or arrives once more.
    """

    asked: Call | None
    arrived: Call | None

    @property
    def call(self) -> Call:
        """What was asked, or else what arrived."""
        call = self.asked or self.arrived
        assert call is not None
        return call

    @property
    def has_arrived(self) -> bool:
        """Whether it has taken effect."""
        return self.arrived is not None and self.arrived.is_done

    @property
    def is_answered(self) -> bool:
        """Whether its coordinator knows that it has taken effect."""
        return self.asked is not None and self.asked.is_done

    @property
    def time(self) -> int:
        """When it took effect, or failed."""
        call = self.arrived or self.call
        return call.began if call.ended is None else call.ended


def read_lines(text: Iterable[str], name: str) -> Iterator[Line]:
    """The lines of a trace file of this name. Raises ValidationError if it is none."""
    for number, line in enumerate(text, 1):
        try:
            told = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValidationError(
                field=f"{name}, line {number}", rule=f"must be JSON: {error}", value=line
            ) from None
        if not isinstance(told, dict) or not {"coordinator", "thread", "began"} <= set(told):
            raise ValidationError(
                field=f"{name}, line {number}",
                rule="must be a line of a trace, with coordinator, thread and began",
                value=line,
            )
        yield told


def calls_of(lines: Iterable[Line]) -> list[Call]:
    """The calls that lines tell of. Raises ValidationError for a trace of another format."""
    told: dict[tuple[int, str, int, int], Line] = {}
    for line in lines:
        side = line.get("side", "")
        name = line["coordinator"], side, line["thread"], line["began"]
        told.setdefault(name, {}).update(line)
    return [_call(line) for line in told.values()]


def _call(line: Line) -> Call:
    if "call" not in line:
        raise ValidationError(
            field="trace",
            rule="must tell what was asked before it tells the answer; its beginning is missing",
            value=line,
        )
    if line["call"] == "open" and line.get("format") != FORMAT:
        raise ValidationError(field="format", rule=f"must be {FORMAT}", value=line.get("format"))
    return Call(
        line["call"],
        line["coordinator"],
        line["thread"],
        line.get("side", ""),
        line["began"],
        {fact: value for fact, value in line.items() if fact not in _ABOUT_THE_CALL},
        line.get("ended"),
        line.get("error"),
    )


def events_of(calls: Iterable[Call]) -> list[Event]:
    """What was asked with what arrived of it, in the order in which that was."""
    calls = list(calls)
    arrived = sorted((c for c in calls if c.side == _ARRIVED), key=lambda c: c.began)
    asked = [c for c in calls if c.side != _ARRIVED]
    of: dict[int, list[Call]] = {}
    events = []
    for call in arrived:
        senders = [index for index, each in enumerate(asked) if each.encloses(call)]
        if senders:
            # The last to begin is the innermost.
            of.setdefault(max(senders, key=lambda index: asked[index].began), []).append(call)
        else:
            events.append(Event(None, call))
    for index, call in enumerate(asked):
        if call.side:
            first, *more = of.get(index, [None])
            events.append(Event(call, first))
            events += [Event(None, again) for again in more]
        else:
            events.append(Event(call, call))
    return sorted(events, key=lambda event: event.time)
