"""What every history begins with: a little of everything, so that there is something to act on."""

from typing import Any, Final, NamedTuple

from models.possible import Possible
from models.reference import Reference, World
from models.requests import ClaimTarget, Contribute, CreateBounty, Grant, Request
from stateful_tests.deployment import Deployment
from stateful_tests.observing import view
from stateful_tests.sketches import AGENTS, TOPOLOGY
from tests.crash.placements import Placement

_REQUESTS: Final[tuple[Request, ...]] = (
    Contribute("work", "Fused kernel", AGENTS[0]),
    Grant(AGENTS[0].agent_id, 100),
    Grant(AGENTS[4].agent_id, 50),
    CreateBounty("Halve the latency", 20, AGENTS[4]),
    ClaimTarget("file:kernel.py", AGENTS[1], "rewrite it"),
)


class Beginning(NamedTuple):
    """A placement, saved, and the world that it holds."""

    saved: Any
    world: World


def begin(placement: Placement) -> Beginning:
    """Make an empty placement hold a little of everything."""
    deployment = Deployment(placement, "before")
    possible = Possible(Reference(TOPOLOGY))
    for request in _REQUESTS:
        asked = deployment.ask(0, request, None)
        seen = view(deployment.process(0).coordinator)
        assert asked.call is not None
        possible.heard((asked.call, asked.heard(seen.handoff_ids)))
        possible.seen(seen.records)
    deployment.process(0).grove.flush()
    deployment.close()
    (world,) = possible.worlds
    return Beginning(placement.save(), world)
