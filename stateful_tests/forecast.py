"""Faults as they are drawn: a kind, and after how many effects it may strike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from faults.schedule import When
from faults.weather import TROUBLES, Death, Duplicate, Failure, Late, Meanwhile, Post
from stateful_tests.process import Clock

_DEATHS: Final[Mapping[str, When]] = {"dies before": "before", "dies after": "after"}
_LATE: Final = {"late": 1, "several late": 3}
_JUMPS: Final = {"clock jumps back": -45.0, "clock jumps on": 45.0}

KINDS: Final = (*_DEATHS, *TROUBLES, *_LATE, "duplicate", *_JUMPS)
"""Every kind of fault that may strike in a call."""

OUTAGES: Final = tuple(name for name, trouble in TROUBLES.items() if trouble.when == "before")
"""Every kind of trouble that may last."""

Drawn = Death | Duplicate | Failure | Late | Meanwhile


@dataclass(frozen=True)
class Forecast:
    """A fault of this kind is to strike, `after` so many effects from now or at the next."""

    kind: str
    after: int

    def fault(self, begun: int, post: Post, clock: Clock) -> Drawn:
        """The fault, for a process that has had `begun` effects."""
        at = begun + self.after
        if self.kind in TROUBLES:
            return Failure(at, self.kind)
        if self.kind in _DEATHS:
            return Death(at, _DEATHS[self.kind])
        if self.kind in _LATE:
            return Late(at, _LATE[self.kind], post)
        if self.kind in _JUMPS:
            return Meanwhile(at, "before", self.kind, lambda: clock.move(_JUMPS[self.kind]))
        return Duplicate(at)


def forecasts() -> st.SearchStrategy[list[Forecast]]:
    """The faults of one call; often none."""
    one = st.builds(Forecast, st.sampled_from(KINDS), st.integers(0, 12))
    return st.lists(one, max_size=2)
