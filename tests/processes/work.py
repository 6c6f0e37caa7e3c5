"""What the worker processes do, and the log of what they were told."""

import json
import os
import random
import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, Final, NamedTuple

from faults.schedule import Schedule
from faults.wrappers import FaultyStore
from grove_sm import Agent, Grove
from grove_sm.commit.contract import Participant
from grove_sm.commit.coordinator import Coordinator
from grove_sm.domain.errors import ClaimConflict
from tests.groves import CODER, REVIEWER, SPONSOR, build, open_parts

from .sight import Sight, look, missing_parts

LOG_NAME: Final = "acknowledged.log"
_LONGEST_WAIT: Final = 60.0


class Manner(NamedTuple):
    """How workers open a grove: with a housekeeping thread or not, by which path of the
    protocol."""

    background: bool
    one_append: bool


USUAL: Final = Manner(background=True, one_append=True)


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def random_name() -> str:
    """A name that never repeats."""
    return secrets.token_hex(8)


def open_grove(folder: Path, manner: Manner = USUAL) -> Grove:
    """A grove over five files, as a user's process has it."""
    journal, stores = open_parts(folder)
    if not manner.one_append:
        stores = {name: _remote(store, name) for name, store in stores.items()}
    return build(journal, stores, utc_now, random_name, background=manner.background)


def _remote(store: Participant, label: str) -> Participant:
    return FaultyStore(store, label, Schedule(), local=False)


def open_reader(folder: Path) -> Coordinator:
    """A coordinator that has run no recovery."""
    journal, stores = open_parts(folder)
    return Coordinator(journal, stores, clock=utc_now, random=random_name)


class Log:
    """A file of what a worker began and what was acknowledged to it.

    A line is one system call, so what was logged before a SIGKILL is in the file.
    """

    def __init__(self, folder: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(folder / LOG_NAME, flags)

    def began(self) -> None:
        """An operation is about to be called."""
        self._write({"event": "began"})

    def acknowledged(self, **records: str) -> None:
        """An operation has returned: collection -> id of what it wrote."""
        self._write({"event": "acknowledged", "records": records})

    def _write(self, line: Mapping[str, Any]) -> None:
        os.write(self._descriptor, json.dumps(line).encode() + b"\n")


def read_log(folder: Path) -> list[Mapping[str, Any]]:
    """The lines of a log."""
    path = folder / LOG_NAME
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def work_until_killed(connection: Connection, folder: Path, manner: Manner, seed: str) -> None:
    """Contribute, reply, offer bounties and claim them, and log it; says when it begins."""
    log = Log(folder)
    grove = open_grove(folder, manner)
    todo = operations(grove, seed)
    connection.send("ready")
    for operation in todo:
        log.began()
        log.acknowledged(**operation())


def work(connection: Connection, folder: Path, manner: Manner, seed: str, number: int) -> None:
    """So many operations; tells what was acknowledged, and closes when told to."""
    with open_grove(folder, manner) as grove:
        todo = operations(grove, seed)
        connection.send([next(todo)() for _ in range(number)])
        connection.recv()


def operations(grove: Grove, seed: str) -> Iterator[Callable[[], Mapping[str, str]]]:
    """Operations without end, chosen by a seed; each answers collection -> id of what it wrote."""
    rng = random.Random(seed)
    own = secrets.token_hex(4)
    cids: list[str] = []
    bounty_ids: list[str] = []

    def key(number: int) -> str | None:
        return rng.choice([None, f"{own}-{number}"])

    def contribute(number: int) -> Mapping[str, str]:
        summary = f"work {own} {number}"
        done = grove.contribute(
            kind="work", summary=summary, agent=CODER, idempotency_key=key(number)
        )
        cids.append(done.cid)
        return {"contributions": done.cid, "handoffs": done.handoff_ids[0]}

    def review(number: int) -> Mapping[str, str]:
        done = grove.contribute(
            kind="review",
            summary=f"review {own} {number}",
            agent=REVIEWER,
            relations=[{"targetCid": cids.pop(), "relationType": "reviews"}],
            idempotency_key=key(number),
        )
        return {"contributions": done.cid, "handoffs": done.handoff_ids[0]}

    def offer(number: int) -> Mapping[str, str]:
        bounty = grove.create_bounty(
            title=f"bounty {own} {number}",
            amount=1 + number,
            criteria={"description": "whoever is first"},
            agent=SPONSOR,
            idempotency_key=key(number),
        )
        bounty_ids.append(bounty.bounty_id)
        return {"bounties": bounty.bounty_id, "credits": f"reservation:{bounty.reservation_id}"}

    def claim(number: int) -> Mapping[str, str]:
        # It may be one's own already: that is a renewal.
        won = grove.claim_bounty(
            bounty_ids[-1], agent=Agent(agent_id=own), idempotency_key=key(number)
        )
        return {"claims": won.claim.claim_id, "bounties": won.bounty.bounty_id}

    for number in count():
        choices = [contribute, offer]
        choices += [review] * (2 * bool(cids))
        choices += [claim] * (2 * bool(bounty_ids))
        chosen = rng.choice(choices)
        yield partial(chosen, number)


class Glance(NamedTuple):
    """What a reader saw: the ids in each collection, and what was missing."""

    ids: Mapping[str, frozenset[str]]
    missing: tuple[str, ...]


def glance(sight: Sight) -> Glance:
    """The part of a sight that is worth keeping."""
    ids = {collection: frozenset(records) for collection, records in sight.items()}
    return Glance(ids, tuple(missing_parts(sight)))


def watch(connection: Connection, folder: Path, is_long_lived: bool) -> None:
    """Look whenever a collection to begin with is received, and tell what was seen.

    A reader that is not long-lived opens anew each time; neither ever runs a recovery.
    """
    reader = open_reader(folder)
    connection.send("ready")
    while True:
        first = connection.recv()
        if not is_long_lived:
            _close(reader)
            reader = open_reader(folder)
        connection.send(glance(look(reader, first)))


def _close(reader: Coordinator) -> None:
    reader.journal.close()
    for store in reader.stores.values():
        store.close()


class Attempt(NamedTuple):
    """How a claim in a race ended: the holder that it was told, and the holder's claim."""

    won: bool
    holder: str
    claim_id: str


def race(
    connection: Connection, folder: Path, agent_id: str, barrier: Barrier, bounty_ids: list[str]
) -> None:
    """Claim one bounty after the other, each at the same moment as the other racers."""
    agent = Agent(agent_id=agent_id, role="coder")
    attempts = []
    with open_grove(folder) as grove:
        for bounty_id in bounty_ids:
            barrier.wait(_LONGEST_WAIT)
            try:
                won = grove.claim_bounty(bounty_id, agent=agent)
                attempts.append(Attempt(True, agent_id, won.claim.claim_id))
            except ClaimConflict as conflict:
                attempts.append(Attempt(False, conflict.holder, conflict.claim_id))
        connection.send(attempts)
        connection.recv()


class Load(NamedTuple):
    """What each of several threads does: grants of 1 to one account, under keys of its own and
    under keys that all threads of all processes use; contributions of its own."""

    threads: int
    grants: int
    shared_keys: int
    contributions: int


SHARED: Final = "shared-1"


def crowd(connection: Connection, folder: Path, load: Load, barrier: Barrier) -> None:
    """Do a load in many threads over one grove, and tell which contributions were acknowledged."""
    name = secrets.token_hex(4)
    with open_grove(folder) as grove, ThreadPoolExecutor(load.threads) as executor:
        barrier.wait(_LONGEST_WAIT)
        futures = [
            executor.submit(_crowd_thread, grove, load, f"{name} {number}")
            for number in range(load.threads)
        ]
        connection.send([cid for future in futures for cid in future.result()])
        connection.recv()


def _crowd_thread(grove: Grove, load: Load, name: str) -> list[str]:
    for number in range(load.shared_keys):
        grove.grant_credits(SHARED, 1, idempotency_key=f"shared {number}")
    for number in range(load.grants):
        grove.grant_credits(SHARED, 1, idempotency_key=f"{name} {number}")
    return [
        grove.contribute(kind="work", summary=f"{name} {number}", agent=CODER).cid
        for number in range(load.contributions)
    ]
