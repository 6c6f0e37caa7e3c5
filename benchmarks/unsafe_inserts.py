"""How fast one caller contributes, beside today's unsafe code doing the same two writes.

Safe: `Grove.contribute` with one handoff, journal and two stores in three SQLite files.
Unsafe: the same two documents inserted into two SQLite files with plain `sqlite3`, one after the
other, each forced (WAL, synchronous=FULL), as systems without a journal do. A failure in between
leaves one without the other.

Rounds alternate so that both see the same machine; the ratio of the medians is what counts.

    python -m benchmarks.unsafe_inserts [--rounds N] [--transactions N] [--folder DIR] [--json]
"""

import argparse
import json
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from grove_sm import Agent, Grove

_CODER = Agent(agent_id="coder-1", role="coder")


def contribute_rate(folder: Path, transactions: int) -> float:
    """Contributions a second through a grove."""
    stores = {
        "contributions": f"sqlite:///{folder}/contributions.db",
        "handoffs": f"sqlite:///{folder}/handoffs.db",
        "claims": f"sqlite:///{folder}/claims.db",
        "bounties": f"sqlite:///{folder}/bounties.db",
    }
    with Grove.open(
        journal=f"sqlite:///{folder}/journal.db", stores=stores, topology={"coder": ["reviewer"]}
    ) as grove:
        start = time.perf_counter()
        for number in range(transactions):
            grove.contribute(kind="work", summary=f"Fused kernel {number}", agent=_CODER)
        return transactions / (time.perf_counter() - start)


def insert_rate(folder: Path, documents: list[tuple[str, str, str, str]]) -> float:
    """Pairs of plain inserts a second, of documents that are made already."""
    contributions = _plain_file(folder / "contributions.db")
    handoffs = _plain_file(folder / "handoffs.db")
    start = time.perf_counter()
    for cid, contribution, handoff_id, handoff in documents:
        contributions.execute("INSERT INTO records VALUES (?, ?)", (cid, contribution))
        handoffs.execute("INSERT INTO records VALUES (?, ?)", (handoff_id, handoff))
    rate = len(documents) / (time.perf_counter() - start)
    contributions.close()
    handoffs.close()
    return rate


def make_documents(transactions: int) -> list[tuple[str, str, str, str]]:
    """The documents that `contribute_rate` writes, as text."""
    stores = dict.fromkeys(("contributions", "handoffs", "claims", "bounties"), "memory://")
    with Grove.open(journal="memory://", stores=stores, topology={"coder": ["reviewer"]}) as grove:
        documents = []
        for number in range(transactions):
            done = grove.contribute(kind="work", summary=f"Fused kernel {number}", agent=_CODER)
            handoff = grove.handoffs.get(done.handoff_ids[0])
            documents.append(
                (done.cid, done.contribution.to_json(), handoff.handoff_id, handoff.to_json())
            )
    return documents


def _plain_file(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE records (id TEXT PRIMARY KEY, document TEXT NOT NULL)")
    return connection


def main() -> None:
    """Print both rates and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--transactions", type=int, default=1500)
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to measure")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    documents = make_documents(options.transactions)
    safe, unsafe = [], []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            unsafe.append(insert_rate(Path(folder), documents))
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            safe.append(contribute_rate(Path(folder), options.transactions))
    ratio = statistics.median(safe) / statistics.median(unsafe)
    if options.json:
        print(json.dumps({"safe": safe, "unsafe": unsafe, "ratio": ratio}))
        return
    print(f"rounds: {options.rounds} of {options.transactions} transactions each, medians")
    print(f"two unsafe inserts:   {statistics.median(unsafe):8.0f} a second")
    print(f"grove.contribute:     {statistics.median(safe):8.0f} a second")
    print(f"ratio:                {ratio:8.2f}   (1.0: as fast as the unsafe code)")


if __name__ == "__main__":
    main()
