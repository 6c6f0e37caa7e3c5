"""A grove whose operations are awaited."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, ParamSpec, Self

from grove_sm.aio.hopping import HoppingGrove, suits_loop
from grove_sm.aio.running import InThreads, OnLoop, Runner
from grove_sm.aio.telling import Teller
from grove_sm.aio.turns import Turns
from grove_sm.aio.twins import Twin, awaited
from grove_sm.aio.views import (
    AsyncBounties,
    AsyncClaims,
    AsyncContributions,
    AsyncCredits,
    AsyncHandoffs,
    AsyncTransactions,
)
from grove_sm.calls.inbox import require_seconds
from grove_sm.calls.waiting import Pace
from grove_sm.commit.recovery import RecoveryReport
from grove_sm.domain import Agent
from grove_sm.grove import Grove
from grove_sm.results import PickedUp
from grove_sm.settings import Settings

P = ParamSpec("P")


class Opening:
    """A grove that is about to be opened: await it, or use it in an `async with` block."""

    def __init__(self, open_original: Callable[[], Grove]) -> None:
        self._open_original = open_original
        self._grove: AsyncGrove | None = None

    def __await__(self) -> Generator[Any, None, "AsyncGrove"]:
        return self._open().__await__()

    async def __aenter__(self) -> "AsyncGrove":
        self._grove = await self._open()
        return self._grove

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._grove is not None  # noqa: S101 - entered before
        await self._grove.close()

    async def _open(self) -> "AsyncGrove":
        opening = asyncio.ensure_future(asyncio.to_thread(self._open_original))
        try:
            return AsyncGrove(await asyncio.shield(opening))
        except asyncio.CancelledError:
            # It is opened all the same, and nobody else would close it.
            with suppress(Exception):
                await AsyncGrove(await opening).close()
            raise


def _opened_by(open_original: Callable[P, Grove]) -> Callable[P, Opening]:
    def open_twin(*args: P.args, **kwargs: P.kwargs) -> Opening:
        return Opening(partial(open_original, *args, **kwargs))

    open_twin.__doc__ = open_original.__doc__
    return open_twin


class AsyncGrove(Twin[Grove]):
    """A `Grove` for asyncio: each operation and view has the same arguments, results and errors.

    Made by `async with AsyncGrove.open(...)`, or `await AsyncGrove.open(...)` and `close`; it
    belongs to the event loop that it was opened in, and any of its tasks may share it.
    Operations that are awaited at the same time overlap, and share forced writes.

    Whoever is cancelled while it awaits an operation learns nothing of it: as after a crash, it
    took place as a whole, or will, or never does. An idempotency key tells, or does it once.

    Attributes:
        contributions, handoffs, claims, bounties, credits, transactions: see `grove_sm.aio.views`.
    """

    open = staticmethod(_opened_by(HoppingGrove.open))

    def __init__(self, original: Grove, runner: Runner | None = None) -> None:
        runner = runner or (OnLoop() if suits_loop(original) else InThreads())
        super().__init__(original, runner)
        self.contributions = AsyncContributions(original.contributions, runner)
        self.handoffs = AsyncHandoffs(original.handoffs, runner)
        self.claims = AsyncClaims(original.claims, runner)
        self.bounties = AsyncBounties(original.bounties, runner)
        self.credits = AsyncCredits(original.credits, runner)
        self.transactions = AsyncTransactions(original.transactions, runner)
        self._teller = Teller(original.coordinator.journal, asyncio.get_running_loop())
        self._turns = defaultdict[str | None, Turns](lambda: Turns(runner))
        self._closing: asyncio.Future[None] | None = None

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._original.settings

    @property
    def recovery(self) -> RecoveryReport:
        """What recovery did when this was opened."""
        return self._original.recovery

    contribute = awaited(Grove.contribute)
    publish = awaited(Grove.publish)
    review = awaited(Grove.review)
    reproduce = awaited(Grove.reproduce)
    discuss = awaited(Grove.discuss)
    adopt = awaited(Grove.adopt)

    claim = awaited(Grove.claim)
    heartbeat = awaited(Grove.heartbeat)
    release = awaited(Grove.release)
    complete = awaited(Grove.complete)

    create_bounty = awaited(Grove.create_bounty)
    open_bounty = awaited(Grove.open_bounty)
    claim_bounty = awaited(Grove.claim_bounty)
    release_bounty = awaited(Grove.release_bounty)
    complete_bounty = awaited(Grove.complete_bounty)
    settle_bounty = awaited(Grove.settle_bounty)
    cancel_bounty = awaited(Grove.cancel_bounty)

    grant_credits = awaited(Grove.grant_credits)
    transfer_credits = awaited(Grove.transfer_credits)

    acknowledge = awaited(Grove.acknowledge)
    dead_letter = awaited(Grove.dead_letter)

    stalled = awaited(Grove.stalled)
    sweep = awaited(Grove.sweep)
    flush = awaited(Grove.flush)
    recover = awaited(Grove.recover, at_length=True)
    audit = awaited(Grove.audit, at_length=True)
    export = awaited(Grove.export, at_length=True)
    restore = awaited(Grove.restore, at_length=True)
    counts = awaited(Grove.counts, at_length=True)
    outcome = awaited(Grove.outcome)

    async def pick_up(
        self,
        *,
        agent: Agent,
        role: str | None = None,
        wait: float = 0.0,
        visibility_seconds: float | None = None,
        idempotency_key: str | None = None,
    ) -> PickedUp | None:
        """Take the oldest handoff that waits for a role; as `Grove.pick_up`.

        Any number of tasks may wait: none of them takes a thread while it does. What a cancelled
        one was just about to be given waits again after the time it had to process it.
        """
        require_seconds(wait)
        look = await self._runner.run(
            partial(
                self._original.picking_up,
                agent=agent,
                role=role,
                visibility_seconds=visibility_seconds,
                idempotency_key=idempotency_key,
            )
        )
        if not wait:
            found = await self._runner.run(look)
            return found if isinstance(found, PickedUp) else None
        turns = self._turns[agent.role if role is None else role]
        async with self._teller.listening() as told:
            pace = Pace(wait, is_told=told is not None)
            while True:
                if told is not None:
                    told.clear()
                found = await turns.look(look)
                if isinstance(found, PickedUp):
                    return found
                pause = pace.pause(found)
                if pause is None:
                    return None
                await asyncio.sleep(pace.gap(was_told=await _is_set(told, pause)))

    async def close(self) -> None:
        """Wait for what is under way, finish what is applied and let go of every file.

        Safe to call twice; it goes on though it is cancelled.
        """
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._runner.end(self._close))
        await asyncio.shield(self._closing)

    def _close(self) -> None:
        self._teller.end()
        self._original.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


async def _is_set(event: asyncio.Event | None, seconds: float) -> bool:
    """Wait for an event, at most so long; whether it was set."""
    if event is None:
        await asyncio.sleep(seconds)
        return False
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
