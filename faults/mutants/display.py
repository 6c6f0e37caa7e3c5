"""Shows which mutants are being judged: live on a terminal, otherwise a line for each result."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from faults.mutants.judging import Audience
from faults.mutants.layers import Layer
from faults.mutants.mutant import Mutant
from faults.mutants.results import SOUND, Result
from faults.mutants.trial import Ran


@contextmanager
def display(console: Console, total: int, *, is_silent: bool) -> Iterator[Audience]:
    """What fits the console, or shows nothing at all."""
    if is_silent:
        yield _Nothing()
    elif console.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console, transient=True) as progress:
            yield _Live(progress, total)
    else:
        yield _Lines(console, total)


class _Nothing:
    def goes_on(self, mutant: Mutant | None, layer: Layer, ran: Ran) -> None:
        pass

    def ended(self, result: Result) -> None:
        pass


class _Lines:
    """Tells each result, in one line."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._ended = 0

    def goes_on(self, mutant: Mutant | None, layer: Layer, ran: Ran) -> None:
        pass

    def ended(self, result: Result) -> None:
        self._ended += 1
        style = None if result.is_well else "bold red"
        line = Text(f"{self._ended} of {self._total}  {result.line()}", style=style or "")
        self._console.print(line, soft_wrap=True)


class _Live(_Lines):
    """Tells the same above a bar for all, and a line for each that is being judged."""

    def __init__(self, progress: Progress, total: int) -> None:
        super().__init__(progress.console, total)
        self._progress = progress
        self._all = progress.add_task("mutants", total=total)
        self._lines: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def goes_on(self, mutant: Mutant | None, layer: Layer, ran: Ran) -> None:
        name = SOUND if mutant is None else mutant.name
        what = f"{name}: {layer.name}, {ran.runs:,} {layer.runs}"
        with self._lock:
            if name not in self._lines:
                self._lines[name] = self._progress.add_task(what, total=None)
            self._progress.update(self._lines[name], description=what)

    def ended(self, result: Result) -> None:
        super().ended(result)
        with self._lock:
            if result.name in self._lines:
                self._progress.remove_task(self._lines.pop(result.name))
        self._progress.advance(self._all)
