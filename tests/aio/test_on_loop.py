"""An asynchronous grove on servers: what waits for them waits on the event loop, in no thread."""

import asyncio
import logging
import os
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from grove_sm import AsyncGrove, Grove, StoreUnavailable
from grove_sm.aio.running import InThreads, OnLoop
from grove_sm.blocking import sleep
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.postgres.session import Session
from tests.groves import CODER, TOPOLOGY
from tests.kinds.nexus import NEXUS
from tests.kinds.postgres import POSTGRES
from tests.servers.nexus_standin import NexusStandIn
from tests.servers.postgres import new_schema, shared_server

from .test_async_grove import LONG, run, use

AT_ONCE: Final = 20
SECRET: Final = "sk-pr1vate"  # noqa: S105 - of a server that lives as long as a test
VERY_LONG: Final = 600.0

pytestmark = pytest.mark.skipif(
    bool(POSTGRES.missing() or NEXUS.missing()), reason=POSTGRES.missing() or NEXUS.missing()
)


class Where:
    """The places of a grove's parts."""

    def __init__(self, journal: str, stores: dict[str, str]) -> None:
        self._arguments: dict[str, Any] = {
            "journal": journal, "stores": stores, "topology": TOPOLOGY
        }  # fmt: skip

    def awaited(self, **arguments: Any) -> Any:
        """The grove, to be awaited."""
        return AsyncGrove.open(**self._arguments, **arguments)

    def called(self) -> Grove:
        """The same grove for a thread."""
        return Grove.open(**self._arguments)


@pytest.fixture
def nexus() -> Iterator[NexusStandIn]:
    """A server of this test's own."""
    with closing(NexusStandIn()) as server:
        yield server


def on_postgres(_: Path, __: NexusStandIn) -> Where:
    """Everything in PostgreSQL."""
    schema = new_schema()
    return Where(schema, dict.fromkeys(COLLECTIONS, schema))


def on_both(_: Path, nexus: NexusStandIn) -> Where:
    """A journal in PostgreSQL, stores on Nexus."""
    return Where(new_schema(), dict.fromkeys(COLLECTIONS, nexus.url(_zone())))


def beside_files(folder: Path, nexus: NexusStandIn, key: str = "") -> Where:
    """A journal and stores in files, others on Nexus: calls on files hop into threads."""
    url = nexus.url(_zone())
    stores = dict.fromkeys(COLLECTIONS, f"{url}?key={key}" if key else url)
    files = dict.fromkeys(("handoffs", "claims"), f"sqlite:///{folder}/stores.db")
    return Where(f"sqlite:///{folder}/journal.db", {**stores, **files})


def in_memory_too(_: Path, nexus: NexusStandIn) -> Where:
    """A journal in memory, whose locks belong to threads."""
    stores = dict.fromkeys(COLLECTIONS, f"memory://{_zone()}")
    return Where(f"memory://{_zone()}", {**stores, "contributions": nexus.url(_zone())})


def _zone() -> str:
    return f"z-{secrets.token_hex(8)}"


@pytest.fixture(params=[on_postgres, on_both, beside_files, in_memory_too])
def where(request: pytest.FixtureRequest, tmp_path: Path, nexus: NexusStandIn) -> Where:
    """A grove of which something is on a server."""
    made: Where = request.param(tmp_path, nexus)
    return made


def test_what_is_done_and_refused(where: Where) -> None:
    async def body() -> None:
        async with where.awaited() as grove:
            assert isinstance(grove._runner, OnLoop)
            await use(grove, wait=LONG)
            assert (await grove.counts())["contributions"] == {"review": 1, "work": 1}

    run(body)
    with where.called() as again:
        assert again.audit().ok
        assert len(again.contributions.list()) == 2


def test_many_at_once_do_as_they_would_one_by_one(where: Where) -> None:
    async def body() -> None:
        async with where.awaited() as grove:
            outcomes = await asyncio.gather(
                *(
                    grove.claim("file:a", agent=CODER, intent_summary="mine", idempotency_key="k")
                    for _ in range(AT_ONCE)
                ),
                *(
                    grove.contribute(kind="work", summary=f"{number}", agent=CODER)
                    for number in range(AT_ONCE)
                ),
            )
            assert len({made.claim.claim_id for made in outcomes[:AT_ONCE]}) == 1
            assert len(await grove.contributions.list()) == AT_ONCE
            assert len(await grove.handoffs.list(limit=1000)) == 2 * AT_ONCE
            assert (await grove.audit()).ok

    run(body)


def test_requests_of_two_operations_overlap(tmp_path: Path, nexus: NexusStandIn) -> None:
    """The votes on one contribution are answered once those on the other have been asked for."""
    asked: set[str] = set()
    both = threading.Event()

    def meet(method: str, params: Any) -> None:
        prefix = params.get("prefix", params["path"]).replace("%", "")
        if method == "list" and "/contributions/" in prefix:
            asked.add(prefix)
            if len(asked) == 2:
                both.set()
            assert both.wait(LONG)

    async def body() -> None:
        async with on_both(tmp_path, nexus).awaited() as grove:
            await grove.contribute(kind="work", summary="before", agent=CODER)
            nexus.before = meet
            await asyncio.gather(
                *(grove.contribute(kind="work", summary=s, agent=CODER) for s in ("a", "b"))
            )

    run(body)


def test_operations_wait_for_postgres_while_the_loop_goes_on() -> None:
    """A table is locked until this very loop has seen that as many wait for it as can."""
    schema = new_schema()
    place = Where(schema, dict.fromkeys(COLLECTIONS, schema))
    name = schema.partition("schema=")[2]

    async def body() -> None:
        async with place.awaited() as grove:
            await grove.contribute(kind="work", summary="before", agent=CODER)
            with shared_server().connect() as other:
                other.execute(f"BEGIN; LOCK TABLE {name}.contributions".encode())
                tasks = [
                    asyncio.ensure_future(
                        grove.contribute(kind="work", summary=f"{number}", agent=CODER)
                    )
                    for number in range(3)
                ]
                while _waiting_for(name) < len(tasks):
                    await asyncio.sleep(0.01)
                assert not any(task.done() for task in tasks)
                other.execute(b"COMMIT")
            await asyncio.gather(*tasks)

    run(body)


def _waiting_for(schema: str) -> int:
    with shared_server().connect() as other:
        row = other.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass",
            (f"{schema}.contributions",),
        ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.slow
@pytest.mark.parametrize("number_of", [100, pytest.param(1000, marks=pytest.mark.long)])
@pytest.mark.parametrize("whom", ["who waits", "operations"])
def test_cancelled_anywhere_leaves_nothing_partial(where: Where, whom: str, number_of: int) -> None:
    """Who waits learns nothing; an operation itself, as when a loop ends, dies as in a crash."""
    seed = Random().getrandbits(32)
    print(f"seed {seed}")  # noqa: T201 - shown if the test fails
    random = Random(seed)

    async def contribute(grove: AsyncGrove, number: int) -> str:
        made = await grove.contribute(
            kind="work", summary=f"{number}", agent=CODER, idempotency_key=f"k{number}"
        )
        return made.cid

    async def cancelled(grove: AsyncGrove, number: int, longest: float) -> str | None:
        task = asyncio.ensure_future(contribute(grove, number))
        await asyncio.sleep(random.random() * longest)
        runner = grove._runner
        assert isinstance(runner, OnLoop)
        if whom == "who waits":
            task.cancel()
        elif runner._running:
            random.choice(sorted(runner._running, key=id)).cancel()
        try:
            return await task
        except asyncio.CancelledError:
            return None

    async def body() -> None:
        async with where.awaited() as grove:
            started = time.monotonic()
            told: list[str | None] = [
                *await asyncio.gather(*(contribute(grove, number) for number in range(AT_ONCE)))
            ]
            longest = 2 * (time.monotonic() - started)
            for begin in range(AT_ONCE, number_of, AT_ONCE):
                numbers = range(begin, begin + AT_ONCE)
                told += await asyncio.gather(*(cancelled(grove, n, longest) for n in numbers))
            assert None in told
            assert any(told[AT_ONCE:])
            assert (await grove.audit()).ok
            there = await grove.contributions.list(limit=1000)
            acknowledged = {cid for cid in told if cid}
            assert acknowledged <= {c.cid for c in there}
            print(f"{len(there)} of {number_of} are there, {len(acknowledged)} answered")  # noqa: T201
            assert len(await grove.handoffs.list(limit=1000)) == min(1000, 2 * len(there))
            for number in range(0, number_of, 20):
                assert told[number] in (None, await contribute(grove, number))
            assert (await grove.audit()).ok

    run(body, VERY_LONG)
    with where.called() as again:
        assert again.recover().in_doubt == []
        assert again.audit().ok


def test_a_loop_that_ends_first_is_a_crash(where: Where) -> None:
    """Nobody closes the grove, and everything that is under way is cancelled."""

    async def body() -> None:
        grove = await where.awaited()
        tasks = [
            asyncio.ensure_future(grove.contribute(kind="work", summary=f"{number}", agent=CODER))
            for number in range(AT_ONCE)
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        grove._original.abandon()

    asyncio.run(body())
    with where.called() as again:
        assert again.audit().ok
        there = again.contributions.list()
        assert there
        assert len(again.handoffs.list()) == 2 * len(there)


def test_a_loop_that_forks_goes_on(tmp_path: Path, nexus: NexusStandIn) -> None:
    """An operation of its own has what the housekeeping waits for, which a fork would wait for."""
    slow = threading.Event()

    def answer_late(_: str, __: Any) -> None:
        if slow.is_set():
            time.sleep(0.05)

    async def body() -> None:
        async with on_both(tmp_path, nexus).awaited() as grove:
            nexus.before = answer_late
            for number in range(5):
                slow.clear()
                await grove.contribute(kind="work", summary=f"{number}", agent=CODER)
                slow.set()
                flushing = asyncio.ensure_future(grove.flush())
                await asyncio.sleep(0.03)
                child = os.fork()
                if child == 0:
                    os._exit(0)
                os.waitpid(child, 0)
                await flushing
            slow.clear()
            assert (await grove.audit()).ok

    run(body)


def test_who_is_cancelled_while_it_gives_a_connection_back_does_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    schema = new_schema()
    place = Where(schema, dict.fromkeys(COLLECTIONS, schema))
    given_back: list[Session] = []

    def roll_back_slowly(session: Session) -> None:
        given_back.append(session)
        sleep(0.01)

    async def body() -> None:
        async with place.awaited(patience=2.0) as grove:
            runner = grove._runner
            assert isinstance(runner, OnLoop)
            with monkeypatch.context() as patched:
                patched.setattr("grove_sm.postgres.pool.roll_back", roll_back_slowly)
                for _ in range(AT_ONCE):
                    given_back.clear()
                    task = asyncio.ensure_future(grove.claims.list())
                    while not given_back:
                        await asyncio.sleep(0)
                    for operation in set(runner._running):
                        operation.cancel()
                    with suppress(asyncio.CancelledError):
                        await task
            # There are as many as ever.
            assert await grove.claims.list() == []

    run(body)


def test_a_server_that_is_down_is_told(tmp_path: Path, nexus: NexusStandIn) -> None:
    async def body() -> None:
        async with on_both(tmp_path, nexus).awaited(patience=1.0) as grove:
            nexus.close()
            with pytest.raises(StoreUnavailable):
                await grove.contribute(kind="work", summary="a", agent=CODER)

    run(body)


def test_a_key_is_told_to_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []

    async def body(key: str) -> None:
        place = beside_files(tmp_path, server, key)
        async with place.awaited(patience=1.0) as grove:
            told.extend(repr(part) for part in (grove, grove.settings, grove._runner))
            try:
                await grove.contribute(kind="work", summary="a", agent=CODER)
            except StoreUnavailable as error:
                told.append("".join(traceback.format_exception(error)))

    with closing(NexusStandIn(key=SECRET)) as server:
        run(partial(body, SECRET))
        assert not [text for text in told if "Error" in text]
        run(partial(body, f"{SECRET}-not"))
    assert "access was refused" in told[-1]
    assert "httpcore" in {record.name.partition(".")[0] for record in caplog.records}
    for text in (*told, caplog.text):
        assert SECRET not in text


def test_without_what_it_takes_they_run_in_threads(
    tmp_path: Path, nexus: NexusStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "greenback", None)

    async def body() -> None:
        async with on_both(tmp_path, nexus).awaited() as grove:
            assert isinstance(grove._runner, InThreads)
            await grove.contribute(kind="work", summary="a", agent=CODER)

    run(body)


def test_what_has_been_closed_is_told(where: Where) -> None:
    async def body() -> None:
        async with where.awaited() as grove:
            pass
        with pytest.raises(RuntimeError, match="closed"):
            await grove.claims.list()

    run(body)
