"""The released Nexus server: races that have one winner, its own conditions that let several win,
and SIGKILL in the middle of everything, with requests that come when all is over.

`GROVE_RACES` and `GROVE_RESTARTS` say how many; 200 and 50 take some minutes each.
"""

import os
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from faults.proxy import Held, TcpProxy
from grove_sm import Grove
from grove_sm.nexus.client import NexusClient
from grove_sm.nexus.url import NexusUrl
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.stores.nexus_files import Zone
from grove_sm.stores.nexus_listing import NexusListing
from tests.groves import SPONSOR
from tests.processes.work import Attempt, read_log
from tests.processes.zygote import CONTEXT, Worker
from tests.servers.nexus import NEEDS_NEXUS, NexusServer, own_server

from .work import Deployment, open_grove, race, records_of, work

pytestmark = [NEEDS_NEXUS, pytest.mark.slow]

RACES: Final = int(os.environ.get("GROVE_RACES", "20"))
RACERS: Final = 6
RESTARTS: Final = int(os.environ.get("GROVE_RESTARTS", "4"))
WORKERS: Final = 2
LISTED: Final = 15
_LONGEST: Final = 30.0
SEED: Final = os.environ.get("GROVE_SEED") or secrets.token_hex(4)

RecordProperty = Callable[[str, object], None]


def test_a_race_has_one_winner(
    nexus: NexusServer, zone: str, tmp_path: Path, record_property: RecordProperty
) -> None:
    url = nexus.url(zone)
    with open_grove(tmp_path, url, "contributions", "claims") as grove:
        grove.grant_credits(SPONSOR.agent_id, RACES)
        bounty_ids = [
            grove.create_bounty(
                title=f"Race {number}", amount=1, criteria={"description": "first"}, agent=SPONSOR
            ).bounty_id
            for number in range(RACES)
        ]
    barrier = CONTEXT.Barrier(RACERS)
    with ExitStack() as running:
        workers = [
            running.enter_context(
                Worker(race, Deployment(tmp_path, url), f"coder-{number}", barrier, bounty_ids)
            )
            for number in range(RACERS)
        ]
        results: list[list[Attempt]] = [
            [worker.receive() for worker in workers] for _ in bounty_ids
        ]
        for worker in workers:
            worker.send("close")
        for worker in workers:
            worker.process.join()
    winners = Counter[str]()
    with open_grove(tmp_path, url, "contributions", "claims") as grove:
        claims = {claim.target_ref: claim for claim in grove.claims.list(limit=None)}
        assert len(claims) == len(grove.claims.list(limit=None)) == RACES
        for bounty_id, attempts in zip(bounty_ids, results, strict=True):
            (winner,) = (attempt for attempt in attempts if attempt.won)
            assert {(a.holder, a.claim_id) for a in attempts} == {(winner.holder, winner.claim_id)}
            assert claims[f"bounty:{bounty_id}"].claim_id == winner.claim_id
            winners[winner.holder] += 1
        assert grove.audit().violations == ()
    record_property("counted", f"{RACES} races of {RACERS}, won {dict(winners)}")


@pytest.mark.parametrize("condition", ["if_none_match", "if_match"])
def test_the_servers_own_condition_lets_several_win(
    nexus: NexusServer, zone: str, record_property: RecordProperty, condition: str
) -> None:
    """Which is why nothing rests on it."""
    won = [_raced(nexus, f"/zones/{zone}/raced/{number}", condition) for number in range(20)]
    assert max(won) > 1
    record_property("counted", f"{sum(won)} won 20 races by {condition}")


def test_no_listing_that_the_server_has_kept_is_believed(
    nexus: NexusServer, zone: str, record_property: RecordProperty
) -> None:
    """Several write at once while others list the same folder; how many of the listings that the
    server then shows, and goes on to show, miss a file is counted beside it."""
    url = NexusUrl.parse(nexus.url(zone), setting="store")
    client, other = NexusClient(url, timeout=60.0), NexusClient(url, timeout=60.0)
    listing = NexusListing(client, Zone(zone))
    folder = Zone(zone).folder("claims")
    done = threading.Event()

    def list_all_the_time() -> None:
        while not done.is_set():
            other.list_folder(folder)

    missed = 0
    with ThreadPoolExecutor(3) as others:
        for _ in range(3):
            others.submit(list_all_the_time)
        try:
            for number in range(LISTED):
                names = [f"c{number}-{each}" for each in range(RACERS)]
                client.each([partial(client.create, f"{folder}/{n}/1", b"x") for n in names])
                written = (number + 1) * RACERS
                assert len(listing.etags("claims")) == written
                assert [len(listing.etags(("claims", name))) for name in names] == [1] * RACERS
                missed += len(client.list_folder(folder)) < written
        finally:
            done.set()
    client.close()
    other.close()
    record_property("counted", f"{missed} of {LISTED} kept listings missed a file")


def _raced(nexus: NexusServer, path: str, condition: str) -> int:
    """How many of six writers at once were told that they had written first."""
    extra: dict[str, Any] = {"if_none_match": True}
    if condition == "if_match":
        extra = {"if_match": _write(nexus, path, "before")["result"]["etag"]}
    with ThreadPoolExecutor(RACERS) as pool:
        answers = pool.map(lambda text: _write(nexus, path, text, **extra), "abcdef")
        return sum("result" in answer for answer in answers)


def _write(nexus: NexusServer, path: str, text: str, **conditions: Any) -> dict[str, Any]:
    params = {"path": path, "content": text, **conditions}
    answer: dict[str, Any] = httpx.post(
        f"http://127.0.0.1:{nexus.port}/api/nfs/write",
        json={"jsonrpc": "2.0", "id": 1, "method": "write", "params": params},
        timeout=60.0,
        trust_env=False,
    ).json()
    return answer


def test_a_server_that_is_killed_loses_nothing_and_what_comes_late_changes_nothing(
    tmp_path: Path, record_property: RecordProperty
) -> None:
    rng = random.Random(SEED)
    print(f"GROVE_SEED={SEED}")  # noqa: T201
    holds: list[Held] = []
    with own_server() as server, TcpProxy(server.port) as proxy, ExitStack() as running:
        url = f"nexus+http://127.0.0.1:{proxy.port}/main"
        directly = server.url("main")
        with open_grove(tmp_path, directly, *COLLECTIONS) as grove:
            grove.grant_credits(SPONSOR.agent_id, 1_000_000)
        workers = [
            running.enter_context(Worker(work, tmp_path, url, f"{SEED}-{number}", 5.0))
            for number in range(WORKERS)
        ]
        for worker in workers:
            assert worker.receive() == "ready"
        for number in range(RESTARTS):
            time.sleep(rng.uniform(0.5, 3.0))
            if number % 2:
                # What is written just before the end is mislaid.
                holds.append(proxy.hold(b"/api/nfs/write"))
                _wait_for(holds[-1])
                proxy.forget(holds[-1])
            server.kill()
            server.start()
        time.sleep(3.0)
        for worker in workers:
            worker.send("stop")
        refused = [worker.receive() for worker in workers]
        for worker in workers:
            worker.process.join()
        before = _settled(tmp_path, directly)
        held = sum(hold.number for hold in holds)
        for hold in holds:
            hold.release()
        _write(server, "/elsewhere", "after them")
        time.sleep(3.0)
        assert _settled(tmp_path, directly) == before
    acknowledged = [line["records"] for line in read_log(tmp_path) if "records" in line]
    assert acknowledged
    for records in acknowledged:
        for collection, record_id in records.items():
            assert record_id in before[collection]
    record_property(
        "counted",
        f"{RESTARTS} kills, {len(acknowledged)} acknowledged, {held} held back, refused {refused}",
    )


def _wait_for(held: Held) -> None:
    """Until something is held back; whoever is at work writes sooner or later."""
    deadline = time.monotonic() + _LONGEST
    while not held.number and time.monotonic() < deadline:
        time.sleep(0.02)


def _settled(folder: Path, url: str) -> Any:
    """Every record, once all is recovered and audited."""
    with open_grove(folder, url, *COLLECTIONS, background=False) as grove:
        _finish(grove)
        assert grove.audit().violations == ()
        return records_of(grove)


def _finish(grove: Grove) -> None:
    report = grove.recover()
    assert (report.in_doubt, report.corrupt) == ([], [])
