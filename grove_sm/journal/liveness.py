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
        self.users = 0


class Liveness:
    """The lock file of one journal.

    Raises StoreUnavailable if it cannot be opened, or is used after `close`.
    """

    SUFFIX: Final = "-coordinators"

    def __init__(self, journal: Path) -> None:
        path = self.path_of(journal)
        self._name = str(path)
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
            known.users += 1
        self._file = known
        self._is_closed = False

    @classmethod
    def path_of(cls, journal: Path) -> Path:
        """The lock file of a journal."""
        return journal.with_name(journal.name + cls.SUFFIX)

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

    def close(self) -> None:
        """Let go of the file, once nobody else in this process uses it. Safe to call twice."""
        with _guard:
            if self._is_closed:
                return
            self._is_closed = True
            self._file.users -= 1
            if not self._file.users:
                for place in [place for place, file in _files.items() if file is self._file]:
                    del _files[place]
                os.close(self._file.descriptor)

    def is_alive(self, coordinator: int) -> bool:
        """Whether a coordinator lives, in this process or another.

        Asking takes a shared lock for a moment, so that several who ask do not see each other.
        """
        with _guard:
            if self._is_closed:
                raise StoreUnavailable(store=self._name, reason="it has been closed")
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
