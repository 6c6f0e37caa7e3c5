"""Puts contracts to CrossHair, several at once."""

import collections
import multiprocessing
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Final, NamedTuple

from models.contracts.registry import Contract, every_contract

CONFIRMED: Final = "confirmed"
NOT_REFUTED: Final = "not refuted"
REFUTED: Final = "refuted"


class Checked(NamedTuple):
    """What CrossHair says of a contract.

    Attributes:
        outcome: `confirmed` over all paths; `not refuted` on any path within the time; or
            `refuted`, by a case or because it can say nothing.
        told: the case that refutes it.
        paths: how many paths were run.
        seconds: of the processor.
    """

    name: str
    outcome: str
    told: str
    paths: int
    seconds: float


def check(contract: Contract, timeout: float) -> Checked:
    """Put one contract to CrossHair, for so many seconds of the processor at most."""
    # CrossHair takes long to import, and not everybody who looks at contracts checks them.
    from crosshair.core_and_libs import analyze_function, run_checkables
    from crosshair.options import AnalysisKind, AnalysisOptionSet

    stats: collections.Counter[str] = collections.Counter()
    options = AnalysisOptionSet(
        analysis_kind=[AnalysisKind.PEP316],
        per_condition_timeout=timeout,
        per_path_timeout=timeout,
        report_all=True,
        stats=stats,
    )
    began = time.process_time()
    found = run_checkables(analyze_function(contract.function, options))
    seconds = time.process_time() - began
    outcome, told = NOT_REFUTED, ""
    states = {message.state.value for message in found}
    if states == {"confirmed"}:
        outcome = CONFIRMED
    elif not states or states - {"confirmed", "cannot_confirm"}:
        outcome = REFUTED
        told = "; ".join(message.message for message in found) or "it has no postcondition"
    return Checked(contract.name, outcome, told, stats["num_paths"], seconds)


def check_all(contracts: Sequence[Contract], timeout: float, workers: int) -> Iterator[Checked]:
    """Put contracts to CrossHair in several processes; each is told as soon as it is done."""
    # Not forked: CrossHair keeps its place in a process.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_interrupts) as pool:
        pending = [pool.submit(_check_named, contract.name, timeout) for contract in contracts]
        try:
            for future in as_completed(pending):
                yield future.result()
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _leave_interrupts() -> None:
    """Leave Ctrl-C to who has started this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _check_named(name: str, timeout: float) -> Checked:
    (contract,) = (each for each in every_contract() if each.name == name)
    return check(contract, timeout)
