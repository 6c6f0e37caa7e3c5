"""A grove whose stores and journal can be hindered from doing some of their work."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from grove_sm import Grove
from grove_sm.commit.machine import Decision
from grove_sm.commit.record import Entry
from grove_sm.domain.errors import StoreUnavailable
from grove_sm.journal.sqlite import SQLiteJournal
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.operations.plan import Expectation, Heuristic, Read, Stored, Write
from grove_sm.operations.query import Place, Query
from grove_sm.stores.sqlite import SQLiteStore
from tests.groves import NOW, build


class HinderedStore(SQLiteStore):
    """A store that can be `down`, or fail to apply or to force only.

    `applied` are the transactions that it was given, in order.
    """

    down = False
    cannot_apply = False
    cannot_force = False

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.applied: list[str] = []

    def read(self, read: Read) -> tuple[Stored, ...]:
        self._require(not self.down)
        return super().read(read)

    def page(
        self, query: Query, limit: int | None, after: Place | None = None
    ) -> tuple[Stored, ...]:
        self._require(not self.down)
        return super().page(query, limit, after)

    def counts(self, query: Query, by: str) -> Mapping[str, int]:
        self._require(not self.down)
        return super().counts(query, by)

    def validate(self, expectations: Sequence[Expectation]) -> bool:
        self._require(not self.down)
        return super().validate(expectations)

    def apply(self, txid: str, members: str, writes: Sequence[Write]) -> tuple[Heuristic, ...]:
        self._require(not (self.down or self.cannot_apply))
        self.applied.append(txid)
        return super().apply(txid, members, writes)

    def force(self) -> None:
        self._require(not (self.down or self.cannot_force))
        super().force()

    def _require(self, able: bool) -> None:
        if not able:
            raise StoreUnavailable(store=self.name, reason="it is hindered")


class ApplyHinderedStore(HinderedStore):
    """A store that goes down between its vote and the apply, and tells of its votes."""

    goes_down = False
    on_validate: Callable[[], object] | None = None

    def validate(self, expectations: Sequence[Expectation]) -> bool:
        vote = super().validate(expectations)
        if self.on_validate is not None:
            self.on_validate()
        self.down = self.down or self.goes_down
        return vote


class HinderedJournal(SQLiteJournal):
    """A journal that can fail to finish, or to decide about keys that it holds."""

    cannot_finish = False
    cannot_decide = False

    def abort(self, txid: str) -> Decision:
        self._require(not self.cannot_decide)
        return super().abort(txid)

    def _commit_planned(self, entry: Entry) -> Decision:
        self._require(not self.cannot_decide)
        return super()._commit_planned(entry)

    def finish(self, txids: Sequence[str]) -> None:
        self._require(not self.cannot_finish)
        super().finish(txids)

    def _require(self, holds: bool) -> None:
        if not holds:
            raise StoreUnavailable(store=self.name, reason="it is hindered")


class Hindered:
    """The parts of a grove over five files, and the groves made of them."""

    def __init__(
        self, folder: Path, clock: Callable[[], datetime], random: Callable[[], str]
    ) -> None:
        self._folder, self._clock, self._random = folder, clock, random
        self.stores: dict[str, ApplyHinderedStore] = {}
        self.groves: list[Grove] = []

    def open(self, *, background: bool = False, unwritable: str = "") -> Grove:
        """A grove of a new coordinator; `stores` and `journal` are its parts.

        The store of the `unwritable` collection can be read, but applies nothing.
        """
        self.stores = {
            name: ApplyHinderedStore(self._folder / f"{name}.db") for name in COLLECTIONS
        }
        if unwritable:
            self.stores[unwritable].cannot_apply = True
        self.journal = HinderedJournal(self._folder / "journal.db", opened_at=NOW)
        grove = build(
            self.journal,
            self.stores,
            self._clock,
            self._random,
            background=background,
            patience=0.2,
        )
        self.groves.append(grove)
        return grove

    def reopen_down(self, collection: str) -> Grove:
        """As `open`, while a store is down."""
        ApplyHinderedStore.down = True
        try:
            grove = self.open()
        finally:
            ApplyHinderedStore.down = False
        self.stores[collection].down = True
        return grove
