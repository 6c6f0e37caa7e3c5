"""Aims at what is rarely covered."""

from stateful_tests.fuzz.recording import Blind
from stateful_tests.tally import Tally


class Aiming(Blind):
    """Placeholder."""

    def __init__(self, covered: Tally) -> None:
        self._covered = covered
