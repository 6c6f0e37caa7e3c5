"""A grove whose operations can be run on an event loop.

Stores and journals on servers wait without blocking it. The others are files of this machine, for
which there is no asynchronous access, or memory: each call on them hops into a thread that belongs
to the operation until this ends, and so do the locks and connections of that thread.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from importlib.util import find_spec
from types import TracebackType
from typing import Any, cast

from grove_sm.blocking import Cooperative, in_thread
from grove_sm.commit.contract import Journal, Participant
from grove_sm.grove import Grove
from grove_sm.opening import Parts


class HoppingGrove(Grove):
    """A `Grove` that may be used on an event loop, and anywhere else."""

    @staticmethod
    def _made_ready(journal: Journal, stores: Mapping[str, Participant]) -> Parts:
        if not _suit_loop(journal, *stores.values()):
            # Nothing of it will ever be called there.
            return journal, stores
        hopping = {id(store): _hopping(store) for store in stores.values()}
        return (
            cast("Journal", _hopping(journal)),
            {collection: hopping[id(store)] for collection, store in stores.items()},
        )


def suits_loop(grove: Grove) -> bool:
    """Whether it can be used on an event loop, and whether there is something to wait for there."""
    parts = (grove.coordinator.journal, *grove.coordinator.stores.values())
    return isinstance(grove, HoppingGrove) and _suit_loop(*parts)


def _suit_loop(*parts: object) -> bool:
    return find_spec("greenback") is not None and any(
        isinstance(part, Cooperative) for part in parts
    )


def _hopping(part: Any) -> Any:
    return part if isinstance(part, Cooperative) else _Hopping(part)


class _Hopping:
    """What has the methods of something, each called where it may block."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return partial(_call, found) if callable(found) else found


class _HoppingBlock:
    """A `with` block that is entered and left where that may block."""

    def __init__(self, inner: AbstractContextManager[Any]) -> None:
        self._inner = inner

    def __enter__(self) -> Any:
        return _wrapped(in_thread(self._inner.__enter__))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return in_thread(partial(self._inner.__exit__, kind, error, traceback))


def _call(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    result = in_thread(partial(method, *args, **kwargs))
    return _HoppingBlock(result) if isinstance(result, AbstractContextManager) else result


def _wrapped(entered: Any) -> Any:
    return None if entered is None else _Hopping(entered)
