"""What an operation reads, and how often."""

from collections import Counter

import pytest

from grove_sm.domain.errors import StoreUnavailable
from grove_sm.operations.layout import CONTRIBUTIONS
from grove_sm.operations.plan import Read, Stored
from grove_sm.operations.query import Query
from tests.groves import CODER, SPONSOR

from .hindered import Hindered, HinderedStore


def test_a_store_that_cannot_be_read_is_asked_once(
    hindered: Hindered, monkeypatch: pytest.MonkeyPatch
) -> None:
    grove = hindered.open()
    grove.grant_credits(SPONSOR.agent_id, 100)
    bounty = grove.create_bounty(
        title="Halve it", amount=10, criteria={"description": "p99"}, agent=SPONSOR
    )
    grove.claim_bounty(bounty.bounty_id, agent=CODER)
    work = grove.contribute(kind="work", summary="Halved", agent=CODER)

    reads = Counter[str]()
    read = HinderedStore.read

    def counted(store: HinderedStore, what: Read) -> tuple[Stored, ...]:
        reads[what.collection] += 1
        return read(store, what)

    monkeypatch.setattr(HinderedStore, "read", counted)
    hindered.stores["contributions"].down = True
    with pytest.raises(StoreUnavailable):
        grove.settle_bounty(bounty.bounty_id, work.cid)
    # Each may wait as long as we have patience.
    assert reads == {"bounties": 1, "claims": 1, "contributions": 1}


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6])
def test_pages_together_are_all_there_is(hindered: Hindered, size: int) -> None:
    grove = hindered.open()
    for number in range(5):
        grove.contribute(kind="work", summary=f"Halved {number} times", agent=CODER)
    everything = grove.coordinator.page(Query(CONTRIBUTIONS), None)
    assert len(everything) == 5
    assert tuple(grove.coordinator.pages(Query(CONTRIBUTIONS), size)) == everything
