"""The asynchronous grove: what the other does, many at a time, and cancelled anywhere."""

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

import pytest

from grove_sm import AsyncGrove, ClaimConflict, Grove, StoreUnavailable, ValidationError
from grove_sm.aio.running import AT_ONCE, InThreads
from grove_sm.aio.twins import Twin
from grove_sm.journal.sqlite import SQLiteJournal
from grove_sm.stores.sqlite import SQLiteStore
from tests.commit.hindered import Hindered
from tests.groves import CODER, REVIEWER, TOPOLOGY, five_files, journal_url

R = TypeVar("R")

LONG: Final = 60.0
CANCELLED: Final = 1000
LONGEST_PAUSE: Final = 0.04
NOT_AWAITED: Final = {
    "open",  # awaited, but as a class method
    "pick_up",  # waits in its own manner
    "picking_up",  # what that is made of
    "restore_lines",  # for who reads them with a bar of his own
    "close",
    "abandon",  # what a crash does
    "require",  # what views are made of
}


def public(kind: type) -> dict[str, Any]:
    """The public methods of a class."""
    found = inspect.getmembers(kind, inspect.isroutine)
    return {name: method for name, method in found if not name.startswith("_")}


def twins(made: Any) -> Iterator[tuple[Any, Any]]:
    """An asynchronous object and its original, and so those that it has."""
    yield made, made._original
    for value in vars(made).values():
        if isinstance(value, Twin) and value is not made._original:
            yield from twins(value)


def on_files(folder: Path, **arguments: Any) -> Any:
    """A grove over five files that is to be opened."""
    return AsyncGrove.open(
        journal=journal_url(folder), stores=five_files(folder), topology=TOPOLOGY, **arguments
    )


def run(body: Callable[[], Coroutine[Any, Any, R]], seconds: float = LONG) -> R:
    """Run something for so long at most, and have nothing left when it is done."""

    async def bounded() -> R:
        return await asyncio.wait_for(body(), seconds)

    before = set(threading.enumerate())
    result = asyncio.run(bounded(), debug=False)
    # Some have been told to end, and not been waited for.
    for thread in set(threading.enumerate()) - before:
        thread.join(LONG)
        assert not thread.is_alive(), thread
    return result


def test_everything_can_be_awaited_with_the_same_arguments() -> None:
    async def body() -> int:
        count = 0
        async with AsyncGrove.open(
            journal="memory://", stores=dict.fromkeys(NAMES, "memory://"), background=False
        ) as grove:
            for made, original in twins(grove):
                there = public(type(made))
                for name, method in public(type(original)).items():
                    if name in NOT_AWAITED:
                        continue
                    assert inspect.iscoroutinefunction(there[name]), name
                    assert inspect.signature(there[name]) == inspect.signature(method), name
                    assert there[name].__doc__ == method.__doc__
                    count += 1
        return count

    assert run(body) > 50
    assert inspect.signature(AsyncGrove.pick_up) == inspect.signature(Grove.pick_up)


NAMES: Final = ("contributions", "handoffs", "claims", "bounties", "credits")


async def use(grove: AsyncGrove, *, wait: float = 0.0) -> None:
    """Do something of everything, and be refused."""
    done = await grove.contribute(kind="work", summary="a kernel", agent=CODER)
    assert (await grove.contributions.get(done.cid)) == done.contribution
    assert len(await grove.handoffs.list(source_cid=done.cid)) == 2
    work = await grove.pick_up(agent=REVIEWER, wait=wait)
    assert work is not None
    await grove.review(done.cid, summary="right", agent=REVIEWER)
    await grove.claim("file:a", agent=CODER, intent_summary="mine")
    with pytest.raises(ClaimConflict):
        await grove.claim("file:a", agent=REVIEWER, intent_summary="mine")
    await grove.grant_credits("sponsor-1", 5)
    assert (await grove.credits.balance("sponsor-1")).available == 5
    assert (await grove.audit()).ok


def test_what_is_done_and_refused(tmp_path: Path) -> None:
    async def body() -> None:
        async with on_files(tmp_path) as grove:
            assert grove.recovery.rolled_forward == []
            await use(grove)

    run(body)


def test_what_never_waits_on_a_loop_is_called_as_it_is(tmp_path: Path) -> None:
    async def body() -> None:
        async with on_files(tmp_path) as grove:
            coordinator = grove._original.coordinator
            assert type(coordinator.journal) is SQLiteJournal
            assert {type(store) for store in coordinator.stores.values()} == {SQLiteStore}

    run(body)


def test_it_can_be_awaited_and_closed_twice(tmp_path: Path) -> None:
    async def body() -> None:
        grove = await on_files(tmp_path)
        await grove.claim("file:a", agent=CODER, intent_summary="mine")
        await asyncio.gather(grove.close(), grove.close())
        await grove.close()
        with pytest.raises(RuntimeError):
            await grove.audit()

    run(body)


def test_what_cannot_be_opened_leaves_nothing(tmp_path: Path) -> None:
    async def body() -> None:
        with pytest.raises(ValidationError, match="contributions is required"):
            await AsyncGrove.open(journal="nonsense://", stores={})

    run(body)


def test_who_is_cancelled_while_it_opens_holds_nothing(tmp_path: Path) -> None:
    async def body() -> None:
        opening = asyncio.ensure_future(_opened(tmp_path))
        await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

    run(body)
    with Grove.open(journal=journal_url(tmp_path), stores=five_files(tmp_path)) as grove:
        assert not grove.coordinator.journal.has_company()


async def _opened(folder: Path) -> AsyncGrove:
    opened: AsyncGrove = await on_files(folder)
    return opened


def test_operations_at_once_overlap_what_they_wait_for(hindered: Hindered) -> None:
    original = hindered.open()
    # A store that is not on this machine: nobody waits for another's votes.
    both = threading.Barrier(2)
    for name in ("contributions", "handoffs"):
        hindered.stores[name].local = False
    hindered.stores["contributions"].on_validate = lambda: both.wait(LONG)

    async def body() -> None:
        async with AsyncGrove(original) as grove:
            await asyncio.gather(
                *(
                    grove.contribute(kind="work", summary=summary, agent=CODER)
                    for summary in ("a", "b")
                )
            )
            assert len(await grove.handoffs.list()) == 4

    run(body)


@pytest.mark.slow
@pytest.mark.parametrize("is_far", [False, True], ids=["one append", "two steps"])
def test_cancelled_anywhere_leaves_nothing_partial(hindered: Hindered, is_far: bool) -> None:
    seed = Random().getrandbits(32)
    print(f"seed {seed}")  # noqa: T201 - shown if the test fails
    random = Random(seed)
    original = hindered.open(background=True)
    for store in hindered.stores.values():
        store.local = not is_far

    async def cancelled(grove: AsyncGrove, number: int) -> str | None:
        key = f"k{number}"
        task = asyncio.ensure_future(
            grove.contribute(
                kind="work", summary=f"kernel {number}", agent=CODER, idempotency_key=key
            )
        )
        await asyncio.sleep(random.random() * LONGEST_PAUSE)
        task.cancel()
        try:
            return (await task).cid
        except asyncio.CancelledError:
            return None

    async def body() -> None:
        async with AsyncGrove(original, InThreads(4)) as grove:
            told: list[str | None] = []
            for begin in range(0, CANCELLED, 10):
                numbers = range(begin, begin + 10)
                told += await asyncio.gather(*(cancelled(grove, number) for number in numbers))
            assert None in told
            assert any(told)
            report = await grove.audit()
            assert report.ok, report
            there = {c.summary for c in await grove.contributions.list()}
            acknowledged = {f"kernel {number}" for number, cid in enumerate(told) if cid}
            assert acknowledged <= there
            print(f"{len(there)} of {CANCELLED} are there, {len(acknowledged)} answered")  # noqa: T201
            assert len(await grove.handoffs.list()) == 2 * len(there)
            for number in range(0, CANCELLED, 7):
                # What became of it is told, or it is done now.
                again = await grove.contribute(
                    kind="work",
                    summary=f"kernel {number}",
                    agent=CODER,
                    idempotency_key=f"k{number}",
                )
                assert told[number] in (None, again.cid)
                assert len(await grove.handoffs.list(source_cid=again.cid)) == 2
            assert (await grove.audit()).ok

    run(body)


def test_many_wait_in_no_thread_and_are_told(tmp_path: Path) -> None:
    waiting = AT_ONCE + 16

    async def body() -> None:
        async with on_files(tmp_path) as grove:
            tasks = [
                asyncio.ensure_future(grove.pick_up(agent=REVIEWER, wait=LONG))
                for _ in range(waiting)
            ]
            for number in range(waiting):
                await grove.contribute(kind="work", summary=f"{number}", agent=CODER)
            found = await asyncio.gather(*tasks)
            assert len({work.handoff.handoff_id for work in found if work}) == waiting

    run(body)


def test_who_waits_in_vain_is_told_so(tmp_path: Path) -> None:
    async def body() -> None:
        async with on_files(tmp_path) as grove:
            assert await grove.pick_up(agent=REVIEWER, wait=0.05) is None
            with pytest.raises(ValidationError, match="wait must be a number of seconds"):
                await grove.pick_up(agent=REVIEWER, wait=-1)

    run(body)


def test_who_is_cancelled_while_it_waits_takes_nothing(tmp_path: Path) -> None:
    async def body() -> None:
        async with on_files(tmp_path) as grove:
            task = asyncio.ensure_future(grove.pick_up(agent=REVIEWER, wait=LONG))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await grove.contribute(kind="work", summary="a", agent=CODER)
            assert await grove.pick_up(agent=REVIEWER, wait=LONG) is not None

    run(body)


def test_a_store_that_is_down_is_told(hindered: Hindered) -> None:
    original = hindered.open()
    hindered.stores["claims"].down = True

    async def body() -> None:
        async with AsyncGrove(original) as grove:
            with pytest.raises(StoreUnavailable):
                await grove.claim("file:a", agent=CODER, intent_summary="mine")
            await grove.contribute(kind="work", summary="a", agent=CODER)

    run(body)
