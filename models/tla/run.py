"""Checks configurations, several at a time, and says what came of each."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.tla.configuration import Configuration
from models.tla.telling import told
from models.tla.tlc import ModelError, Search, Stop, search

COUNTEREXAMPLES: Final = Path(__file__).with_name("counterexamples")

_MEMORY: Final = {"quick": "1g", "nightly": "6g"}

OnProgress = Callable[[str, int], object]
"""Is told, now and then, which configuration has found how many distinct states."""


@dataclass(frozen=True)
class Verdict:
    """What became of a configuration.

    Attributes:
        search: what TLC found; None if it could not be run.
        error: why it could not.
    """

    configuration: Configuration
    search: Search | None = None
    error: str | None = None

    @property
    def is_refuted(self) -> bool:
        """Whether TLC has found a counterexample."""
        return self.search is not None and self.search.counterexample is not None

    @property
    def passed(self) -> bool:
        """Whether what has to hold holds, or what has to be refuted is."""
        is_broken = self.configuration.without is not None
        return self.error is None and self.is_refuted == is_broken

    @property
    def story(self) -> str:
        """The counterexample, told; empty if there is none."""
        if self.search is None or self.search.counterexample is None:
            return ""
        return told(self.configuration, self.search.counterexample)

    @property
    def outcome(self) -> str:
        """The verdict in a word or two."""
        if self.error is not None:
            return "cannot be checked"
        if self.configuration.without is None:
            return "REFUTED" if self.is_refuted else "holds"
        return "refuted, as it should be" if self.is_refuted else "NOT REFUTED"


def _nobody_is_told(_name: str, _states: int) -> None:
    """The default: there is no progress to show."""


def check(
    configuration: Configuration,
    *,
    on_progress: OnProgress = _nobody_is_told,
    stop: Stop | None = None,
) -> Verdict:
    """Check one configuration. Raises InterruptedSearchError if `stop` was set meanwhile.

    What has to hold and is refuted is searched once more, without symmetry, for a counterexample
    that can be told.
    """

    def found(states: int) -> None:
        on_progress(configuration.name, states)

    memory = _MEMORY[configuration.size]
    try:
        result = search(
            configuration.module,
            configuration.text(),
            on_progress=found,
            stop=stop,
            memory=memory,
        )
        if result.counterexample is not None and not configuration.tells:
            configuration = configuration.telling()
            result = search(
                configuration.module,
                configuration.text(),
                on_progress=found,
                stop=stop,
                memory=memory,
            )
    except ModelError as error:
        return Verdict(configuration, error=str(error))
    return Verdict(configuration, result)


def check_all(
    configurations: Sequence[Configuration],
    *,
    jobs: int | None = None,
    on_progress: OnProgress = _nobody_is_told,
) -> Iterator[Verdict]:
    """Check configurations, so many at a time as there are cores; each verdict as it comes.

    If this is interrupted, no search goes on.
    """
    stop = Stop()
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        waiting: set[Future[Verdict]] = {
            pool.submit(check, configuration, on_progress=on_progress, stop=stop)
            for configuration in configurations
        }
        try:
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            stop.set()
            for future in waiting:
                future.cancel()


def transcript(verdict: Verdict) -> str:
    """A refuted variant's counterexample, as it is kept."""
    configuration = verdict.configuration
    checked = ", ".join((*configuration.properties, *configuration.invariants))
    return f"# {configuration.about}\n# refuted: {checked}\n\n{verdict.story}"


def transcript_path(configuration: Configuration) -> Path:
    """Where a broken variant's counterexample is kept."""
    return COUNTEREXAMPLES / f"{configuration.name}.txt"
