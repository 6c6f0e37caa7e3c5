"""A grove with records in every state, for commands that are refused."""

import itertools
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from grove_sm import Agent, Claim, Grove, PickedUp
from grove_sm.domain import format_time
from tests.cli.running import Commands
from tests.groves import CODER, REVIEWER, SPONSOR, Clock, Names

TESTER: Final = Agent(agent_id="tester-1", role="tester")
LONG: Final = 10**6


class Prepared(NamedTuple):
    """A grove that all cases share, since none may change it, and its records by name."""

    commands: Commands
    records: dict[str, str]

    def contents(self) -> tuple[bytes, list[Any]]:
        """The stores' file, and all that the journal holds but who opened it."""
        folder = self.commands.folder
        with closing(sqlite3.connect(folder / "journal.db")) as journal:
            rows = [
                *journal.execute("SELECT txid, head FROM transactions ORDER BY seq"),
                *journal.execute("SELECT * FROM idempotency_keys ORDER BY record_id"),
                *journal.execute("SELECT * FROM heuristics"),
            ]
        return (folder / "stores.db").read_bytes(), rows


def prepare(folder: Path) -> dict[str, str]:
    """Fill a grove with records in every state, some long run out; their ids and times by name."""
    clock = Clock(datetime.now(UTC) - timedelta(days=2))
    with Grove.open(folder, clock=clock, random=Names()) as grove:
        claimed = prepare_claims_and_bounties(grove, clock)
        found = {**claimed, **prepare_handoffs(grove)}
        assert grove.audit().ok
    return found


def prepare_claims_and_bounties(grove: Grove, clock: Clock) -> dict[str, str]:
    def offer(**more: Any) -> str:
        arguments = {"title": "t", "amount": 10, "criteria": {"description": "c"}, **more}
        return grove.create_bounty(agent=SPONSOR, **arguments).bounty_id

    def claim(bounty_id: str, seconds: float) -> Claim:
        return grove.claim_bounty(bounty_id, agent=CODER, lease_seconds=seconds).claim

    grove.grant_credits(SPONSOR.agent_id, 100)
    work = grove.contribute(kind="work", summary="work", agent=TESTER).cid
    other = grove.contribute(kind="work", summary="other", agent=TESTER).cid
    lapsed = grove.claim("file:lapsed", agent=CODER, intent_summary="i").claim
    deadline = clock.time + timedelta(hours=1)
    late, late_draft = offer(deadline=deadline), offer(deadline=deadline, draft=True)
    claim(late, LONG)
    stalled = offer()
    stalled_claim = claim(stalled, 60)

    clock.time = datetime.now(UTC)
    held = grove.claim("file:held", agent=CODER, intent_summary="i", lease_seconds=LONG).claim
    grove.heartbeat(held.claim_id, agent=CODER, lease_seconds=LONG, idempotency_key="used")
    free = grove.claim("file:free", agent=CODER, intent_summary="i").claim
    grove.release(free.claim_id)
    claimed = offer(criteria={"description": "c", "requiredTags": ["fast"]})
    live = claim(claimed, LONG)
    completed, settled = offer(), offer()
    claim(completed, LONG)
    grove.complete_bounty(completed, work)
    claim(settled, LONG)
    grove.settle_bounty(settled, work)
    return {
        "work": work,
        "other": other,
        "lapsed": lapsed.claim_id,
        "lapsed_until": lapsed.lease_expires_at,
        "held": held.claim_id,
        "held_until": held.lease_expires_at,
        "released": free.claim_id,
        "late": late,
        "late_draft": late_draft,
        "deadline": format_time(deadline),
        "stalled": stalled,
        "stalled_claim": stalled_claim.claim_id,
        "stalled_until": stalled_claim.lease_expires_at,
        "open": offer(),
        "draft": offer(draft=True),
        "rich": offer(draft=True, amount=1000),
        "claimed": claimed,
        "claim": live.claim_id,
        "claim_until": live.lease_expires_at,
        "completed": completed,
        "settled": settled,
    }


def prepare_handoffs(grove: Grove) -> dict[str, str]:
    def hand_over() -> str:
        done = grove.contribute(kind="work", summary=f"{next(numbers)}", agent=CODER)
        return done.handoff_ids[0]

    def pick_up(seconds: float) -> PickedUp:
        picked = grove.pick_up(agent=REVIEWER, visibility_seconds=seconds)
        assert picked is not None
        return picked

    numbers = itertools.count()
    processed = hand_over()
    grove.pick_up(agent=REVIEWER, idempotency_key="used")
    grove.acknowledge(processed)
    delivered = hand_over()
    delivery = pick_up(LONG)
    dead = hand_over()
    grove.dead_letter(dead)
    lost = hand_over()
    lost_delivery = pick_up(0.001)
    given_back = hand_over()
    back = pick_up(LONG)
    grove.release(back.claim.claim_id)
    return {
        "processed": processed,
        "delivered": delivered,
        "delivered_claim": delivery.claim.claim_id,
        "delivered_until": delivery.claim.lease_expires_at,
        "dead": dead,
        "lost": lost,
        "lost_claim": lost_delivery.claim.claim_id,
        "lost_until": lost_delivery.claim.lease_expires_at,
        "given_back": given_back,
        "pending": hand_over(),
    }
