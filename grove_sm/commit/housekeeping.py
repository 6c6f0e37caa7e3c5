"""Making applied writes durable and dropping their redo, for many transactions at once.

None of this is on any caller's way: a transaction is safe from its decision on, whether or not
its redo is ever dropped. What is put off here is bounded, so that the journal is too.
"""

# Before what is here, so that at a fork it comes after it: the thread may wait for its lock.
import concurrent.futures.thread  # noqa: F401
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from grove_sm.commit.coordinator import Coordinator
from grove_sm.commit.machine import (
    DropRedo,
    Effect,
    Force,
    Forced,
    ForceRequested,
    RedoDropped,
    Transaction,
    step,
)
from grove_sm.domain.errors import GroveError, StoreUnavailable
from grove_sm.domain.values import format_time

log = logging.getLogger("grove_sm")

_BATCH: Final = 128
_BACKLOG_LIMIT: Final = 4096
_INTERVAL: Final = 0.005
_IDLE_ROUNDS: Final = 40
_LAG: Final = 16
_RETRY: Final = 1.0
_FORK_PATIENCE: Final = 1.0


def finish(coordinator: Coordinator) -> int:
    """Force every store that applied transactions wrote to, then drop their redo.

    Transactions on a store that cannot be forced now are kept for the next time. Returns how
    many were finished. Raises StoreUnavailable if the journal cannot be written.
    """
    coordinator.applier.catch_up()
    transactions = coordinator.applier.take_applied()
    effects: list[tuple[str, Effect]] = []
    try:
        for txid in transactions:
            effects += _step(transactions, txid, ForceRequested())
        forced: dict[str, bool] = {}
        durable: list[str] = []
        while effects:
            txid, effect = effects.pop()
            if isinstance(effect, DropRedo):
                durable.append(txid)
            elif isinstance(effect, Force) and _is_forced(coordinator, effect.participant, forced):
                effects += _step(transactions, txid, Forced(effect.participant))
        coordinator.journal.finish(durable)
        for txid in durable:
            _step(transactions, txid, RedoDropped())
    finally:
        coordinator.applier.give_back(
            {txid: t for txid, t in transactions.items() if t.phase != "finished"}
        )
    return len(durable)


def catch_up(coordinator: Coordinator, backlog: int) -> None:
    """Finish transactions on a caller's time, if so many have gathered that nothing else helps.

    The caller's own transaction is committed, whatever becomes of this.
    """
    if backlog > _BACKLOG_LIMIT:
        try:
            finish(coordinator)
        except GroveError as error:
            log.warning("housekeeping is put off: %s", error)


def forget(coordinator: Coordinator, keep: timedelta) -> None:
    """Have the journal forget outcomes and idempotency keys older than they are to be kept."""
    coordinator.journal.forget(format_time(coordinator.clock() - keep))


def _step(
    transactions: dict[str, Transaction], txid: str, event: ForceRequested | Forced | RedoDropped
) -> list[tuple[str, Effect]]:
    transactions[txid], effects = step(transactions[txid], event)
    return [(txid, effect) for effect in effects]


def _is_forced(coordinator: Coordinator, store: str, forced: dict[str, bool]) -> bool:
    if store not in forced:
        try:
            coordinator.applier.reach(store, lambda participant: participant.force())
            forced[store] = True
        except GroveError as error:
            log.warning("%s cannot be forced now: %s", store, error)
            forced[store] = False
    return forced[store]


class Housekeeping:
    """A thread that finishes transactions, ends what dead or hindered ones left, and trims.

    It sleeps while there is nothing to do, and nobody waits for it unless it has fallen far
    behind.

    Args:
        coordinator: whose transactions it finishes.
        settle: brings what others left to its end (a recovery); answers whether it has to be
            tried again.
        keep: how long the outcomes of finished transactions are kept.
    """

    def __init__(
        self, coordinator: Coordinator, settle: Callable[[], bool], keep: timedelta
    ) -> None:
        self._coordinator = coordinator
        self._settle = settle
        self._keep = keep
        self._wake = threading.Event()
        self._at_work = threading.RLock()
        self._is_asleep = True
        self._is_paused = False
        self._stopping = False
        self._thread = threading.Thread(
            target=self._work, name="grove-sm-housekeeping", daemon=True
        )
        coordinator.applier.on_committed = self._on_committed
        coordinator.on_given_up = self._wake.set
        self._set_lag()
        _threads.add(self)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, without finishing anything."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def run_once(self) -> None:
        """Finish what is applied, and reclaim the logs."""
        finish(self._coordinator)
        for store in self._coordinator.stores.values():
            store.trim()
        self._coordinator.journal.trim()

    def _set_lag(self) -> None:
        """Transactions may gather while no other coordinator would have to apply them for us."""
        has_company = self._coordinator.journal.has_company()
        self._coordinator.applier.lag = 1 if has_company else _LAG

    def _on_committed(self, backlog: int) -> None:
        if self._is_asleep:
            self._is_asleep = False
            self._wake.set()
        catch_up(self._coordinator, backlog)

    def _work(self) -> None:
        hindered = False
        while not self._stopping:
            self._is_asleep = self._coordinator.applier.backlog == 0
            self._wake.wait(_RETRY if hindered or not self._is_asleep else None)
            self._wake.clear()
            hindered = self._follow()

    def _follow(self) -> bool:
        """Keep up with a busy coordinator until it has been idle for a while.

        Returns whether something committed could still not be applied everywhere.
        """
        idle = before = 0
        while idle < _IDLE_ROUNDS and not self._stopping:
            self._wake.wait(_INTERVAL)
            backlog = self._coordinator.applier.backlog
            idle = idle + 1 if backlog == before else 0
            try:
                with self._at_work:
                    if backlog >= _BATCH:
                        self.run_once()
                        self._set_lag()
                    elif idle == 1:
                        self._coordinator.applier.catch_up()
                        self._coordinator.journal.flush()
                        self._set_lag()
                    elif idle == _IDLE_ROUNDS:
                        self.run_once()
                        forget(self._coordinator, self._keep)
                        return self._settle()
            except StoreUnavailable as error:
                log.warning("housekeeping is put off: %s", error)
            except GroveError:
                log.exception("housekeeping failed")
            before = self._coordinator.applier.backlog
        return True

    def pause(self) -> None:
        """Return once the thread is between two pieces of work, and keep it there.

        On an event loop, not for long: the thread may wait for an operation that this very loop
        has to run.
        """
        self._is_paused = self._at_work.acquire(timeout=_FORK_PATIENCE if _is_on_loop() else -1)

    def go_on(self) -> None:
        """Let a paused thread go on."""
        if self._is_paused:
            self._at_work.release()

    def disown(self) -> None:
        """In a forked child: there is no thread here, and nothing to wake."""
        self._wake = threading.Event()
        self._at_work = threading.RLock()


def _is_on_loop() -> bool:
    """Whether an event loop runs in this thread. Where nobody has imported any, none does."""
    asyncio = sys.modules.get("asyncio")
    try:
        return asyncio is not None and asyncio.get_running_loop() is not None
    except RuntimeError:
        return False


_threads: "weakref.WeakSet[Housekeeping]" = weakref.WeakSet()
_paused: list[Housekeeping] = []
_forking = threading.RLock()


def _before_fork() -> None:
    """A child inherits locks as they are: one that a thread holds now would be held for ever."""
    _forking.acquire()
    for housekeeping in list(_threads):
        housekeeping.pause()
        _paused.append(housekeeping)


def _after_fork(resume: Callable[[Housekeeping], None]) -> Callable[[], None]:
    def resume_all() -> None:
        while _paused:
            resume(_paused.pop())
        _forking.release()

    return resume_all


os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork(Housekeeping.go_on),
    after_in_child=_after_fork(Housekeeping.disown),
)
