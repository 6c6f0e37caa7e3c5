"""The world of a transcript: its processes, what they share, and what they put out."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.groves import START, Clock, Names
from tests.kinds.memory import MEMORY
from tests.kinds.placement import Layout, separate, shared
from tests.kinds.sqlite import SQLITE
from tests.kinds.unforced import Unforced
from tests.transcripts.labels import Labels
from tests.transcripts.links import Network
from tests.transcripts.outside import Outside
from tests.transcripts.process import Process, Surroundings

PLACES: Final[Mapping[str, Layout]] = {
    "memory": separate(MEMORY),
    "one file": shared(SQLITE),
    "five files": separate(SQLITE),
}

_WIDTH: Final = 100
_INDENT: Final = 6 * " "
_COORDINATOR: Final = re.compile(r"\bcoordinator (\d+)\b")


class World:
    """Processes on one placement, and everything that they have put out.

    Leaving its `with` block kills them, and raises AssertionError for a fault that was to happen
    to one of them and never did.

    Args:
        folder: an empty folder for SQLite files.
    """

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.labels = Labels(START)
        self.network = Network()
        self._folder = folder
        self._output: list[str] = []
        self._processes: dict[str, Process] = {}
        self._surroundings: Surroundings | None = None
        self._outside: Outside | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        unmet = [fault for process in self._processes.values() for fault in process.unmet]
        for process in self._processes.values():
            process.kill()
        if self._outside is not None:
            self._outside.close()
        assert error is not None or not unmet, f"this never happened: {', '.join(unmet)}"

    def begin(self, where: str, *, is_remote: bool) -> None:
        """Choose where journal and stores are; comes first, and once."""
        assert self._surroundings is None, "the stores have their place already"
        placement = PLACES[where].place(self._folder)
        self._unforced = Unforced(placement)
        self._surroundings = Surroundings(
            placement, self._unforced, is_remote, self.network, self.clock, Names()
        )
        self._outside = Outside(placement, self._folder, self.network, self._name_of)

    def cut_power(self, stores: Sequence[str]) -> None:
        """Everybody dies, and these stores lose what was applied and not forced."""
        for process in self._processes.values():
            process.kill()
        self.outside.close()
        self._unforced.cut(dict.fromkeys(stores, 0))

    def process(self, name: str) -> Process:
        """The process of this name, which begins to exist when it is first spoken of."""
        assert self._surroundings is not None, "a transcript begins with where the stores are"
        if name not in self._processes:
            self._processes[name] = Process(name, self._surroundings, self.tell)
        return self._processes[name]

    @property
    def outside(self) -> Outside:
        """An onlooker."""
        assert self._outside is not None, "a transcript begins with where the stores are"
        return self._outside

    def tell(self, line: str) -> None:
        """Put out a line, with short names for long ones."""
        text = line.replace(f"sqlite:///{self._folder}/", "").replace("memory://", "")
        text = _COORDINATOR.sub(lambda match: f"coordinator {self._name_of(int(match[1]))}", text)
        self._output += textwrap.wrap(
            self.labels.shorten(text),
            _WIDTH,
            subsequent_indent=_INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )

    def take_output(self) -> tuple[str, ...]:
        """What was put out since this was last called."""
        output, self._output = tuple(self._output), []
        return output

    def _name_of(self, coordinator: int) -> str:
        return next(p.name for p in self._processes.values() if p.coordinator == coordinator)
