"""A store in a zone of a Nexus server: saved and put back by its files.

The server is a stand-in in this process; where `GROVE_NEXUS` is set, the released one.
"""

import atexit
import os
import secrets
from collections.abc import Hashable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache, partial

from grove_sm.nexus.client import NexusClient
from grove_sm.nexus.url import NexusUrl
from grove_sm.operations.layout import COLLECTIONS
from grove_sm.stores.nexus import NexusStore
from grove_sm.stores.nexus_files import Zone
from grove_sm.stores.nexus_listing import NexusListing
from tests.kinds.kind import StorePlace
from tests.servers.nexus import NexusServer, own_server
from tests.servers.nexus_standin import shared_stand_in

_PATIENCE = 5.0
_LONG_PATIENCE = 60.0


class StandInPlace:
    """One zone of the stand-in."""

    def __init__(self) -> None:
        self._zone = _new_zone()
        self._root = f"/zones/{self._zone}"
        self._server = shared_stand_in()
        self._url = NexusUrl.parse(self._server.url(self._zone), setting="store")

    def open(self) -> NexusStore:
        return NexusStore(self._url, timeout=_PATIENCE)

    def save(self) -> Mapping[str, bytes]:
        files = self._server.zones[self._zone]
        return {path.removeprefix(self._root): files[path] for path in [*files]}

    def restore(self, saved: Mapping[str, bytes]) -> None:
        self._server.put(self._zone, {f"{self._root}{path}": saved[path] for path in saved})

    def fingerprint(self) -> Hashable:
        return tuple(sorted(self.save().items()))


class ReleasedPlace:
    """One zone of the released server."""

    def __init__(self) -> None:
        zone = _new_zone()
        self._root = f"/zones/{zone}"
        self._zone = Zone(zone)
        self._url = NexusUrl.parse(_released().url(zone), setting="store")

    def open(self) -> NexusStore:
        return NexusStore(self._url, timeout=_LONG_PATIENCE)

    def save(self) -> Mapping[str, bytes]:
        with self._client() as client:
            return {path: client.read(f"{self._root}{path}") or b"" for path in self._paths(client)}

    def restore(self, saved: Mapping[str, bytes]) -> None:
        with self._client() as client:
            gone = [path for path in self._paths(client) if path not in saved]
            client.each([partial(client.delete, f"{self._root}{path}") for path in gone])
            client.each(
                [partial(client.replace, f"{self._root}{path}", saved[path]) for path in saved]
            )

    def fingerprint(self) -> Hashable:
        return tuple(sorted(self.save().items()))

    def _paths(self, client: NexusClient) -> list[str]:
        listing = NexusListing(client, self._zone)
        entries = [entry for name in COLLECTIONS for entry in listing.entries(name)]
        return [entry.path.removeprefix(self._root) for entry in entries]

    @contextmanager
    def _client(self) -> Iterator[NexusClient]:
        client = NexusClient(self._url, timeout=_LONG_PATIENCE)
        try:
            yield client
        finally:
            client.close()


def new_place() -> StorePlace:
    """An empty zone."""
    return ReleasedPlace() if "GROVE_NEXUS" in os.environ else StandInPlace()


def _new_zone() -> str:
    return f"z-{secrets.token_hex(8)}"


@cache
def _released() -> NexusServer:
    """The server of this process, until it ends."""
    running = ExitStack()
    atexit.register(running.close)
    return running.enter_context(own_server())
