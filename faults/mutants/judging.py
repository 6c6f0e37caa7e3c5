"""Giving mutants to the layers of tests, several at once."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import NamedTuple, Protocol

from faults.mutants.copies import copied
from faults.mutants.layers import Layer
from faults.mutants.mutant import Mutant
from faults.mutants.results import Result
from faults.mutants.trial import Ran, run


class Audience(Protocol):
    """Is told how far it has come, by several threads."""

    def goes_on(self, mutant: Mutant | None, layer: Layer, ran: Ran) -> None:
        """A layer is at work on a mutant, and has come so far."""

    def ended(self, result: Result) -> None:
        """A mutant is done with."""


class Judging(NamedTuple):
    """How mutants are judged.

    Attributes:
        layers: which are asked, in this order.
        is_every: whether each mutant is given to all of each layer; otherwise it is done with
            once a test has noticed it, and what is slow is run only where nothing quick has.
        workers: how many mutants are judged at once.
    """

    layers: Sequence[Layer]
    is_every: bool
    workers: int

    def judge(self, mutants: Sequence[Mutant | None], audience: Audience) -> Iterator[Result]:
        """The results, as they come; None is the library as it is.

        Whatever ends it early, an interrupt for one, ends what it has started too.
        """
        stopping = threading.Event()
        with ThreadPoolExecutor(self.workers) as pool:
            futures = [pool.submit(self._one, each, audience, stopping) for each in mutants]
            try:
                for future in as_completed(futures):
                    audience.ended(future.result())
                    yield future.result()
            finally:
                stopping.set()
                pool.shutdown(cancel_futures=True)

    def _one(self, mutant: Mutant | None, audience: Audience, stopping: threading.Event) -> Result:
        begun = time.monotonic()
        ran: dict[Layer, Ran] = {}
        with copied(mutant) as root:
            for layer, selected in self._parts():
                before = ran.get(layer, Ran())
                if before.is_caught:
                    continue
                now = run(
                    root,
                    selected,
                    stopping,
                    # Called only until it returns.
                    lambda now: audience.goes_on(mutant, layer, before.and_then(now)),  # noqa: B023
                )
                ran[layer] = before.and_then(now)
                if now.trouble or (now.is_caught and not self.is_every):
                    break
        return Result(mutant, ran, time.monotonic() - begun)

    def _parts(self) -> Iterator[tuple[Layer, Sequence[str]]]:
        for layer in self.layers:
            yield layer, layer.quick
        for layer in self.layers:
            if layer.slow:
                yield layer, layer.slow
