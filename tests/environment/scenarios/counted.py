"""Counts the forced writes of 200 contributions with one handoff each, file by file."""

import json
import sys
from collections import Counter
from pathlib import Path

from faults.recording import Forced, Recording, recording
from grove_sm import Agent, Grove

TRANSACTIONS = 200


def forced(recorded: Recording) -> Counter[str]:
    """How often each file was forced; a log counts for its database."""
    return Counter(
        event.file.partition("~")[0].removesuffix("-wal")
        for event in recorded.trace.events
        if isinstance(event, Forced)
    )


def main(folder: Path, *, background: bool) -> dict[str, int]:
    """One caller, journal and two stores in files of their own."""
    names = ("contributions", "handoffs", "claims", "bounties")
    with (
        recording(folder) as recorded,
        Grove.open(
            journal=f"sqlite:///{folder}/journal.db",
            stores={
                name: f"sqlite:///{folder}/{'handoffs' if name == 'handoffs' else 'others'}.db"
                for name in names
            },
            topology={"coder": ["reviewer"]},
            background=background,
        ) as grove,
    ):
        coder = Agent(agent_id="coder-1", role="coder")
        before = forced(recorded)
        for number in range(TRANSACTIONS):
            done = grove.contribute(kind="work", summary=f"{number}", agent=coder)
            assert len(done.handoff_ids) == 1
        return dict(forced(recorded) - before)


if __name__ == "__main__":
    counts = main(Path(sys.argv[1]), background=sys.argv[2] == "background")
    sys.stdout.write(json.dumps(counts))
