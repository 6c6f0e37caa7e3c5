"""The five lifecycles as tables, what runs them and what draws them."""

from grove_sm.lifecycles.diagram import mermaid
from grove_sm.lifecycles.machine import advance, legal_triggers, observe
from grove_sm.lifecycles.tables import (
    BOUNTY,
    CLAIM,
    CONTRIBUTE,
    HANDOFF,
    LIFECYCLES,
    TRANSACTION,
    Lifecycle,
)

__all__ = [
    "BOUNTY",
    "CLAIM",
    "CONTRIBUTE",
    "HANDOFF",
    "LIFECYCLES",
    "TRANSACTION",
    "Lifecycle",
    "advance",
    "legal_triggers",
    "mermaid",
    "observe",
]
