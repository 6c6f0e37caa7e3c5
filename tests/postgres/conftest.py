"""Seeds, as for the tests with processes, and a server that tests may do with what they like."""

from collections.abc import Iterator

import pytest

from tests.processes.conftest import seed
from tests.servers.postgres import PostgresServer, own_server

__all__ = ["seed"]

SCHEMAS = ("j", "s")


@pytest.fixture(scope="session")
def own() -> Iterator[PostgresServer]:
    """A server that writes its log to disk only when it is made to."""
    with own_server({"wal_writer_delay": "10s", "autovacuum": "off"}) as server:
        yield server


@pytest.fixture
def server(own: PostgresServer) -> PostgresServer:
    """It, running, with nothing in the schemas `j` and `s`; it may be left otherwise."""
    own.stop()
    own.start()
    for schema in SCHEMAS:
        own.address.drop(schema)
    return own
