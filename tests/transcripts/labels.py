"""Short names for what has long ones, given in the order in which each is first shown."""

import re
from collections import Counter
from datetime import datetime
from typing import Final

from grove_sm.domain import parse_time

_TIME: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
_IDS: Final = re.compile(
    r"(?P<T>tx-[0-9a-f]{12}-[0-9a-f]+-[0-9a-f]{6})"
    r"|(?P<C>blake3:[0-9a-f]{64})"
    r"|(?P<H>handoff-[0-9a-f]{32})"
    r"|(?P<made>(?P<kind>claim|bounty|reservation|grant)-[0-9a-f]{6})"
    rf"|(?P<time>{_TIME})"
)
_LABEL: Final = re.compile(r"\b(?:[TCH]|(?:claim|bounty|reservation|grant)-)\d+\b")
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


class Labels:
    """T1, C1, H1, claim-1, bounty-1 ... for ids, and times as what has passed since the start.

    Args:
        start: the time that is shown as +0s.
    """

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._labels: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self._counts = Counter[str]()

    def shorten(self, text: str) -> str:
        """The text with every id and time in it by its short name."""
        return _IDS.sub(self._label_of, text)

    def expand(self, text: str) -> str:
        """The text with the ids that its labels stand for. Raises KeyError for one not given."""
        return _LABEL.sub(lambda match: self._ids[match[0]], text)

    def _label_of(self, match: re.Match[str]) -> str:
        if match["time"]:
            return self._since_start(match[0])
        if match[0] not in self._labels:
            prefix = f"{match['kind']}-" if match["made"] else str(match.lastgroup)
            self._counts[prefix] += 1
            label = f"{prefix}{self._counts[prefix]}"
            self._labels[match[0]] = label
            self._ids[label] = match[0]
        return self._labels[match[0]]

    def _since_start(self, time: str) -> str:
        seconds = round((parse_time(time) - self._start).total_seconds())
        unit, length = next((u, n) for u, n in _UNITS if (seconds and seconds % n == 0) or n == 1)
        return f"{seconds // length:+d}{unit}"


def seconds_of(text: str) -> int:
    """The seconds in a text like `10m`, `-1h` or `90s`."""
    return int(text[:-1]) * dict(_UNITS)[text[-1]]
