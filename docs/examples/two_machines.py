"""Two machines' worth of processes that share PostgreSQL and a Nexus server.

    python docs/examples/two_machines.py --postgres URL --nexus URL [--agents N] [--seconds S]

Contributions and handoffs are on Nexus, which knows no transactions; the journal, claims, bounties
and credits are in PostgreSQL. Each machine runs as many agents, of every role. In the middle the
second one is lost with all that it was at work on; the first goes on, and finishes what the other
has decided.

URLs are those of `Grove.open`: postgresql://USER@HOST:PORT/DATABASE?schema=NAME and
nexus+http://HOST:PORT/ZONE, both new; PGPASSWORD and NEXUS_API_KEY are taken from the environment.
"""

import argparse
import multiprocessing
import sys
import time
from functools import partial

from swarm import TOPOLOGY, agents_of, live, prepare, tell

from grove_sm import Grove, GroveError, Leases


def open_grove(postgres: str, nexus: str) -> Grove:
    """The grove that both machines share."""
    return Grove.open(
        journal=postgres,
        stores={
            "contributions": nexus,
            "handoffs": nexus,
            "claims": postgres,
            "bounties": postgres,
            "credits": postgres,
        },
        topology=TOPOLOGY,
        leases=Leases(claim=2.0, bounty=2.0, handoff=2.0),
    )


def main(arguments: list[str]) -> int:
    """Have two machines work together, lose one of them, and say what is there."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--postgres", required=True, help="the journal, and three stores")
    parser.add_argument("--nexus", required=True, help="the stores of contributions and handoffs")
    parser.add_argument("--agents", type=int, default=3, help="how many on each machine [3]")
    parser.add_argument("--seconds", type=float, default=10.0, help="for how long [10]")
    parser.add_argument("--seed", type=int, default=1, help="what agents draw from [1]")
    chosen = parser.parse_args(arguments)
    opened = partial(open_grove, chosen.postgres, chosen.nexus)
    with opened() as grove:
        prepare(grove)
    context = multiprocessing.get_context("spawn")
    machines = {
        name: [
            context.Process(target=live, args=(opened, agent, chosen.seconds, chosen.seed))
            for agent in agents_of(name, chosen.agents)
        ]
        for name in ("one", "two")
    }
    for agents in machines.values():
        for agent in agents:
            agent.start()
    time.sleep(chosen.seconds / 2)
    for agent in machines["two"]:
        agent.kill()
    print("machine two is lost; machine one goes on")
    for agents in machines.values():
        for agent in agents:
            agent.join()
    with opened() as grove:
        return tell(grove)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except GroveError as error:
        sys.exit(f"{error.code}: {error}")
