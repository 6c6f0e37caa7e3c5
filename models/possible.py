"""The worlds that may be, given what was asked and what was seen.

A caller that crashed, or was told that the outcome is unknown, leaves two worlds where there was
one: in one its request happened, in the other it did not. Whatever the system shows later rules
worlds out. If none is left, the system has done what no order of whole operations could.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any, Final, NamedTuple

from grove_sm.domain import Record
from grove_sm.domain.errors import (
    ClaimConflict,
    GroveError,
    InsufficientCredits,
    NotFound,
    StateConflict,
    ValidationError,
)
from models.records import Answer, Outcome, Records
from models.reference import Reference, World
from models.requests import Call, Request, Sweep

MOST_WORLDS: Final = 256
_MOST_STEPS: Final = 2

_FACTS: Final[Mapping[type[GroveError], tuple[str, ...]]] = {
    ValidationError: ("field",),
    NotFound: ("record",),
    StateConflict: ("record",),
    ClaimConflict: ("target_ref", "holder", "claim_id", "lease_expires_at"),
    InsufficientCredits: ("agent_id", "needed", "available"),
}
"""What a refusal must agree in, beside its class; how it is put into words is its own matter."""

REFUSALS: Final = tuple(_FACTS)


class Nothing(NamedTuple):
    """The caller was told that nothing was written."""


class Unknown(NamedTuple):
    """The caller does not know; `txid` is what it may ask by, if it was told that."""

    txid: str | None = None


Heard = Answer | GroveError | Nothing | Unknown
"""What a caller has heard: an answer, a refusal, or less."""


class ImpossibleError(AssertionError):
    """No world is left: what the system showed cannot be."""


class Possible:
    """Every world that may be.

    Attributes:
        worlds: at least one, all different; in the beginning one, empty unless another is given.
    """

    def __init__(self, reference: Reference, world: World | None = None) -> None:
        self._reference = reference
        self.worlds: tuple[World, ...] = (world or World(),)

    def heard(self, *calls: tuple[Call, Heard]) -> None:
        """Calls that ran at the same time have ended; each in some order of the others.

        Raises ImpossibleError if no order of whole operations explains what was heard.
        """
        before = self.worlds
        after = (
            world
            for order in permutations(calls)
            for start in before
            for world in self._fold(start, order)
        )
        self._keep(after, lambda: self._explain(before, calls))

    def seen(self, records: Records) -> None:
        """A reader has seen this. Raises ImpossibleError if it is in no world."""
        before = self.worlds
        self._keep(
            (world for world in before if world.records.visible == records),
            lambda: "\nor ".join(_differences(world.records.visible, records) for world in before),
        )

    def told(self, txid: str, *, happened: bool) -> None:
        """The system has said what became of a transaction."""
        before = self.worlds
        self._keep(
            (world for world in before if world.happened.get(txid, happened) is happened),
            lambda: f"{txid} is said to have {'' if happened else 'not '}happened",
        )

    def remembers(self, request: Request, key: str, now: str) -> bool:
        """Whether this request has certainly happened under this key, which has not run out."""
        try:
            return all(
                self._reference.remembered(world, request, key, now) is not None
                for world in self.worlds
            )
        except StateConflict:
            return False

    def _keep(self, worlds: Iterable[World], explain: Any) -> None:
        kept: list[World] = []
        for world in worlds:
            if world not in kept:
                kept.append(world)
        if not kept:
            raise ImpossibleError(explain())
        assert len(kept) <= MOST_WORLDS, "too many worlds to follow"
        self.worlds = tuple(kept)

    def _fold(self, start: World, calls: Sequence[tuple[Call, Heard]]) -> list[World]:
        worlds = [start]
        for call, heard in calls:
            worlds = [after for world in worlds for after in self._next(world, call, heard)]
        return worlds

    def _next(self, world: World, call: Call, heard: Heard) -> list[World]:
        if isinstance(heard, Nothing):
            return [world]
        if heard == Unknown():
            return self._cut_off(world, call)
        after, outcome = self._reference.apply(world, call)
        if isinstance(heard, Unknown):
            assert heard.txid is not None
            return [
                replace(w, happened={**w.happened, heard.txid: it_did})
                for w, it_did in ((world, False), (after, True))
            ]
        return [after] if _agree(outcome, heard) else []

    def _cut_off(self, world: World, call: Call) -> list[World]:
        """What a call may have left whose caller heard nothing: each atomic step happened or not.

        A sweep takes one step more than it knows of if it lost the answer about the first.
        """
        worlds = newest = [world]
        for _ in range(_MOST_STEPS if isinstance(call.request, Sweep) else 1):
            newest = [after for each in newest for after in self._reference.next_steps(each, call)]
            worlds = [*worlds, *newest]
        return worlds

    def _explain(self, worlds: Sequence[World], calls: Sequence[tuple[Call, Heard]]) -> str:
        lines = []
        for call, heard in calls:
            lines.append(f"{call}\n  was answered {_shown(heard)}")
            for world in worlds if isinstance(heard, GroveError | Mapping) else ():
                outcome = self._reference.apply(world, call)[1]
                lines.append(f"  should have been {_shown(outcome)}")
        return "\n".join(lines)


def _agree(outcome: Outcome, heard: Answer | GroveError) -> bool:
    if not isinstance(heard, GroveError):
        return outcome == heard
    return type(outcome) is type(heard) and all(
        getattr(outcome, name) == getattr(heard, name) for name in _FACTS[type(heard)]
    )


def _shown(outcome: Outcome | Heard) -> str:
    if isinstance(outcome, GroveError):
        return f"{outcome.code}: {outcome}"
    if isinstance(outcome, Mapping):
        return str({name: _plain(value) for name, value in outcome.items()})
    return str(outcome)


def _plain(value: object) -> object:
    return value.to_document() if isinstance(value, Record) else value


def _differences(expected: Records, found: Records) -> str:
    lines = []
    for name, records in vars(expected).items():
        seen: Mapping[Any, Any] = getattr(found, name)
        for key in {**records, **seen}:
            if records.get(key) != seen.get(key):
                here, there = _plain(records.get(key)), _plain(seen.get(key))
                lines.append(f"{name} {key}: expected {here}\n  found {there}")
    return "\n".join(lines) or "no difference"
