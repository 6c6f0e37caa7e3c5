"""One event loop on the released Nexus server, with its journal in PostgreSQL."""

import asyncio

import pytest

from grove_sm import AsyncGrove
from grove_sm.aio.running import OnLoop
from grove_sm.operations.layout import COLLECTIONS
from tests.groves import CODER, TOPOLOGY
from tests.servers.nexus import NEEDS_NEXUS, NexusServer
from tests.servers.postgres import new_schema

pytestmark = [NEEDS_NEXUS, pytest.mark.slow]

AT_ONCE = 10


def test_operations_at_once_are_whole_each(nexus: NexusServer, zone: str) -> None:
    async def body() -> None:
        async with AsyncGrove.open(
            journal=new_schema(),
            stores=dict.fromkeys(COLLECTIONS, nexus.url(zone)),
            topology=TOPOLOGY,
            patience=60.0,
        ) as grove:
            assert isinstance(grove._runner, OnLoop)
            made = await asyncio.gather(
                *(
                    grove.contribute(kind="work", summary=f"{number}", agent=CODER)
                    for number in range(AT_ONCE)
                )
            )
            for contributed in made:
                assert len(await grove.handoffs.list(source_cid=contributed.cid)) == 2
            won = await asyncio.gather(
                *(
                    grove.claim("file:a", agent=CODER, intent_summary="m", idempotency_key="k")
                    for _ in range(3)
                )
            )
            assert len({claimed.claim.claim_id for claimed in won}) == 1
            assert (await grove.audit()).ok

    asyncio.run(body())
