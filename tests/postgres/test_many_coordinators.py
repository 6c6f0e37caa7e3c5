"""Many coordinators on one journal in PostgreSQL, which are killed, frozen and cut off.

Each reaches the journal and the stores by proxies of its own, so that it can be cut off from the
one and not from the others. Whatever happens to them, somebody who is not disturbed looks: what
was acknowledged stays, no part of an operation is ever seen without the rest, and no record goes
back to an earlier revision.
"""

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import pytest

from faults.proxy import MANNERS, TcpProxy
from grove_sm import Grove
from grove_sm.commit.contract import Snapshot
from grove_sm.commit.coordinator import Coordinator
from grove_sm.connect import open_journal, open_stores
from grove_sm.domain.errors import GroveError
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.operations.plan import Stored
from grove_sm.operations.query import Query
from grove_sm.postgres.url import PostgresUrl
from tests.groves import NOW, SPONSOR, TOPOLOGY
from tests.processes.amounts import amount
from tests.processes.sight import missing_parts
from tests.processes.work import Log, operations, random_name, read_log, utc_now
from tests.processes.zygote import Worker
from tests.servers.postgres import Address, new_schema, shared_server

COORDINATORS: Final = amount("GROVE_COORDINATORS", 4)
KILLS: Final = amount("GROVE_KILLS", 12)
FREEZES: Final = KILLS // 4
PARTITIONS: Final = KILLS // 4

PATIENCE: Final = 1.0
LONGER_THAN_ANY: Final = 5 * PATIENCE
"""A session that says nothing is ended after four times the patience."""

LONGEST_LIFE: Final = 1.5
LONGEST_PARTITION: Final = 3 * PATIENCE


def open_grove(journal: str, stores: str, *, background: bool, patience: float) -> Grove:
    """A grove whose collections are all in one schema."""
    return Grove.open(
        journal=journal,
        stores=dict.fromkeys(COLLECTIONS, stores),
        topology=TOPOLOGY,
        background=background,
        patience=patience,
    )


def work(connection: Connection, folder: Path, journal: str, stores: str, seed: str) -> None:
    """Operate until killed, whatever fails, and log what is acknowledged."""
    log = Log(folder)
    while True:
        try:
            grove = open_grove(journal, stores, background=True, patience=PATIENCE)
            break
        except GroveError:
            time.sleep(PATIENCE / 5)
    todo = operations(grove, seed)
    connection.send("ready")
    for operation in todo:
        log.began()
        try:
            done = operation()
        except GroveError:
            continue
        log.acknowledged(**done)


class Seat:
    """One coordinator's place: its proxies, its log, and whatever process is there now."""

    def __init__(self, folder: Path, schemas: tuple[str, str], seed: str) -> None:
        self.folder = folder
        folder.mkdir()
        self.rng = random.Random(seed)
        server = shared_server()
        self.proxies = (TcpProxy(server.port), TcpProxy(server.port))
        self.schemas = schemas

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        """A process that works there."""
        journal, stores = (
            Address(proxy.port).url(schema)
            for proxy, schema in zip(self.proxies, self.schemas, strict=True)
        )
        with Worker(work, self.folder, journal, stores, f"{self.rng.random()}") as worker:
            assert worker.receive() == "ready"
            yield worker


class Quota:
    """So many of each mischief, shared by all seats."""

    def __init__(self, **numbers: int) -> None:
        self._left = Counter(numbers)
        self._turn = threading.Lock()

    def take(self, rng: random.Random) -> str | None:
        """One that is left; None if none is."""
        with self._turn:
            left = [what for what, number in sorted(self._left.items()) for _ in range(number)]
            if not left:
                return None
            chosen = rng.choice(left)
            self._left[chosen] -= 1
            return chosen


def disturb(seat: Seat, quota: Quota, counts: Counter[str]) -> None:
    """Have a coordinator at work, and do to it what the quota still has."""
    while True:
        with seat.worker() as worker:
            while (mischief := quota.take(seat.rng)) is not None:
                time.sleep(seat.rng.uniform(0, LONGEST_LIFE))
                worker.check()
                counts[mischief] += 1
                if mischief == "kills":
                    break
                if mischief == "freezes":
                    freeze(worker)
                else:
                    cut_off(seat)
            else:
                return


def freeze(worker: Worker) -> None:
    """Stop a process for longer than any time-out, and let it go on."""
    pid = worker.process.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    time.sleep(LONGER_THAN_ANY)
    os.kill(pid, signal.SIGCONT)


def cut_off(seat: Seat) -> None:
    """Cut a coordinator off from the journal, from the stores or from both, in some manner."""
    reached = seat.rng.choice([seat.proxies[:1], seat.proxies[1:], seat.proxies])
    manner = seat.rng.choice(["black hole", "refuse", *MANNERS])
    for proxy in reached:
        if manner == "black hole":
            proxy.black_hole()
        elif manner == "refuse":
            proxy.refuse()
        else:
            proxy.sever(manner)  # type: ignore[arg-type]
            proxy.black_hole()
    time.sleep(seat.rng.uniform(0, LONGEST_PARTITION))
    for proxy in reached:
        proxy.heal()


class Onlooker:
    """Somebody undisturbed, who looks again and again while the others are disturbed."""

    def __init__(self, schemas: tuple[str, str], folders: list[Path]) -> None:
        server = shared_server()
        journal, stores = (server.url(schema) for schema in schemas)
        self._folders = folders
        self._revisions: dict[tuple[str, str], int] = {}
        self.looks = 0
        self.coordinator = Coordinator(
            open_journal(journal, Path(), opened_at=NOW, busy_timeout=10.0),
            open_stores(dict.fromkeys(COLLECTIONS, stores), Path(), busy_timeout=10.0),
            clock=utc_now,
            random=random_name,
            patience=10.0,
        )

    def close(self) -> None:
        """Let go of everything."""
        self.coordinator.journal.close()
        for store in self.coordinator.stores.values():
            store.close()

    def look(self) -> None:
        """See that nothing is lost, partial or older than it was."""
        acknowledged = {pair for folder in self._folders for pair in acknowledged_in(folder)}
        seen = {
            (collection, stored.record_id): stored.revision
            for collection in COLLECTIONS
            for stored in self.coordinator.page(Query(collection), None)
        }
        assert acknowledged <= seen.keys(), "what was acknowledged is gone"
        went_back = {key for key, revision in self._revisions.items() if seen[key] < revision}
        assert not went_back, "a newer record was overwritten"
        self._revisions = seen
        # The others go on while pages are read, one collection after the other.
        with self.coordinator.snapshots() as views:
            assert (
                missing_parts({name: documents_of(view, name) for name, view in views.items()})
                == []
            )
        self.looks += 1


def documents_of(view: Snapshot, collection: str) -> Mapping[str, Any]:
    """The document of each record."""
    found = [stored for stored in view.scan(collection) if isinstance(stored, Stored)]
    return {stored.record_id: json.loads(stored.document) for stored in found}


def acknowledged_in(folder: Path) -> Iterator[tuple[str, str]]:
    """Each record that an acknowledged operation of a log wrote."""
    for line in read_log(folder):
        yield from line.get("records", {}).items()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kills_freezes_and_partitions(
    tmp_path: Path, seed: int, record_property: Callable[[str, object], None]
) -> None:
    rng = random.Random(seed)
    names = tuple(PostgresUrl.parse(new_schema(), setting="x").schema for _ in range(2))
    schemas = (names[0], names[1])
    seats = [
        Seat(tmp_path / f"{number}", schemas, f"{rng.random()}") for number in range(COORDINATORS)
    ]
    counts = Counter[str]()
    direct = [shared_server().url(schema) for schema in schemas]
    with open_grove(*direct, background=False, patience=10.0) as grove:
        grove.grant_credits(SPONSOR.agent_id, 10**9)
    quota = Quota(kills=KILLS, freezes=FREEZES, partitions=PARTITIONS)
    onlooker = Onlooker(schemas, [seat.folder for seat in seats])
    with ExitStack() as stack, closing(onlooker), ThreadPoolExecutor(COORDINATORS) as pool:
        for seat in seats:
            for proxy in seat.proxies:
                stack.enter_context(proxy)
        disturbed = [pool.submit(disturb, seat, quota, counts) for seat in seats]
        while not all(done.done() for done in disturbed):
            onlooker.look()
        for done in disturbed:
            done.result()
        onlooker.look()
    check_end(direct, seats, counts)
    counts["looks"] = onlooker.looks
    told = ", ".join(f"{count} {what}" for what, count in counts.items())
    record_property("counted", f"seed {seed}: {told}")


def check_end(direct: list[str], seats: list[Seat], counts: Counter[str]) -> None:
    """What a recovery finds once nobody is left, and that it leaves nothing."""
    with open_grove(*direct, background=False, patience=10.0) as grove:
        assert grove.recovery.in_doubt == grove.recovery.corrupt == []
        counts["rolled forward at last"] = len(grove.recovery.rolled_forward)
        assert grove.coordinator.journal.heuristics() == ()
        assert grove.audit().violations == ()
        grove.flush()
        assert grove.coordinator.journal.unfinished() == ()
    lines: list[Mapping[str, object]] = [line for seat in seats for line in read_log(seat.folder)]
    counts["operations acknowledged"] = sum(line["event"] == "acknowledged" for line in lines)
    assert counts["kills"] == KILLS
    assert counts["freezes"] == FREEZES
    assert counts["partitions"] == PARTITIONS
    assert counts["operations acknowledged"] > KILLS
