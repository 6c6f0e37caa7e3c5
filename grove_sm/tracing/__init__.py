"""What a coordinator asks of its journal and stores, and what they answer, written down as it goes.

A trace tells how the protocol was kept, not what the records say: of a document it has a digest
and the fields that stores filter by. docs/traces.md names every line.

Nothing is traced, and nothing of this is in the way, unless somebody asks for it.
"""

from grove_sm.tracing.lines import FORMAT, Line, TraceFile, Tracer
from grove_sm.tracing.wrappers import (
    TracedHold,
    TracedJournal,
    TracedStore,
    trace_stores,
    trace_to_file,
)

__all__ = [
    "FORMAT",
    "Line",
    "TraceFile",
    "TracedHold",
    "TracedJournal",
    "TracedStore",
    "Tracer",
    "trace_stores",
    "trace_to_file",
]
