"""A process stops for as long as one likes, and goes on as if nothing had been (a zombie)."""

import threading
from typing import Final

from faults.schedule import Effect, When

_LONGEST: Final = 60.0


class Freeze:
    """Stops the thread that comes to an effect of this name, the first time, until `thaw`.

    Args:
        name: the effect's name, as a recording shows it.
        when: whether to stop before or after the effect.
    """

    def __init__(self, name: str, when: When) -> None:
        self._name = name
        self._when = when
        self._reached = threading.Event()
        self._thawed = threading.Event()

    def __str__(self) -> str:
        return f"freeze {self._when} the first {self._name}"

    def strike(self, effect: Effect, when: When) -> None:
        """Waits at the point; raises TimeoutError rather than wait for ever."""
        if effect.name == self._name and when == self._when and not self._reached.is_set():
            self._reached.set()
            if not self._thawed.wait(_LONGEST):
                raise TimeoutError(f"nobody thawed it: {self}")

    def wait(self) -> None:
        """Return once a thread is frozen. Raises TimeoutError if none comes."""
        if not self._reached.wait(_LONGEST):
            raise TimeoutError(f"nothing came there: {self}")

    def thaw(self) -> None:
        """Let it go on."""
        self._thawed.set()
