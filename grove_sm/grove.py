"""What a user holds: a grove, its operations and its views."""

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from grove_sm.calls.bounties import BountyCalls
from grove_sm.calls.contributing import ContributeCalls
from grove_sm.calls.credits import CreditCalls
from grove_sm.calls.exporting import ExportCalls
from grove_sm.calls.inbox import InboxCalls
from grove_sm.calls.sweeping import SweepCalls
from grove_sm.commit.contract import Journal, Participant
from grove_sm.commit.coordinator import Coordinator
from grove_sm.commit.housekeeping import Housekeeping, catch_up, finish, forget
from grove_sm.commit.machine import Decision
from grove_sm.commit.recovery import RecoveryReport, recover
from grove_sm.domain import Route
from grove_sm.domain.arguments import text_argument
from grove_sm.domain.errors import GroveError
from grove_sm.opening import Parts, close, open_coordinator, settle_settings
from grove_sm.operations.layout import (
    BOUNTIES,
    CLAIMS,
    CONTRIBUTIONS,
    CREDITS,
    HANDOFFS,
)
from grove_sm.operations.query import Query
from grove_sm.settings import Keep, Leases, Settings
from grove_sm.transactions import Transactions
from grove_sm.views import Bounties, Claims, Contributions, Credits, Handoffs

log = logging.getLogger("grove_sm")

_OUTCOMES_KEPT: Final = timedelta(days=7)
_COUNTED: Final[Mapping[str, str]] = {
    CONTRIBUTIONS: "kind",
    HANDOFFS: "status",
    CLAIMS: "status",
    BOUNTIES: "status",
    CREDITS: "type",
}
"""The indexed field that each collection is counted by."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _random_name() -> str:
    return secrets.token_hex(8)


class Grove(ContributeCalls, BountyCalls, InboxCalls, CreditCalls, SweepCalls, ExportCalls):
    """A deployment: its operations, each atomic over all stores, and views of its records.

    Made by `Grove.open`; use it in a `with` block or close it. Threads may share one; a process
    that forks must open its own in the child.

    Attributes:
        contributions, handoffs, claims, bounties, credits: views; see `grove_sm.views`.
        transactions: what the journal knows, and what operators do; see `grove_sm.transactions`.
        recovery: what recovery did when this was opened.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        settings: Settings,
        *,
        background: bool,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.coordinator = coordinator
        self.contributions = Contributions(coordinator)
        self.handoffs = Handoffs(coordinator)
        self.claims = Claims(coordinator)
        self.bounties = Bounties(coordinator)
        self.credits = Credits(coordinator)
        self.transactions = Transactions(coordinator)
        self.recovery = recover(coordinator)
        forget(coordinator, _OUTCOMES_KEPT)
        self._housekeeping: Housekeeping | None = None
        self._is_closed = False
        if background:
            self._housekeeping = Housekeeping(
                coordinator, lambda: bool(recover(coordinator).in_doubt), _OUTCOMES_KEPT
            )
        else:
            coordinator.applier.on_committed = lambda backlog: catch_up(coordinator, backlog)

    @classmethod
    def open(
        cls,
        folder: str | Path | None = None,
        *,
        journal: str | None = None,
        stores: Mapping[str, str] | None = None,
        topology: Mapping[str, Sequence[str | Route]] | None = None,
        leases: Leases | None = None,
        keep: Keep | None = None,
        create: bool = True,
        clock: Callable[[], datetime] = _utc_now,
        random: Callable[[], str] = _random_name,
        patience: float = 5.0,
        background: bool = True,
        trace: str | Path | None = None,
    ) -> Self:
        """Open a grove; recovery of what crashed coordinators left runs first.

        Either by folder, with its settings in `grove.toml`, or by naming journal and stores.

        Args:
            folder: a folder that `grove-sm init` or an earlier `open` made; one that does not
                exist or is empty becomes a grove with the default settings.
            journal: `sqlite:///FILE` (relative to the current folder; four slashes for an
                absolute path), `postgresql://USER@HOST:PORT/DATABASE?schema=NAME` or
                `memory://NAME`.
            stores: such a URL for each of contributions, handoffs, claims and bounties, and
                credits, if the deployment has them. Stores may share a file or a schema.
            topology: for each role, the roles that its contributions are handed off to; as a
                `Route`, with whether and in which time they are to reply.
            leases: how long claims are held without a heartbeat.
            keep: how long claims and handoffs are kept once they have ended, before a sweep
                deletes them; by default for ever.
            create: whether a missing or empty folder becomes a grove.
            clock: the time now, with a zone; what all times and leases go by.
            random: a new random name at each call, for ids; it must never repeat.
            patience: seconds to wait for other processes before StoreUnavailable or InDoubt.
            background: finish transactions in a thread; otherwise in `flush` and `close`, and by
                their callers when very many have gathered.
            trace: a file to which every call that the journal and the stores get is added, as a
                line of JSON, to be held against the specification; see docs/traces.md.

        Raises ValidationError for bad settings, a folder that is not a grove, or a format newer
        than this version; StoreUnavailable; Corrupt.
        """
        base = Path.cwd() if folder is None else Path(folder)
        settings = settle_settings(
            None if folder is None else base,
            journal=journal,
            stores=stores,
            topology=topology,
            leases=leases,
            keep=keep,
            create=create,
        )
        coordinator = open_coordinator(
            settings,
            base,
            clock=clock,
            random=random,
            patience=patience,
            trace=None if trace is None else Path(trace),
            made_ready=cls._made_ready,
        )
        try:
            return cls(coordinator, settings, background=background)
        except BaseException:
            close(coordinator)
            raise

    @staticmethod
    def _made_ready(journal: Journal, stores: Mapping[str, Participant]) -> Parts:
        """The parts as they are used."""
        return journal, stores

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Finish what is applied and let go of every file. Safe to call twice."""
        if self._is_closed:
            return
        try:
            self.flush()
        except GroveError as error:
            log.warning("left for the next recovery: %s", error)
        self.abandon()

    def abandon(self) -> None:
        """Let go of every file and finish nothing, as a crash would; recovery does the rest."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._housekeeping:
            self._housekeeping.stop()
        close(self.coordinator)

    def flush(self) -> None:
        """Make every applied transaction durable in its stores and drop its redo.

        Never needed for safety: a transaction is durable, through the journal, once it returned.
        """
        self.coordinator.journal.flush()
        finish(self.coordinator)

    def recover(self) -> RecoveryReport:
        """Finish what dead coordinators left, and what stores that were down had to wait for.

        Opening a grove does this by itself. Live coordinators' transactions are left alone.
        Raises StoreUnavailable if the journal cannot be read.
        """
        return recover(self.coordinator)

    def counts(self) -> dict[str, dict[str, int]]:
        """How many records there are: contributions by kind, credits by type, others by status.

        All from one moment. Raises StoreUnavailable; Corrupt.
        """
        with self.coordinator.snapshots() as views:
            return {
                name: dict(sorted(views[name].counts(Query(name), by).items()))
                for name, by in _COUNTED.items()
                if name in views
            }

    def outcome(self, txid: str) -> str:
        """What became of a transaction: `committed`, `aborted`, or `undecided` while it runs.

        For the id that OutcomeUnknown names. Raises ValidationError if it is no transaction id,
        NotFound if the journal no longer keeps it.
        """
        decision = self.coordinator.journal.outcome(text_argument("txid", txid))
        if decision is None:
            return "undecided"
        is_committed = decision is Decision.COMMIT
        self._learn(txid, is_committed=is_committed)
        return "committed" if is_committed else "aborted"
