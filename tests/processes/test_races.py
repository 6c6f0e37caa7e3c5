"""Two processes claim the same bounty at the same moment."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.groves import SPONSOR

from .sight import look, missing_parts
from .work import Attempt, open_grove, race
from .zygote import CONTEXT, Worker

RACERS = ("coder-1", "coder-2")


@pytest.mark.parametrize("rounds", [200, pytest.param(1000, marks=pytest.mark.long)])
def test_a_race_has_one_winner(
    rounds: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with open_grove(tmp_path) as grove:
        grove.grant_credits(SPONSOR.agent_id, rounds)
        bounty_ids = [
            grove.create_bounty(
                title=f"Race {number}",
                amount=1,
                criteria={"description": "whoever is first"},
                agent=SPONSOR,
            ).bounty_id
            for number in range(rounds)
        ]
    barrier = CONTEXT.Barrier(len(RACERS))
    first, second = (Worker(race, tmp_path, agent_id, barrier, bounty_ids) for agent_id in RACERS)
    with first, second:
        results: list[tuple[Attempt, Attempt]] = list(
            zip(first.receive(), second.receive(), strict=True)
        )
        first.send("close")
        second.send("close")
        first.process.join()
        second.process.join()
    assert len(results) == rounds
    winners = Counter[str]()
    for attempts in results:
        (winner,) = (attempt for attempt in attempts if attempt.won)
        (loser,) = (attempt for attempt in attempts if not attempt.won)
        assert (loser.holder, loser.claim_id) == (winner.holder, winner.claim_id)
        winners[winner.holder] += 1
    with open_grove(tmp_path) as grove:
        claims = {claim.target_ref: claim for claim in grove.claims.list()}
        assert len(claims) == len(grove.claims.list()) == rounds
        for bounty_id, attempts in zip(bounty_ids, results, strict=True):
            assert claims[f"bounty:{bounty_id}"].claim_id == attempts[0].claim_id
        assert missing_parts(look(grove.coordinator, "claims")) == []
        assert grove.audit().violations == ()
    assert set(winners) == set(RACERS)
    record_property("counted", f"{rounds} races, won {dict(winners)}")
