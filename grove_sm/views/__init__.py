"""Views of a grove's records. No view ever shows a part of an operation."""

from grove_sm.views.contributions import Contributions
from grove_sm.views.coordination import Bounties, Claims, Handoffs
from grove_sm.views.credits import Credits
from grove_sm.views.pages import Page
from grove_sm.views.threads import Node, Thread

__all__ = [
    "Bounties",
    "Claims",
    "Contributions",
    "Credits",
    "Handoffs",
    "Node",
    "Page",
    "Thread",
]
