"""Diagrams of the tables."""

from grove_sm.lifecycles.tables import Lifecycle


def mermaid(lifecycle: Lifecycle[str]) -> str:
    """The lifecycle as a mermaid state diagram, one line for each move, in the table's order."""
    return "\n".join(
        (
            "stateDiagram-v2",
            f"    [*] --> {lifecycle.initial}",
            *(f"    {source} --> {to}: {trigger}" for trigger, source, to in lifecycle.moves),
            *(f"    {state} --> [*]" for state in lifecycle.final),
            "",
        )
    )
