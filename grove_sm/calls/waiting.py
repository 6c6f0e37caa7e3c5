"""Waiting for something that may be there after somebody's next decision, or with time."""

import time
from typing import Final

from grove_sm import blocking
from grove_sm.commit.contract import Watch

_SHORTEST: Final = 0.001
_LONGEST_GAP: Final = 0.016
_LONGEST_IF_TOLD: Final = 5.0
_LONGEST_IF_NOT: Final = 0.5


class Pace:
    """When to look again for what is waited for, for so many seconds in all.

    A watch tells when something is decided, which may be a moment before the decision can be
    read: so looks follow it, each after twice as long, until nobody looks more than now and then.
    Where decisions come one after the other, a look is for several of them. Without a watch, all
    looks are made like that.

    Args:
        seconds: how long to wait altogether.
        is_told: whether a watch notices decisions.
    """

    def __init__(self, seconds: float, *, is_told: bool) -> None:
        self._deadline = time.monotonic() + seconds
        # A clock that leases go by may jump, so that nobody sleeps for ever.
        self._longest = _LONGEST_IF_TOLD if is_told else _LONGEST_IF_NOT
        self._pause = self._gap = _SHORTEST
        self._left = 0.0

    def pause(self, at_most: float) -> float | None:
        """How many seconds to wait to be told of a decision; None if time is up.

        `at_most` is in how many seconds what is waited for may be there by itself.
        """
        left = self._deadline - time.monotonic()
        if left <= 0:
            return None
        self._left = min(left, max(at_most, _SHORTEST))
        return min(self._pause, self._left)

    def gap(self, *, was_told: bool) -> float:
        """How many seconds to sleep after that, before another look."""
        if not was_told:
            self._gap = _SHORTEST
            self._pause = min(self._pause * 2, self._longest)
            return 0.0
        gap = min(self._gap, self._left)
        self._gap = min(self._gap * 2, _LONGEST_GAP)
        self._pause = _SHORTEST
        return gap


class Waiting:
    """A thread's waiting at that pace.

    Args:
        watch: notices decisions; None: nobody does.
        seconds: how long to wait altogether.
    """

    def __init__(self, watch: Watch | None, seconds: float) -> None:
        self._watch = watch
        self._pace = Pace(seconds, is_told=watch is not None)

    def sleep(self, at_most: float) -> bool:
        """Wait until another look may find something; False, at once, if time is up.

        `at_most` is in how many seconds it may be there by itself.
        """
        pause = self._pace.pause(at_most)
        if pause is None:
            return False
        if self._watch is None:
            blocking.sleep(pause)
            self._pace.gap(was_told=False)
        elif gap := self._pace.gap(was_told=self._watch.wait(pause)):
            blocking.sleep(gap)
        return True
