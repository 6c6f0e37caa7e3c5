"""A trace of a deployment: what its processes ask of their journal and stores, and what arrives."""

import itertools
from collections.abc import Callable, Mapping
from typing import Final

from grove_sm.commit.contract import Journal, Participant
from grove_sm.tracing import Line, TracedJournal, Tracer, trace_stores

ASKED: Final = "asked"
"""The side of lines that tell what a process asks, and is answered, before faults meet it."""

ARRIVED: Final = "arrived"
"""The side of lines that tell what takes effect, once faults have met it."""


class Tape:
    """The lines of all processes, in order; both sides of each call, where faults come between.

    Attributes:
        lines: as `grove_sm.tracing` has them, each with its `side`.
    """

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._stamps = itertools.count()

    def trace(
        self,
        side: str,
        journal: Journal,
        stores: Mapping[str, Participant],
        label: Callable[[str], str],
    ) -> tuple[Journal, Mapping[str, Participant]]:
        """The same, traced on one side; `label` tells what to call the store of a collection."""
        tracer = Tracer(
            self.lines.append,
            stamp=self._stamps.__next__,
            about={"coordinator": journal.coordinator, "side": side},
        )
        return TracedJournal(journal, tracer), trace_stores(stores, label, tracer)
