"""Worker processes that start quickly: forked from one that has imported everything, opened
nothing, and runs no threads."""

import multiprocessing
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Any, Final

CONTEXT: Final[ForkServerContext] = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.processes.work"])

_LONGEST: Final = 120.0


class Worker:
    """A process that runs `target(connection, *args)`; in a `with` block it does not outlive it.

    What the target fails with comes out of `receive`.
    """

    def __init__(self, target: Callable[..., None], *args: Any) -> None:
        self._connection, theirs = CONTEXT.Pipe()
        self.process: BaseProcess = CONTEXT.Process(
            target=_run, args=(target, theirs, *args), daemon=True
        )
        self.process.start()
        theirs.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()

    def send(self, message: Any) -> None:
        """Tell it something."""
        self._connection.send(message)

    def has_told(self) -> bool:
        """Whether `receive` would return at once."""
        return self._connection.poll(0)

    def receive(self) -> Any:
        """What it tells next. Raises RuntimeError if it has failed, EOFError if it is dead."""
        if not self._connection.poll(_LONGEST):
            raise TimeoutError("the worker tells nothing")
        message = self._connection.recv()
        if isinstance(message, RuntimeError):
            raise message
        return message

    def check(self) -> None:
        """Raise RuntimeError if it has failed."""
        while self.has_told():
            self.receive()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.process.kill()
        self.process.join()
        self._connection.close()


def _run(target: Callable[..., None], connection: Connection, *args: Any) -> None:
    try:
        target(connection, *args)
    except EOFError:
        pass
    except Exception:
        connection.send(RuntimeError(traceback.format_exc()))
