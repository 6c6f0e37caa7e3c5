"""How long opening a journal takes with a long history, and without.

Both journals have the same unfinished transactions, of a coordinator that died; one has a million
finished ones before them. Opening recovers them, so each round opens a fresh copy, in turns.

    python -m benchmarks.open_journal [--rounds N] [--history N] [--unfinished N] [--json]
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from grove_sm import Grove
from grove_sm.operations.layout import COLLECTIONS
from tests.environment.long_history import make_journal


def open_seconds(journal: Path, copy: Path) -> float:
    """Seconds to open a grove on a copy of a journal, recovery included."""
    copy.mkdir()
    for path in journal.parent.iterdir():
        shutil.copyfile(path, copy / path.name)
    # Reading it once has it in memory, so that no round pays for the disk.
    (copy / journal.name).read_bytes()
    start = time.perf_counter()
    grove = Grove.open(
        journal=f"sqlite:///{copy}/{journal.name}",
        stores=dict.fromkeys(COLLECTIONS, "memory://"),
        background=False,
    )
    seconds = time.perf_counter() - start
    grove.close()
    shutil.rmtree(copy)
    return seconds


def main() -> None:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--history", type=int, default=1_000_000)
    parser.add_argument("--unfinished", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    seconds: dict[int, list[float]] = {0: [], options.history: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        journals = {history: folder / f"{history}" / "journal.db" for history in seconds}
        for history, journal in journals.items():
            journal.parent.mkdir()
            make_journal(journal, unfinished=options.unfinished, finished=history)
        for _ in range(options.rounds):
            for history, journal in journals.items():
                seconds[history].append(open_seconds(journal, folder / "copy"))
    short, long = (statistics.median(found) for found in seconds.values())
    if options.json:
        print(json.dumps({"short": seconds[0], "long": seconds[options.history]}))
        return
    print(f"rounds: {options.rounds}, each opening both journals, medians")
    unfinished = f"{options.unfinished:,} unfinished"
    print(f"{unfinished:40}{short * 1000:8.1f} ms")
    print(f"{f'{unfinished}, {options.history:,} finished':40}{long * 1000:8.1f} ms")
    print(f"{'ratio':40}{long / short:8.2f}   (target: at most 2)")


if __name__ == "__main__":
    main()
