"""The released Nexus server, one for all tests that leave it alone."""

import secrets
from collections.abc import Iterator

import pytest

from tests.servers.nexus import NexusServer, own_server


@pytest.fixture(scope="session")
def nexus() -> Iterator[NexusServer]:
    """A server that runs as long as the tests."""
    with own_server() as server:
        yield server


@pytest.fixture
def zone() -> str:
    """A zone that nobody has used."""
    return f"z-{secrets.token_hex(6)}"
