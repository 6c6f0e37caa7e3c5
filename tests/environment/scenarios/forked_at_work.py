"""A process that forks while the housekeeping of its grove is in the middle of an apply."""

import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from grove_sm.stores.sqlite import SQLiteStore
from tests.environment.scenarios.forked import contribute, in_child, refused_everything
from tests.groves import START, Names, open_files

_PATIENCE = 30


def main(folder: Path) -> None:
    """The child is refused, as ever, and does not wait for a thread that it does not have."""
    grove = open_files(folder, lambda: START, Names(), background=True)
    at_work, whole = threading.Event(), SQLiteStore.apply

    def slow(store: SQLiteStore, *part: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            at_work.set()
            time.sleep(0.5)
        return whole(store, *part)

    SQLiteStore.apply = slow  # type: ignore[assignment, method-assign]
    done = contribute(grove, "before")
    assert at_work.wait(_PATIENCE), "the housekeeping left it to others"

    def use_the_parents() -> None:
        signal.alarm(_PATIENCE)
        refused_everything(grove, done.cid)
        grove.close()

    in_child(use_the_parents)
    in_child(use_the_parents, leave=sys.exit)
    assert contribute(grove, "afterwards").txid
    grove.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
