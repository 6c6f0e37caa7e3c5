"""Whether a coordinator lives, asked of locks that the system releases when its process dies.

Each coordinator of a journal locks the byte of a file whose offset is its number. The locks are
POSIX record locks: unlike `flock` they are not inherited by a forked child, which would keep a
dead parent alive. Their two traps are met here: they vanish when the process closes *any*
descriptor of the file, so that each process opens it once and keeps it; and they do not exclude
within a process, so that the process also keeps a list of its own.
"""

import fcntl
import os
import threading
from pathlib import Path
from typing import Final

from grove_sm.domain.errors import StoreUnavailable

_guard = threading.Lock()
_files: dict[tuple[int, int], "_LockFile"] = {}


class _LockFile:
    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.own: set[int] = set()


class Liveness:
    """The lock file of one journal.

    Raises StoreUnavailable if it cannot be opened.
    """

    SUFFIX: Final = "-coordinators"

    def __init__(self, journal: Path) -> None:
        path = journal.with_name(journal.name + self.SUFFIX)
        with _guard:
            try:
                found = os.stat(path) if path.exists() else None
                known = _files.get((found.st_dev, found.st_ino)) if found else None
                if known is None:
                    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                    status = os.fstat(descriptor)
                    known = _files[status.st_dev, status.st_ino] = _LockFile(descriptor)
            except OSError as error:
                raise StoreUnavailable(store=str(path), reason=str(error)) from error
        self._file = known

    def acquire(self, coordinator: int) -> None:
        """Declare a coordinator of this process alive, until `release` or the process's end."""
        with _guard:
            fcntl.lockf(self._file.descriptor, fcntl.LOCK_EX, 1, coordinator)
            self._file.own.add(coordinator)

    def release(self, coordinator: int) -> None:
        """Declare a coordinator of this process dead."""
        with _guard:
            if coordinator in self._file.own:
                self._file.own.discard(coordinator)
                fcntl.lockf(self._file.descriptor, fcntl.LOCK_UN, 1, coordinator)

    def is_alive(self, coordinator: int) -> bool:
        """Whether a coordinator lives, in this process or another.

        Asking takes a shared lock for a moment, so that several who ask do not see each other.
        """
        with _guard:
            if coordinator in self._file.own:
                return True
            try:
                fcntl.lockf(self._file.descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, coordinator)
            except OSError:
                return True
            fcntl.lockf(self._file.descriptor, fcntl.LOCK_UN, 1, coordinator)
            return False


def _forget_in_child() -> None:
    """A forked child holds none of its parent's locks and must not answer as if it did."""
    global _guard  # noqa: PLW0603 - the parent's other threads may have held it
    _guard = threading.Lock()
    for lock_file in _files.values():
        lock_file.own.clear()


os.register_at_fork(after_in_child=_forget_in_child)
