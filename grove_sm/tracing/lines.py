"""Lines of a trace, and where they are written."""

import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pydantic_core import to_json

from grove_sm.domain.errors import StoreUnavailable

log = logging.getLogger("grove_sm")

FORMAT: Final = 1

Line = dict[str, Any]
"""One line of a trace: a JSON object."""


class TraceFile:
    """A file that lines are added to, each whole, by any number of threads and processes.

    Once a line cannot be written, no later one is: what is traced goes on without.

    Args:
        path: the file, made if there is none; its folder must exist.

    Raises StoreUnavailable if it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._descriptor: int | None = os.open(
                path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644
            )
        except OSError as error:
            raise StoreUnavailable(store=str(path), reason=f"no trace: {error}") from error
        self._turn = threading.Lock()

    def write(self, line: Line) -> None:
        """Add a line."""
        with self._turn:
            if self._descriptor is None:
                return
            text = to_json(line) + b"\n"
            try:
                if os.write(self._descriptor, text) < len(text):
                    raise OSError("its disk is full")
            except OSError as error:
                log.warning("the trace %s ends here: %s", self._path, error)
                self._let_go()

    def close(self) -> None:
        """Let go of the file. Safe to call twice."""
        with self._turn:
            self._let_go()

    def _let_go(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Tracer:
    """Writes a line about each call of one coordinator.

    Args:
        write: takes a line.
        stamp: the next stamp: a number that grows, the same for everybody who is traced. The
            default, nanoseconds since the machine was started, is for processes of one machine.
        about: what every line is to say besides.

    A call that may change something is told in two lines, lest its process die in it: what is
    asked when it begins, and what came of it when it is answered. Other calls are told in one.
    """

    def __init__(
        self,
        write: Callable[[Line], object],
        *,
        stamp: Callable[[], int] = time.monotonic_ns,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self._write = write
        self._stamp = stamp
        self.about = dict(about or {})
        self._here = threading.local()
        self._threads = itertools.count(1)

    @contextmanager
    def call(self, name: str, *, changes: bool = True, **facts: Any) -> Iterator[Line]:
        """The block is a call; what came of it is to be added to the line that is yielded."""
        begun = {**self.about, "thread": self._thread(), "began": self._stamp()}
        asked = {**begun, "call": name, **facts}
        if changes:
            self._write(asked)
        answer = dict(begun if changes else asked)
        try:
            yield answer
        except BaseException as error:
            answer["error"] = type(error).__name__
            raise
        finally:
            answer["ended"] = self._stamp()
            self._write(answer)

    @property
    def transaction(self) -> str | None:
        """The transaction whose keys this thread is about to hold, or holds."""
        found: str | None = getattr(self._here, "transaction", None)
        return found

    @transaction.setter
    def transaction(self, txid: str | None) -> None:
        self._here.transaction = txid

    @property
    def together(self) -> int | None:
        """The stamp at which the block began whose applies this thread makes in one go."""
        found: int | None = getattr(self._here, "together", None)
        return found

    @together.setter
    def together(self, began: int | None) -> None:
        self._here.together = began

    def _thread(self) -> int:
        if not hasattr(self._here, "number"):
            self._here.number = next(self._threads)
        number: int = self._here.number
        return number
