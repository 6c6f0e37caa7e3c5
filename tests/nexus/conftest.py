"""A stand-in for one test, and stores in a zone of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from grove_sm.nexus.url import NexusUrl
from grove_sm.stores.nexus import NexusStore
from tests.servers.nexus_standin import NexusStandIn

OpenNexus = Callable[..., NexusStore]


@pytest.fixture
def server() -> Iterator[NexusStandIn]:
    """A server that is as slow between a look and a write as a real one is."""
    server = NexusStandIn(race=0.001)
    yield server
    server.close()


@pytest.fixture
def open_nexus(server: NexusStandIn) -> Iterator[OpenNexus]:
    """Opens a store in the zone `z`, by default of the test's server, with little patience."""
    with ExitStack() as opened:

        def open_(port: int | None = None, key: str = "", timeout: float = 2.0) -> NexusStore:
            url = f"nexus+http://127.0.0.1:{port or server.port}/z{'?key=' * bool(key)}{key}"
            store = NexusStore(NexusUrl.parse(url, setting="store"), timeout=timeout)
            opened.callback(store.close)
            return store

        yield open_


@pytest.fixture
def store(open_nexus: OpenNexus) -> NexusStore:
    """One store."""
    return open_nexus()
