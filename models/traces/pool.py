"""Many batches at once, in processes that end when they are told to."""

import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from models.traces.report import Report, check_batch, named
from models.traces.runs import Batch


def check_all(todo: Sequence[Batch], workers: int, advance: Callable[[int], object]) -> Report:
    """Record batches of runs and check them; `advance` is told of each how many runs it had.

    Raises KeyboardInterrupt, once all processes have ended.
    """
    report = Report()
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_end_in_order)
    try:
        tasks: dict[Future[Report], Batch] = {
            pool.submit(check_batch, batch): batch for batch in todo
        }
        for task in as_completed(tasks):
            try:
                report.add(task.result())
            except BrokenProcessPool:
                report.failed.append(f"{named(tasks[task])}: its process was killed")
            advance(sum(draw.size for draw in tasks[task]))
    except KeyboardInterrupt:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return report


def _end_in_order() -> None:
    """Have a worker end what it has started when it is told to end, and leave Ctrl-C to others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
