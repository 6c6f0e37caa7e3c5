"""What systems without a journal do: write one store, then the next.

Each write is one transaction of its store and forced, and operations on the same record wait for
each other. So all that is found broken afterwards is the doing of what struck between two writes.
"""

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from blake3 import blake3

from grove_sm.commit.contract import Journal, Participant
from grove_sm.commit.coordinator import Coordinator, Executed
from grove_sm.commit.txid import make_txid
from grove_sm.operations.plan import Facts, IdempotencyKey, Plan

_NOT_RECORDED: Final = "[]"
"""Such systems do not keep, beside a record, what was to be written with it."""


class UnsafeCoordinator(Coordinator):
    """Runs the library's own operations, and writes their plans without a transaction.

    Args:
        journal: an empty one; nothing is ever written there.
        participants: the store of each collection.
        locks: a file whose bytes are locked in place of keys. The system releases them when
            a process dies.
    """

    def __init__(
        self, journal: Journal, participants: dict[str, Participant], *, locks: Path
    ) -> None:
        super().__init__(
            journal,
            participants,
            clock=lambda: datetime.now(UTC),
            random=lambda: secrets.token_hex(8),
        )
        self._locks = os.open(locks, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def execute(
        self,
        operation: Callable[[Facts], Plan],
        *,
        now: str,  # noqa: ARG002 - nothing is recorded but the writes
        idempotency: IdempotencyKey | None = None,  # noqa: ARG002
    ) -> Executed:
        """Plan an operation and write it, store after store, in the plan's order."""
        txid = make_txid(self.clock(), self.journal.coordinator, self.random())
        with self._locked(self._plan(operation, hopeful=False).keys):
            plan = self._plan(operation, hopeful=False)
            for collection in dict.fromkeys(write.collection for write in plan.writes):
                writes = [write for write in plan.writes if write.collection == collection]
                store = self.participants[collection]
                store.apply(txid, _NOT_RECORDED, writes)
                store.force()
        return Executed(txid if plan.writes else None, plan, plan.result)

    @contextmanager
    def _locked(self, keys: Sequence[str]) -> Iterator[None]:
        # In one order, so that nobody waits in a circle.
        places = sorted({_place(key) for key in keys})
        try:
            for place in places:
                fcntl.lockf(self._locks, fcntl.LOCK_EX, 1, place)
            yield
        finally:
            for place in places:
                fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, place)


def _place(key: str) -> int:
    return int.from_bytes(blake3(key.encode()).digest(length=4))
