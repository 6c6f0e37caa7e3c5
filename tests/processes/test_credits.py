"""Random operations on credits by 8 processes that are killed at random: nothing comes or goes.

`GROVE_CREDITS=10000` makes it so many operations.
"""

import json
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import pytest

from grove_sm import Agent, Bounty, Grove, GroveError, InDoubt, StoreUnavailable
from grove_sm.operations.layout import CREDITS
from grove_sm.operations.plan import Stored

from .amounts import amount
from .work import Log, open_grove, read_log, utc_now
from .zygote import Worker

OPERATIONS: Final = amount("GROVE_CREDITS", 800)
PROCESSES: Final = 8
AGENTS: Final = [Agent(agent_id=f"agent-{number}") for number in range(6)]
LONGEST_LIFE: Final = 1.0
LARGEST: Final = 50


def move_credits_until_killed(connection: Connection, folder: Path, seed: str) -> None:
    """Do everything that moves credits, with whatever bounties there are, and log it."""
    rng = random.Random(seed)
    log = Log(folder)
    with open_grove(folder) as grove:
        mover = _Mover(grove, rng)
        connection.send("ready")
        while True:
            move = rng.choice(_MOVES)
            log.began()
            try:
                log.acknowledged(move=move.__name__, grant=str(move(mover) or ""))
            except (StoreUnavailable, InDoubt):
                raise
            except GroveError as refusal:
                log.acknowledged(move=move.__name__, refused=refusal.code)


class _Mover:
    """Who moves credits in one process."""

    def __init__(self, grove: Grove, rng: random.Random) -> None:
        self.grove = grove
        self.rng = rng
        (work,) = grove.contributions.list()
        self.cid = work.cid

    @property
    def agent(self) -> Agent:
        """Anybody."""
        return self.rng.choice(AGENTS)

    @property
    def amount(self) -> int:
        """Some credits."""
        return self.rng.randint(1, LARGEST)

    def bounty(self, *statuses: str) -> Bounty | None:
        """A bounty in one of these states, if there is one."""
        found = self.grove.bounties.list(status=self.rng.choice(statuses), limit=20)
        return self.rng.choice(found) if found else None

    def grant(self) -> str:
        """Credits enter."""
        given = self.amount
        self.grove.grant_credits(self.agent.agent_id, given)
        return str(given)

    def transfer(self) -> None:
        """From one to another."""
        giver, receiver = self.rng.sample(AGENTS, 2)
        self.grove.transfer_credits(giver.agent_id, receiver.agent_id, self.amount)

    def offer(self) -> None:
        """A bounty, which may be a draft, and soon be overdue."""
        seconds = self.rng.choice([0.2, 1.0, 86_400.0])
        self.grove.create_bounty(
            title="b",
            amount=self.amount,
            criteria={"description": "whatever"},
            agent=self.agent,
            deadline=utc_now() + timedelta(seconds=seconds),
            draft=self.rng.random() < 0.3,
            idempotency_key=secrets.token_hex(8),
        )

    def open_draft(self) -> None:
        """A draft's amount is set aside."""
        if found := self.bounty("draft"):
            self.grove.open_bounty(found.bounty_id, agent=found.creator)

    def claim(self) -> None:
        """For a moment, or for long."""
        if found := self.bounty("open", "claimed"):
            lease = self.rng.choice([0.1, 60.0])
            self.grove.claim_bounty(found.bounty_id, agent=self.agent, lease_seconds=lease)

    def release(self) -> None:
        """A claimed bounty is open again."""
        if found := self.bounty("claimed"):
            self.grove.release_bounty(found.bounty_id)

    def complete(self) -> None:
        """A claimed bounty is fulfilled."""
        if found := self.bounty("claimed"):
            self.grove.complete_bounty(found.bounty_id, self.cid)

    def settle(self) -> None:
        """A bounty is paid."""
        if found := self.bounty("claimed", "completed"):
            self.grove.settle_bounty(found.bounty_id, self.cid)

    def cancel(self) -> None:
        """What was set aside goes back."""
        if found := self.bounty("draft", "open", "claimed", "completed"):
            self.grove.cancel_bounty(found.bounty_id, agent=found.creator)

    def sweep(self) -> None:
        """What was set aside for overdue bounties goes back."""
        self.grove.sweep(limit=3)


_MOVES: Final[list[Callable[[_Mover], str | None]]] = [
    _Mover.grant,
    *[_Mover.transfer] * 3,
    *[_Mover.offer] * 4,
    _Mover.open_draft,
    *[_Mover.claim] * 4,
    _Mover.release,
    *[_Mover.complete] * 2,
    *[_Mover.settle] * 3,
    _Mover.cancel,
    _Mover.sweep,
]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_sum_over_all_agents_is_what_was_granted(
    tmp_path: Path, seed: int, record_property: Callable[[str, object], None]
) -> None:
    rng = random.Random(seed)
    kills = looks = 0
    with open_grove(tmp_path) as grove, ExitStack() as stack:
        grove.contribute(kind="work", summary="whatever", agent=AGENTS[0])
        for agent in AGENTS:
            grove.grant_credits(agent.agent_id, 100)

        def start() -> Worker:
            life = f"{rng.random()}"
            return stack.enter_context(Worker(move_credits_until_killed, tmp_path, life))

        start_time = time.perf_counter()
        workers = [start() for _ in range(PROCESSES)]
        while len(_answers(tmp_path)) < OPERATIONS:
            time.sleep(rng.uniform(0, LONGEST_LIFE))
            chosen = rng.randrange(PROCESSES)
            workers[chosen].check()
            workers[chosen].kill()
            kills += 1
            workers[chosen] = start()
            _check(grove)
            looks += 1
        for worker in workers:
            worker.check()
            worker.kill()
        took = time.perf_counter() - start_time
    answers = _answers(tmp_path)
    with open_grove(tmp_path) as grove:
        granted = _check(grove)
        assert grove.audit().violations == ()
        statuses = Counter(bounty.status for bounty in grove.bounties.list())
    acknowledged = sum(int(answer["grant"]) for answer in answers if answer.get("grant"))
    assert granted >= acknowledged + 100 * len(AGENTS)
    done = Counter(answer["move"] for answer in answers if "refused" not in answer)
    assert set(done) == {move.__name__ for move in _MOVES}
    assert statuses["settled"] > 0
    assert statuses["expired"] > 0
    assert statuses["cancelled"] > 0
    record_property(
        "counted",
        f"seed {seed}: {len(answers)} operations by {PROCESSES} processes "
        f"({sum('refused' in answer for answer in answers)} refused), {kills} kills, {looks} looks "
        f"meanwhile, {len(answers) / took:.0f} a second; {granted} granted, and there",
    )


def _answers(folder: Path) -> list[dict[str, Any]]:
    """What processes were told, of each operation that they were told of."""
    return [dict(line["records"]) for line in read_log(folder) if line["event"] == "acknowledged"]


def _check(grove: Grove) -> int:
    """Look at all credits at one moment, by the rules alone; how many were granted."""
    with grove.coordinator.snapshots() as views:
        found = [each for each in views[CREDITS].scan(CREDITS) if isinstance(each, Stored)]
    records = {each.record_id: json.loads(each.document) for each in found}
    accounts = [record for name, record in records.items() if name.startswith("account:")]
    grants = [record["amount"] for name, record in records.items() if name.startswith("grant:")]
    assert all(min(account["available"], account["reserved"]) >= 0 for account in accounts)
    total = sum(account["available"] + account["reserved"] for account in accounts)
    granted = sum(map(int, grants))
    assert total == granted
    return granted


LEASE: Final = 0.5


def claim_and_die(connection: Connection, folder: Path, bounty_id: str) -> None:
    """Claim a bounty, begin to work on it, and be killed."""
    with open_grove(folder) as grove:
        won = grove.claim_bounty(bounty_id, agent=AGENTS[1], lease_seconds=LEASE)
        connection.send(won.claim.claim_id)
        connection.recv()


def claim_and_settle(connection: Connection, folder: Path, bounty_id: str, cid: str) -> None:
    """Claim a bounty, and have it paid."""
    with open_grove(folder) as grove:
        won = grove.claim_bounty(bounty_id, agent=AGENTS[2])
        grove.settle_bounty(bounty_id, cid, agent=AGENTS[2])
        connection.send((won.claim.claim_id, won.claim.attempt_count))
        connection.recv()


def test_a_bounty_whose_claimant_died_is_open_again_after_one_sweep(tmp_path: Path) -> None:
    with open_grove(tmp_path) as grove:
        sponsor, dead, paid = AGENTS[:3]
        cid = grove.contribute(kind="work", summary="the work", agent=paid).cid
        grove.grant_credits(sponsor.agent_id, 100)
        bounty = grove.create_bounty(
            title="b", amount=60, criteria={"description": "whatever"}, agent=sponsor
        )
        with Worker(claim_and_die, tmp_path, bounty.bounty_id) as claimant:
            claim_id = claimant.receive()
        assert grove.bounties.get(bounty.bounty_id).claimed_by == dead
        time.sleep(LEASE)
        report = grove.sweep()
        assert (report.claims_expired, report.bounties_reopened) == ([claim_id], [bounty.bounty_id])
        assert report.failures == []
        opened = grove.bounties.get(bounty.bounty_id)
        assert (opened.status, opened.claimed_by, opened.claim_id) == ("open", None, None)
        assert grove.credits.balance(sponsor.agent_id).reserved == 60
        with Worker(claim_and_settle, tmp_path, bounty.bounty_id, cid) as next_one:
            next_claim_id, attempts = next_one.receive()
        settled = grove.bounties.get(bounty.bounty_id)
        assert (settled.status, settled.claim_id) == ("settled", next_claim_id)
        assert (settled.claimed_by, settled.fulfilled_by_cid, attempts) == (paid, cid, 1)
        balances = [grove.credits.balance(agent.agent_id) for agent in (sponsor, dead, paid)]
        assert [(b.available, b.reserved) for b in balances] == [(40, 0), (0, 0), (60, 0)]
        assert grove.audit().violations == ()
