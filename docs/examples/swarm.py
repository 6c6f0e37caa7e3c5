"""A swarm of agents on one machine: processes that share a folder and nothing else.

    python docs/examples/swarm.py [FOLDER] [--agents N] [--seconds S]

Coders claim files and contribute work, reviewers pick it up and review it, hunters claim the
bounties that a sponsor opens and are paid. One agent is killed in the middle; the others go on, and
what it left is finished by whoever meets it. Without FOLDER, it is a new one that is removed.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

from grove_sm import Agent, ClaimConflict, Grove, GroveError, Leases, StateConflict

TOPOLOGY = {"coder": ["reviewer"], "reviewer": ["coder"]}


def open_grove(folder: Path) -> Grove:
    """The grove that all agents share."""
    collections = ("contributions", "handoffs", "claims", "bounties", "credits")
    return Grove.open(
        journal=f"sqlite:///{folder}/journal.db",
        stores={name: f"sqlite:///{folder}/{name}.db" for name in collections},
        topology=TOPOLOGY,
        leases=Leases(claim=2.0, bounty=2.0, handoff=2.0),
    )


def code(grove: Grove, agent: Agent, random: Random) -> None:
    """Claim a file, contribute a change of it, and end the claim."""
    target = f"file:src/{random.randrange(8)}.py"
    try:
        held = grove.claim(target, agent=agent, intent_summary="a change")
    except ClaimConflict:
        return  # somebody else is at it
    grove.contribute(
        kind="work", summary=f"a change of {target}, {held.claim.claim_id}", agent=agent
    )
    grove.complete(held.claim.claim_id, agent=agent)


def review(grove: Grove, agent: Agent, _: Random) -> None:
    """Wait for work that is handed to reviewers, and answer it."""
    work = grove.pick_up(agent=agent, wait=0.5)
    if work is not None:
        cid = work.contribution.cid
        grove.review(cid, summary=f"looks right to {agent.agent_id}", agent=agent)


def hunt(grove: Grove, agent: Agent, random: Random) -> None:
    """Claim an open bounty, do the work and be paid."""
    offers = grove.bounties.list(status="open", limit=5)
    if not offers:
        time.sleep(0.05)
        return
    bounty = random.choice(offers)
    grove.claim_bounty(bounty.bounty_id, agent=agent)
    done = grove.contribute(kind="work", summary=f"for {bounty.bounty_id}", agent=agent)
    grove.settle_bounty(bounty.bounty_id, done.cid)


WORK: dict[str, Callable[[Grove, Agent, Random], None]] = {
    "coder": code,
    "reviewer": review,
    "hunter": hunt,
}


def live(opened: Callable[[], Grove], agent: Agent, seconds: float, seed: int) -> None:
    """Be an agent for so long."""
    random = Random(f"{seed}/{agent.agent_id}")
    until = time.monotonic() + seconds
    with opened() as grove:
        while time.monotonic() < until:
            try:
                WORK[str(agent.role)](grove, agent, random)
            except (ClaimConflict, StateConflict):
                continue  # another agent was first


def agents_of(name: str, number: int) -> list[Agent]:
    """So many agents, of every role in turn."""
    roles = list(WORK)
    return [
        Agent(agent_id=f"{roles[n % len(roles)]}-{name}{n}", role=roles[n % len(roles)])
        for n in range(number)
    ]


def prepare(grove: Grove) -> None:
    """Have a sponsor offer twenty bounties."""
    sponsor = Agent(agent_id="sponsor-1")
    grove.grant_credits(sponsor.agent_id, 10_000)
    for number in range(20):
        grove.create_bounty(
            title=f"Bounty {number}",
            amount=100,
            criteria={"description": "it works"},
            agent=sponsor,
        )


def tell(grove: Grove) -> int:
    """Say what agents have done, and whether all of it is whole: an exit status."""
    grove.sweep()
    for collection, counts in grove.counts().items():
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        print(f"{collection}: {told or 'none'}")
    report = grove.audit()
    print("every record is whole" if report.ok else f"violations: {report.violations}")
    return 0 if report.ok else 1


def main(arguments: list[str]) -> int:
    """Have agents work together, and say what they have done."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="where the grove is kept")
    parser.add_argument("--agents", type=int, default=6, help="how many [6]")
    parser.add_argument("--seconds", type=float, default=5.0, help="for how long [5]")
    parser.add_argument("--seed", type=int, default=1, help="what agents draw from [1]")
    chosen = parser.parse_args(arguments)
    if chosen.folder is not None:
        chosen.folder.mkdir(parents=True, exist_ok=True)
        return work_in(chosen.folder, chosen)
    with tempfile.TemporaryDirectory(prefix="swarm-") as folder:
        return work_in(Path(folder), chosen)


def work_in(folder: Path, chosen: argparse.Namespace) -> int:
    """Have agents work in a folder."""
    opened = partial(open_grove, folder)
    with opened() as grove:
        prepare(grove)
    agents = agents_of("", chosen.agents)
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=live, args=(opened, agent, chosen.seconds, chosen.seed))
        for agent in agents
    ]
    for worker in workers:
        worker.start()
    time.sleep(chosen.seconds / 2)
    workers[0].kill()
    print(f"{agents[0].agent_id} was killed; the others go on")
    for worker in workers:
        worker.join()
    with opened() as grove:
        return tell(grove)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except GroveError as error:
        sys.exit(f"{error.code}: {error}")
