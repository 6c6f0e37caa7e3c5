"""Tasks that wait for the same thing, and look for it one after the other."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from grove_sm.aio.running import Runner

T = TypeVar("T")


class Turns:
    """Those of one grove who wait for handoffs to one role.

    Each takes what it finds, so there is something for each to look for until one finds nothing;
    that answers all who asked before it looked.

    Args:
        runner: has them look.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._turn = asyncio.Lock()
        self._nothing_since = float("-inf")
        self._nothing_until = float("-inf")

    async def look(self, look: Callable[[], T | float]) -> T | float:
        """What `look` finds, or in how many seconds something may be there by itself."""
        now = asyncio.get_running_loop().time
        asked = now()
        async with self._turn:
            if self._nothing_since >= asked:
                return max(0.0, self._nothing_until - now())
            begun = now()
            found = await self._runner.run(look)
            if isinstance(found, float):
                self._nothing_since, self._nothing_until = begun, now() + found
            return found
