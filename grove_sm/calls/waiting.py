"""Waiting for something that may be there after somebody's next decision, or with time."""

import time
from typing import Final

from grove_sm.commit.contract import Watch

_SHORTEST: Final = 0.001
_LONGEST_GAP: Final = 0.016
_LONGEST_IF_TOLD: Final = 5.0
_LONGEST_IF_NOT: Final = 0.5


class Waiting:
    """The time between two looks at what is waited for, for so many seconds in all.

    A watch tells when something is decided, which may be a moment before the decision can be
    read: so looks follow it, each after twice as long, until nobody looks more than now and then.
    Where decisions come one after the other, a look is for several of them. Without a watch, all
    looks are made like that.

    Args:
        watch: notices decisions; None: nobody does.
        seconds: how long to wait altogether.
    """

    def __init__(self, watch: Watch | None, seconds: float) -> None:
        self._watch = watch
        self._deadline = time.monotonic() + seconds
        # A clock that leases go by may jump, so that nobody sleeps for ever.
        self._longest = _LONGEST_IF_TOLD if watch else _LONGEST_IF_NOT
        self._pause = self._gap = _SHORTEST

    def sleep(self, at_most: float) -> bool:
        """Wait until another look may find something; False, at once, if time is up.

        `at_most` is in how many seconds it may be there by itself.
        """
        left = self._deadline - time.monotonic()
        if left <= 0:
            return False
        left = min(left, max(at_most, _SHORTEST))
        if self._is_told(min(self._pause, left)):
            time.sleep(min(self._gap, left))
            self._gap = min(self._gap * 2, _LONGEST_GAP)
            self._pause = _SHORTEST
        else:
            self._gap = _SHORTEST
            self._pause = min(self._pause * 2, self._longest)
        return True

    def _is_told(self, seconds: float) -> bool:
        """Sleep for so long, or until something is decided; whether it is."""
        if self._watch is not None:
            return self._watch.wait(seconds)
        time.sleep(seconds)
        return False
