"""Histories that are told: together they make every move of the five lifecycles, and ask for
everything that goes by the time just before, at and just after each time that matters.

Random histories come by most moves, but by no means surely by all, and rarely in the very moment.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any, Final

from stateful_tests.forecast import Forecast
from stateful_tests.machine import WHENS, History, Pause
from stateful_tests.sketches import Rival, Sketch

Step = Callable[[History], object]

_CODER, _, _REVIEWER, _TESTER, _GUEST = range(5)
_HOUR: Final = 3600.0
_EFFECTS: Final = range(10)
_MARGINS: Final = (-0.001, 0.0, 0.001)


def _asks(asks: str, agent: int = _GUEST, **drawn: Any) -> Step:
    return partial(History.call, slot=0, sketch=Sketch(asks, agent, **drawn), faults=[])


def _replies(agent: int) -> Step:
    return _asks("contribute", agent, relations=(("reviews", 0),))


def _waits(hours: float) -> Step:
    return partial(History.pass_time, seconds=hours * _HOUR)


def _waits_until(nth: int, margin: float) -> Step:
    """Time passes until the nth time that stands in a record, or so many seconds after that."""
    return lambda history: history.pass_time(round(history.moments[nth] + margin, 3))


def _in_trouble(kind: str, after: int) -> Step:
    sketch = Sketch("contribute", _CODER, choice=1)
    return partial(History.call, slot=0, sketch=sketch, faults=[Forecast(kind, after)])


_OUTCOME: Final[Step] = partial(History.ask_outcome, slot=1, nth=0)
_SWEEPS: Final = tuple(_asks("sweep") for _ in range(6))
_FORGETS: Final = tuple(_asks("sweep", choice=3) for _ in range(8))


def _overtaken(at: int, when: Any) -> Step:
    """A process that works in two steps stops, is taken for dead, and overtaken."""
    return partial(
        History.race,
        slot=1,
        other=1,
        sketch=Sketch("claim", _CODER, pick=1),
        rival=Rival("by another", Sketch("claim", _REVIEWER)),
        pause=Pause(at, when, 0.0, looks_dead=True),
        faults=[],
    )


# There are, by name, a bounty completed, one claimed, one open and a draft; a handoff from a coder
# to reviewers, due within the hour, and one to testers, which is delivered; claims on the claimed
# bounty, on a file and on the delivered handoff.
_TOLD: Final[Sequence[Sequence[Step]]] = (
    # Contributions.
    [_asks("contribute_badly")],
    [_asks("contribute", _CODER), _asks("contribute", _CODER)],
    [_asks("contribute", _CODER, choice=choice, key=0) for choice in (1, 2)],
    # Claims, and with them their bounties.
    [_asks("heartbeat", pick=1), _asks("release", pick=1), _asks("release")],
    [_asks("complete", pick=1)],
    [_waits(2), *_SWEEPS],
    # Bounties.
    [_asks("open_bounty")],
    [_asks("claim_bounty", _REVIEWER, pick=1), _asks("release_bounty")],
    [_asks("complete_bounty"), _asks("settle_bounty"), _asks("settle_bounty")],
    [_asks("settle_bounty", pick=1)],
    [_asks("cancel_bounty") for _ in range(4)],
    [
        _asks("claim_bounty", _REVIEWER, choice=2),
        _waits(30.5),
        _asks("heartbeat"),
        *_SWEEPS,
    ],
    # Handoffs.
    [_asks("acknowledge"), _replies(_TESTER)],
    [_replies(_TESTER)],
    [_replies(_REVIEWER)],
    [_asks("dead_letter") for _ in range(2)],
    [_waits(2), *_SWEEPS],
    [_asks("pick_up", _REVIEWER), _waits(2), *_SWEEPS],
    [_asks("pick_up", _REVIEWER), _asks("acknowledge", pick=1), _waits(2), *_SWEEPS],
    [_asks("pick_up", _REVIEWER), _asks("acknowledge"), _waits(2), *_SWEEPS],
    # Forgetting; what is asked for again is answered as before.
    [
        _asks("settle_bounty"),
        _asks("pick_up", _REVIEWER, key=0),
        _asks("pick_up", _TESTER),
        _asks("dead_letter"),
        _waits(2),
        *_FORGETS,
        *_FORGETS,
        _asks("pick_up", _REVIEWER, key=0),
        _asks("contribute", _CODER),
        _asks("claim", _CODER),
    ],
)


_MOMENTS: Final = range(5)
"""The ends of leases, a reply's due time and the deadlines that there are in the beginning."""

_TIMELY: Final[Sequence[Step]] = (
    _replies(_REVIEWER),
    _replies(_TESTER),
    _asks("claim", _REVIEWER),
    *(_asks(ends, pick=pick) for ends in ("heartbeat", "release") for pick in range(3)),
    _asks("complete", pick=1),
    _asks("open_bounty"),
    *(_asks("claim_bounty", _REVIEWER, pick=pick) for pick in range(2)),
    _asks("release_bounty"),
    _asks("complete_bounty"),
    *(_asks("settle_bounty", pick=pick) for pick in range(2)),
    _asks("pick_up", _REVIEWER),
    _asks("pick_up", _TESTER),
    _asks("acknowledge"),
    *(_asks("dead_letter", pick=pick) for pick in range(2)),
    _asks("sweep"),
)


def walks() -> Iterator[Sequence[Step]]:
    """The steps of each."""
    yield from _TOLD
    for nth, margin, step in product(_MOMENTS, _MARGINS, _TIMELY):
        yield [_waits_until(nth, margin), step]
    kinds = ("time-out with effect", "time-out without effect", "unreachable")
    for kind, after in product(kinds, _EFFECTS):
        yield [_in_trouble(kind, after), _OUTCOME]
    for at, when in product(_EFFECTS, WHENS):
        yield [_overtaken(at, when)]


def walk(history: History, steps: Sequence[Step]) -> None:
    """Have a history take these steps, and look after each.

    Raises what the first that fails raises. Nobody asks for an outcome that is known.
    """
    try:
        for step in steps:
            if step is not _OUTCOME or history.is_in_doubt:
                step(history)
                history.every_promise_is_kept()
    except BaseException as error:
        error.add_note("\n".join(history.story))
        raise
    finally:
        history.teardown()
