"""Agents in processes of their own empty one inbox while they are killed at random.

`GROVE_INBOX=10000` makes the inbox as long as that.
"""

import random
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import pytest

from grove_sm import Agent, Claim, Grove
from grove_sm.domain.errors import ClaimConflict, StateConflict
from tests.groves import REVIEWER

from .amounts import amount
from .work import Log, open_grove, read_log
from .zygote import Worker

HANDOFFS: Final = amount("GROVE_INBOX", 400)
AGENTS: Final = 8
VISIBLE_AGAIN: Final = 2.0
LONGEST_LIFE: Final = 1.0


def process_until_killed(connection: Connection, folder: Path, name: str) -> None:
    """Pick up what comes and acknowledge it, and log both."""
    log = Log(folder)
    agent = Agent(agent_id=name, role="coder")
    with open_grove(folder) as grove:
        connection.send("ready")
        while True:
            picked = grove.pick_up(agent=agent, wait=60.0, visibility_seconds=VISIBLE_AGAIN)
            if picked is None:
                continue
            log.began()
            try:
                grove.acknowledge(picked.handoff.handoff_id, agent=agent)
            except (StateConflict, ClaimConflict):
                # So slow that it has been, or may have been, delivered to another.
                continue
            log.acknowledged(handoffs=picked.handoff.handoff_id, claims=picked.claim.claim_id)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_inbox_is_emptied_by_agents_that_die(
    tmp_path: Path, seed: int, record_property: Callable[[str, object], None]
) -> None:
    rng = random.Random(seed)
    with open_grove(tmp_path) as grove:
        for number in range(HANDOFFS):
            grove.contribute(kind="work", summary=f"work {number}", agent=REVIEWER)
        start = time.perf_counter()
        kills = _empty(grove, tmp_path, rng)
        took = time.perf_counter() - start
        deliveries = _deliveries(grove)
        assert len(deliveries) == HANDOFFS
        assert [h.status for h in grove.handoffs.list(to_role="coder")] == ["processed"] * HANDOFFS
        for claims in deliveries.values():
            _check_one_at_a_time(claims)
        _check_acknowledged(tmp_path, deliveries)
        assert grove.audit().violations == ()
    again = sum(len(claims) - 1 for claims in deliveries.values())
    assert again > 0
    record_property(
        "counted",
        f"seed {seed}: {HANDOFFS} handoffs, {AGENTS} agents, {kills} kills, "
        f"{again} delivered again, {HANDOFFS / took:.0f} a second",
    )


def _empty(grove: Grove, folder: Path, rng: random.Random) -> int:
    """Have the inbox emptied by agents that are killed and replaced; how many were killed."""
    kills = 0
    with ExitStack() as stack:

        def start(number: int) -> Worker:
            return stack.enter_context(Worker(process_until_killed, folder, f"coder-{number}"))

        workers = [start(number) for number in range(AGENTS)]
        for worker in workers:
            assert worker.receive() == "ready"
        while grove.handoffs.list(to_role="coder", status="pending_pickup", limit=1):
            time.sleep(rng.uniform(0, LONGEST_LIFE))
            chosen = rng.randrange(AGENTS)
            workers[chosen].kill()
            kills += 1
            workers[chosen] = start(AGENTS + kills)
        # What the dead were at comes back to those who live.
        while grove.handoffs.list(to_role="coder", status="delivered", limit=1):
            time.sleep(VISIBLE_AGAIN / 10)
    return kills


def _deliveries(grove: Grove) -> dict[str, list[Claim]]:
    """Handoff -> its deliveries, in their order."""
    found = defaultdict(list)
    for claim in grove.claims.list():
        found[claim.target_ref.removeprefix("handoff:")].append(claim)
    return found


def _check_one_at_a_time(claims: list[Claim]) -> None:
    """The last was completed; each before it ran out before the next began."""
    *earlier, last = claims
    assert last.status == "completed"
    assert [claim.status for claim in earlier] == ["expired"] * len(earlier)
    for before, after in pairwise(claims):
        assert before.lease_expires_at <= after.created_at


def _check_acknowledged(folder: Path, deliveries: dict[str, list[Claim]]) -> None:
    """What an agent was told to have processed was processed by that delivery, and once."""
    told = [line["records"] for line in read_log(folder) if line["event"] == "acknowledged"]
    assert len({records["handoffs"] for records in told}) == len(told)
    for records in told:
        assert deliveries[records["handoffs"]][-1].claim_id == records["claims"]
