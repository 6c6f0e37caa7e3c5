"""Other software that writes to the files of a grove's stores, behind the coordinators' backs."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from grove_sm import Claim, Claimed, Grove
from grove_sm.operations.plan import Get, Stored, Write
from grove_sm.stores.sqlite import SQLiteStore
from tests.groves import CODER


class Outside(NamedTuple):
    """Opens the test's grove, over five files, and meddles with these files."""

    open: Callable[[], Grove]
    folder: Path

    def look(self, claim_id: str) -> Stored | None:
        """A claim as it is stored."""
        with closing(SQLiteStore(self.folder / "claims.db")) as store:
            return next(iter(store.read(Get("claims", claim_id))), None)

    def remove(self, claim_id: str) -> None:
        """Take a claim's row away, as if there had never been one."""
        with closing(SQLiteStore(self.folder / "claims.db")) as store:
            store._file.connection.execute("DELETE FROM claims WHERE record_id = ?", (claim_id,))

    def put(self, claim: Claim) -> None:
        """Write a claim where no row is."""
        with closing(SQLiteStore(self.folder / "claims.db")) as store:
            write = Write("claims", claim.claim_id, 0, claim.to_json())
            assert store.apply("somebody", "[]", (write,)) == ()


def held(grove: Grove, target: str = "file:a") -> Claimed:
    """A claim that is whole, durable and finished."""
    claimed = grove.claim(target, agent=CODER, intent_summary="mine")
    grove.flush()
    return claimed


def took_its_place(outside: Outside) -> Claim:
    """A new claim met another's document in its place."""
    grove = outside.open()
    grove.coordinator.applier.lag = 100
    claim = grove.claim("file:a", agent=CODER, intent_summary="mine").claim
    grove.abandon()
    outside.put(claim.replace(intent_summary="theirs"))
    return claim


def was_taken_away(outside: Outside) -> Claim:
    """A heartbeat met no claim."""
    grove = outside.open()
    claim = held(grove).claim
    grove.coordinator.applier.lag = 100
    beaten = grove.heartbeat(claim.claim_id, agent=CODER, lease_seconds=900)
    grove.abandon()
    outside.remove(claim.claim_id)
    return beaten


def was_put_back(outside: Outside) -> Claim:
    """A heartbeat met the claim as it had been before another one."""
    grove = outside.open()
    claim = held(grove).claim
    grove.heartbeat(claim.claim_id, agent=CODER)
    grove.flush()
    grove.coordinator.applier.lag = 100
    beaten = grove.heartbeat(claim.claim_id, agent=CODER, lease_seconds=900)
    grove.abandon()
    outside.remove(claim.claim_id)
    outside.put(claim)
    return beaten


MEDDLING: dict[str, Callable[[Outside], Claim]] = {
    "another's document where none was": took_its_place,
    "no record where one was": was_taken_away,
    "an older record": was_put_back,
}
"""Each leaves one outcome on a claim, and answers what the transaction had meant."""
