"""What commands share that go on until they are told to end."""

import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any, Final

_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhd]?)", re.ASCII)
_LONGEST_PAUSE: Final = 86_400.0


def go_on(once: Callable[[], object], pause: float, signals: SimpleQueue[int]) -> None:
    """Do something again and again, with a pause in seconds after each time, until a signal."""
    while True:
        once()
        try:
            signals.get(timeout=pause)
        except Empty:
            continue
        return


def parse_pause(text: str) -> float:
    """The seconds that `--every` says. Raises ValidationError."""
    from grove_sm.domain.errors import ValidationError

    seconds = parse_duration("--every", text)
    if seconds > _LONGEST_PAUSE:
        raise ValidationError(field="--every", rule="must be at most a day", value=text)
    return seconds


def parse_duration(option: str, text: str) -> float:
    """The seconds that an option says. Raises ValidationError."""
    from grove_sm.domain.errors import ValidationError

    found = _DURATION.fullmatch(text)
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not seconds:
        rule = "must be a time such as 30s, 5m, 1h or 30d, and more than nothing"
        raise ValidationError(field=option, rule=rule, value=text)
    return seconds


@contextmanager
def ending_signals() -> Iterator[SimpleQueue[int]]:
    """The signals that ask for an end, while this lasts; a second one ends the process at once.

    A handler that raised could leave a step half way. This queue may be filled by a handler while
    the same thread waits for it, which an Event may not.
    """
    asked: SimpleQueue[int] = SimpleQueue()
    earlier = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in earlier.items():
            signal.signal(number, handler)

    def note(number: int, _: Any) -> None:
        restore()
        asked.put(number)

    for number in earlier:
        signal.signal(number, note)
    try:
        yield asked
    finally:
        restore()
