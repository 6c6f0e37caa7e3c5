"""What worker processes do on a grove with stores in Nexus."""

import json
import random
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Final, NamedTuple

from grove_sm import Agent, Grove
from grove_sm.domain.errors import ClaimConflict, GroveError
from grove_sm.operations.layout import COLLECTIONS
from tests.groves import TOPOLOGY
from tests.processes.work import Attempt, Log, operations

_LONGEST_WAIT: Final = 300.0
_PAUSE: Final = 0.05


def open_grove(
    folder: Path, nexus: str, *collections: str, patience: float = 30.0, background: bool = True
) -> Grove:
    """A grove with these collections in Nexus, and the others in a file."""
    rest = f"sqlite:///{folder}/rest.db"
    return Grove.open(
        journal=f"sqlite:///{folder}/journal.db",
        stores={name: nexus if name in collections else rest for name in COLLECTIONS},
        topology=TOPOLOGY,
        patience=patience,
        background=background,
    )


class Deployment(NamedTuple):
    """Where a grove is: its folder, and a zone's URL."""

    folder: Path
    nexus: str


def race(
    connection: Connection,
    deployment: Deployment,
    agent_id: str,
    barrier: Barrier,
    bounty_ids: list[str],
) -> None:
    """Claim one bounty after the other, each at the same moment as the other racers."""
    agent = Agent(agent_id=agent_id, role="coder")
    with open_grove(*deployment, "contributions", "claims") as grove:
        attempts = []
        for bounty_id in bounty_ids:
            barrier.wait(_LONGEST_WAIT)
            try:
                won = grove.claim_bounty(bounty_id, agent=agent)
                attempts.append(Attempt(True, agent_id, won.claim.claim_id))
            except ClaimConflict as conflict:
                attempts.append(Attempt(False, conflict.holder, conflict.claim_id))
            connection.send(attempts[-1])
        connection.recv()


def work(connection: Connection, folder: Path, nexus: str, seed: str, patience: float) -> None:
    """Operations of every kind until told to stop, logging what was acknowledged.

    What fails with an error of the library's is tried no more; the next operation is.
    """
    rng = random.Random(seed)
    log = Log(folder)
    refused: dict[str, int] = {}
    with open_grove(folder, nexus, *COLLECTIONS, patience=patience) as grove:
        todo = operations(grove, seed)
        connection.send("ready")
        while not connection.poll():
            operation = next(todo)
            log.began()
            try:
                log.acknowledged(**operation())
            except GroveError as error:
                refused[error.code] = refused.get(error.code, 0) + 1
                time.sleep(rng.uniform(0, _PAUSE))
        connection.recv()
    connection.send(refused)


def records_of(grove: Grove) -> Mapping[str, Mapping[str, tuple[int, str]]]:
    """By collection and id, each record's revision and what it says."""
    with grove.coordinator.snapshots() as views:
        return {
            collection: {
                found.record_id: (found.revision, str(getattr(found, "document", json.dumps(None))))
                for found in views[collection].scan(collection)
                if not isinstance(found, Exception)
            }
            for collection in COLLECTIONS
        }
