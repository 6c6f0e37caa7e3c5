"""What every history begins with: a little of everything, so that there is something to act on."""

from typing import Any, Final, NamedTuple

from grove_sm.operations.contribute import handoff_id
from models.possible import Possible
from models.reference import Reference, World
from stateful_tests.deployment import Deployment
from stateful_tests.observing import view
from stateful_tests.sketches import TOPOLOGY, Sketch
from tests.kinds.placement import Placement

REFERENCE: Final = Reference(TOPOLOGY, handoff_id)
"""The model of what histories are made on; how handoffs are named is the library's own matter."""

_CODER, _OTHER_CODER, _REVIEWER, _TESTER, _GUEST = range(5)

_SKETCHES: Final = (
    Sketch("contribute", agent=_CODER),
    Sketch("grant", agent=_CODER),
    Sketch("grant", agent=_GUEST),
    # One to be left open, one to be left claimed, one completed, and a draft.
    Sketch("create_bounty", agent=_GUEST, pick=2),
    Sketch("claim_bounty", agent=_OTHER_CODER),
    Sketch("complete_bounty"),
    Sketch("create_bounty", agent=_GUEST, pick=2),
    Sketch("claim_bounty", agent=_OTHER_CODER),
    Sketch("create_bounty", agent=_GUEST, pick=2),
    Sketch("draft_bounty", agent=_GUEST),
    Sketch("claim", agent=_OTHER_CODER),
    Sketch("pick_up", agent=_TESTER),
)


class Beginning(NamedTuple):
    """A placement, saved, and the world that it holds."""

    saved: Any
    world: World


def begin(placement: Placement) -> Beginning:
    """Make an empty placement hold a little of everything."""
    deployment = Deployment(placement, "before")
    possible = Possible(REFERENCE)
    for sketch in _SKETCHES:
        (world,) = possible.worlds
        asked = deployment.ask(0, sketch.fit(world.records), None)
        assert asked.error is None, asked.error
        possible.heard(*asked.heard())
        possible.seen(view(deployment.process(0).coordinator))
    deployment.process(0).grove.flush()
    deployment.close()
    (world,) = possible.worlds
    return Beginning(placement.save(), world)
