"""Shows how far a search has come: live on a terminal, otherwise a line now and then."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from stateful_tests.fuzz.coverage import covered
from stateful_tests.fuzz.search import Bounds, Progress
from stateful_tests.fuzz.summary import cell_counts, progress_lines, rate, shown_time

_BETWEEN_FRAMES: Final = 0.5
_BETWEEN_LINES: Final = 30.0
_MOST_KINDS: Final = 24


Display = Callable[[Progress], None]
"""Is told how far a search has come."""


@contextmanager
def display(console: Console, bounds: Bounds, *, is_silent: bool) -> Iterator[Display]:
    """What fits the console, or shows nothing at all."""
    if is_silent:
        yield _show_nothing
    elif console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            yield _Frames(live, bounds)
    else:
        yield _Lines(console, bounds)


def _show_nothing(_: Progress) -> None:
    pass


class _Frames:
    def __init__(self, live: Live, bounds: Bounds) -> None:
        self._live = live
        self._bounds = bounds
        self._last = -_BETWEEN_FRAMES

    def __call__(self, progress: Progress) -> None:
        if progress.seconds - self._last >= _BETWEEN_FRAMES:
            self._last = progress.seconds
            self._live.update(frame(progress, self._bounds), refresh=True)


class _Lines:
    def __init__(self, console: Console, bounds: Bounds) -> None:
        self._console = console
        self._bounds = bounds
        self._last = time.monotonic()
        self._failures = 0

    def __call__(self, progress: Progress) -> None:
        for failure, path in progress.failures[self._failures :]:
            self._console.print(f"found: {failure.signature.error}, in {path}", soft_wrap=True)
        self._failures = len(progress.failures)
        if time.monotonic() - self._last >= _BETWEEN_LINES:
            self._last = time.monotonic()
            head, _, *rest = progress_lines(progress)
            line = "; ".join((_when(progress, self._bounds), head, *rest))
            self._console.print(line, soft_wrap=True)


def frame(progress: Progress, bounds: Bounds) -> Group:
    """One picture of how far a search has come."""
    done = _share(progress, bounds)
    facts = Table.grid(padding=(0, 2))
    tally = progress.tally
    facts.add_row("time", _when(progress, bounds))
    facts.add_row(
        "executed",
        f"{progress.executed:,} histories, {tally.counts['steps']:,} steps, "
        f"{tally.counts['calls']:,} calls; {rate(progress):.1f} histories a second",
    )
    for name, each in covered(tally).items():
        states, transitions = ("{} of {}".format(*figures) for figures in each)
        facts.add_row(name, f"{states} states, {transitions} transitions")
    facts.add_row("fault cells", "{:,} of {:,}".format(*cell_counts(progress)))
    found = len(progress.failures)
    facts.add_row("failures", Text(str(found), style="bold red" if found else "green"))
    for signature in sorted(progress.shrinking):
        facts.add_row("", Text(f"being shrunk: {signature.error}", style="red"))
    for failure, path in progress.failures[-5:]:
        facts.add_row("", Text(f"{path.name}: {failure.signature.error}", style="red"))
    struck = Table.grid(padding=(0, 2))
    kinds = [f"{kind} {count:,}" for kind, count in tally.faults.most_common(_MOST_KINDS)]
    for row in range(0, len(kinds), 4):
        struck.add_row(*kinds[row : row + 4])
    bar = ProgressBar(total=1.0, completed=done, width=60)
    return Group(bar, facts, Text("\nfaults that struck", style="bold"), struck)


def _share(progress: Progress, bounds: Bounds) -> float:
    shares = [0.0]
    if bounds.minutes is not None:
        shares.append(progress.seconds / (bounds.minutes * 60))
    if bounds.histories is not None:
        shares.append(progress.executed / bounds.histories)
    return min(1.0, max(shares))


def _when(progress: Progress, bounds: Bounds) -> str:
    text = f"{shown_time(progress.seconds)} elapsed"
    if bounds.minutes is not None:
        left = max(0.0, bounds.minutes * 60 - progress.seconds)
        text += f", {shown_time(left)} left"
    return text
