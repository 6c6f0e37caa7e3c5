"""A store in a zone of a Nexus server: saved and put back by its files."""

import secrets
from collections.abc import Hashable, Mapping

from grove_sm.nexus.url import NexusUrl
from grove_sm.stores.nexus import NexusStore
from tests.kinds.kind import StorePlace
from tests.servers.nexus_standin import shared_stand_in

_PATIENCE = 5.0


class StandInPlace:
    """One zone of the stand-in."""

    def __init__(self) -> None:
        self._zone = f"z-{secrets.token_hex(8)}"
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


def new_place() -> StorePlace:
    """An empty zone."""
    return StandInPlace()
