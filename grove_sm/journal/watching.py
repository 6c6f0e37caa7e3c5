"""Noticing decisions without looking for them again and again.

Where a journal is a file, that is when it is written to, by whatever process. On Linux the system
tells (inotify). It tells of each write when it is made, which may be a moment before others can
read what was written.
"""

import ctypes
import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from grove_sm.blocking import in_thread

log = logging.getLogger("grove_sm")

_IS_TOLD: Final = sys.platform.startswith("linux")


class EventWatch:
    """The `Watch` contract on an event that every decision sets."""

    def __init__(self, decided: threading.Event) -> None:
        self._decided = decided

    def wait(self, seconds: float) -> bool:
        was_decided = in_thread(lambda: self._decided.wait(seconds))
        self._decided.clear()
        return was_decided


class FileWatch:
    """The `Watch` contract on a file (see `grove_sm.commit.contract`)."""

    def __init__(self, notify: Any) -> None:
        self._notify = notify

    def wait(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            if self._notify.read(timeout=max(0, int(left * 1000))):
                return True
            if left <= 0.001:
                return False


@contextmanager
def watch_file(path: Path) -> Iterator[FileWatch | None]:
    """A watch of a file that exists; None where the system does not tell of writes.

    That is so on systems other than Linux, and where it has too many watches already.
    """
    if not _IS_TOLD:
        yield None
        return
    notify = None
    try:
        notify = _open(path)
    except OSError as error:
        log.info("%s is looked at again and again, since it cannot be watched: %s", path, error)
    try:
        yield None if notify is None else FileWatch(notify)
    finally:
        if notify is not None:
            notify.close()


def _open(path: Path) -> Any:
    import inotify_simple

    # It would otherwise run other programs to find the C library, which is loaded already.
    inotify_simple._libc = ctypes.CDLL(None, use_errno=True)
    notify = inotify_simple.INotify()
    try:
        notify.add_watch(path, inotify_simple.flags.MODIFY)
    except OSError:
        notify.close()
        raise
    return notify
