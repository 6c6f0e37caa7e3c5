"""What a process does to the files of a folder, in order: recorded below SQLite, above the system.

SQLite reaches the system through its VFS. While a recording runs, the VFS's functions that open
and delete files, and those of each opened file that write, truncate and sync it, are replaced by
ones that note the call and pass it on; so are `os.fsync` and `os.fdatasync`. Everything takes
effect for real.
"""

import ctypes
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple


class Written(NamedTuple):
    """Bytes were written to a file."""

    file: str
    offset: int
    data: bytes

    def __str__(self) -> str:
        return f"write {len(self.data)} bytes at {self.offset} of {self.file}"


class Resized(NamedTuple):
    """A file was cut or extended."""

    file: str
    size: int

    def __str__(self) -> str:
        return f"resize {self.file} to {self.size} bytes"


class Forced(NamedTuple):
    """Everything done to a file's content before was forced to the disk."""

    file: str

    def __str__(self) -> str:
        return f"force {self.file}"


class Linked(NamedTuple):
    """A file appeared in the folder."""

    name: str
    file: str

    def __str__(self) -> str:
        return f"create {self.file}"


class Unlinked(NamedTuple):
    """A name was taken out of the folder."""

    name: str

    def __str__(self) -> str:
        return f"delete {self.name}"


class FolderForced(NamedTuple):
    """Every name that appeared or vanished before was forced to the disk."""

    def __str__(self) -> str:
        return "force the folder"


class Marked(NamedTuple):
    """Something the caller noted, such as an acknowledgement."""

    text: str

    def __str__(self) -> str:
        return self.text


Event = Written | Resized | Forced | Linked | Unlinked | FolderForced | Marked


class Trace(NamedTuple):
    """A folder's files when the trace began, all of them durable, and what then happened.

    A file's label is its name; one that is made under a name that was used before has a number
    behind it, as `journal.db-wal~2`.
    """

    start: Mapping[str, bytes]
    events: Sequence[Event]


class UnrecordableError(Exception):
    """This Python's SQLite cannot be reached with ctypes; it is linked in without its symbols."""


_SHARED_MEMORY: Final = "-shm"


class Recording:
    """A recording of one folder.

    Args:
        folder: what is recorded; folders in it are not.
        since: a trace that this one goes on from: the folder must hold all that it ends with.

    Attributes:
        trace: everything so far.
    """

    def __init__(self, folder: Path, since: Trace | None = None) -> None:
        self._folder = folder.resolve()
        self._events: list[Event] = list(since.events) if since else []
        self._lock = threading.Lock()
        start = since.start if since else _content_of(self._folder)
        self._labels = {name: name for name in start}
        self._used: dict[str, int] = dict.fromkeys(start, 1)
        for event in self._events:
            if isinstance(event, Linked):
                self._labels[event.name] = event.file
                self._used[event.name] = self._used.get(event.name, 0) + 1
            elif isinstance(event, Unlinked):
                del self._labels[event.name]
        self.trace = Trace(start, self._events)

    def mark(self, text: str) -> None:
        """Note that the recorded process has come to a point of its own."""
        self.note(Marked(text))

    def note(self, event: Event) -> None:
        """Add what has happened."""
        with self._lock:
            self._events.append(event)

    def name_of(self, path: str) -> str | None:
        """A path's name in the folder; None if it is not in it or is of no interest."""
        if path.endswith(_SHARED_MEMORY):
            return None
        folder, _, name = path.rpartition("/")
        return name if folder == str(self._folder) else None

    def label(self, name: str, *, is_new: bool = False) -> str:
        """The label of the file that a name stands for."""
        with self._lock:
            if is_new:
                number = self._used[name] = self._used.get(name, 0) + 1
                label = self._labels[name] = name if number == 1 else f"{name}~{number}"
                self._events.append(Linked(name, label))
            return self._labels[name]

    def delete(self, name: str) -> None:
        """Note that a name is gone."""
        with self._lock:
            if self._labels.pop(name, None) is not None:
                self._events.append(Unlinked(name))

    def forced(self, descriptor: int) -> None:
        """Note that a descriptor is being forced, if it is the folder's or one of its files'."""
        found = os.fstat(descriptor)
        if os.path.samestat(found, os.stat(self._folder)):
            self.note(FolderForced())
            return
        for name, label in list(self._labels.items()):
            path = self._folder / name
            if path.exists() and os.path.samestat(found, os.stat(path)):
                self.note(Forced(label))


def _content_of(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.endswith(_SHARED_MEMORY)
    }


@contextmanager
def recording(folder: Path, since: Trace | None = None) -> Iterator[Recording]:
    """Record what this process's threads do to a folder. One recording at a time.

    What is opened in the block must be closed in it. Raises UnrecordableError.
    """
    _SQLite.get().start(Recording(folder, since))
    fsync, fdatasync = os.fsync, os.fdatasync
    current = _SQLite.get().current
    assert current is not None

    def noting(force: Callable[[Any], None]) -> Callable[[Any], None]:
        def note_and_force(descriptor: Any) -> None:
            is_number = isinstance(descriptor, int)
            current.forced(descriptor if is_number else descriptor.fileno())
            force(descriptor)

        return note_and_force

    system = vars(os)
    system.update(fsync=noting(fsync), fdatasync=noting(fdatasync))
    try:
        yield current
    finally:
        system.update(fsync=fsync, fdatasync=fdatasync)
        _SQLite.get().stop()


_Pointer = ctypes.c_void_p
_Offset = ctypes.c_int64
_Close = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer)
_Write = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, _Pointer, ctypes.c_int, _Offset)
_Truncate = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, _Offset)
_Sync = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, ctypes.c_int)
# SQLite goes on using the name that it gives to xOpen, so it is passed on as it came.
_Open = ctypes.CFUNCTYPE(
    ctypes.c_int, _Pointer, _Pointer, _Pointer, ctypes.c_int, ctypes.POINTER(ctypes.c_int)
)
_Delete = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, ctypes.c_char_p, ctypes.c_int)
_OpenDirectory = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(ctypes.c_int))
_SetSystemCall = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, ctypes.c_char_p, _Pointer)
_GetSystemCall = ctypes.CFUNCTYPE(_Pointer, _Pointer, ctypes.c_char_p)


class _Methods(ctypes.Structure):
    """sqlite3_io_methods, version 3."""

    _fields_ = (
        ("iVersion", ctypes.c_int),
        ("xClose", _Pointer),
        ("xRead", _Pointer),
        ("xWrite", _Pointer),
        ("xTruncate", _Pointer),
        ("xSync", _Pointer),
        ("others", _Pointer * 13),
    )


class _File(ctypes.Structure):
    """sqlite3_file, as far as it is public."""

    _fields_ = (("pMethods", ctypes.POINTER(_Methods)),)


class _Vfs(ctypes.Structure):
    """sqlite3_vfs, version 3."""

    _fields_ = (
        ("iVersion", ctypes.c_int),
        ("szOsFile", ctypes.c_int),
        ("mxPathname", ctypes.c_int),
        ("pNext", _Pointer),
        ("zName", ctypes.c_char_p),
        ("pAppData", _Pointer),
        ("xOpen", _Pointer),
        ("xDelete", _Pointer),
        ("others", _Pointer * 10),
        ("xCurrentTimeInt64", _Pointer),
        ("xSetSystemCall", _Pointer),
        ("xGetSystemCall", _Pointer),
        ("xNextSystemCall", _Pointer),
    )


class _SQLite:
    """The VFS of this process's SQLite, and the functions that stand in for its own.

    Those are kept for good: a file that is still open when a recording ends goes on using them.
    """

    _only: "_SQLite | None" = None

    @classmethod
    def get(cls) -> "_SQLite":
        if cls._only is None:
            cls._only = cls()
        return cls._only

    def __init__(self) -> None:
        import _sqlite3

        try:
            find = ctypes.CDLL(_sqlite3.__file__).sqlite3_vfs_find
        except (AttributeError, OSError) as error:
            raise UnrecordableError(str(error)) from error
        find.restype = ctypes.POINTER(_Vfs)
        self._vfs: _Vfs = find(None).contents
        self._methods: dict[int, _Methods] = {}
        self._labels: dict[int, str] = {}
        self._kept: list[object] = []
        self.current: Recording | None = None
        self._own_open, self._own_delete = self._vfs.xOpen, self._vfs.xDelete
        self._open = _Open(self._opener(_Open(self._own_open)))
        self._delete = _Delete(self._deleter(_Delete(self._own_delete)))
        get_system_call = _GetSystemCall(self._vfs.xGetSystemCall)
        self._own_open_directory = get_system_call(ctypes.addressof(self._vfs), b"openDirectory")
        self._open_directory = _OpenDirectory(
            self._directory_opener(_OpenDirectory(self._own_open_directory))
        )

    def start(self, recording: Recording) -> None:
        assert self.current is None, "one recording at a time"
        self.current = recording
        self._install(self._open, self._delete, self._open_directory)

    def stop(self) -> None:
        self._install(self._own_open, self._own_delete, self._own_open_directory)
        self.current = None

    def _install(self, xopen: Any, xdelete: Any, open_directory: Any) -> None:
        self._vfs.xOpen = ctypes.cast(xopen, _Pointer)
        self._vfs.xDelete = ctypes.cast(xdelete, _Pointer)
        set_system_call = _SetSystemCall(self._vfs.xSetSystemCall)
        vfs = ctypes.addressof(self._vfs)
        set_system_call(vfs, b"openDirectory", ctypes.cast(open_directory, _Pointer))

    def _opener(self, own: Callable[..., int]) -> Callable[..., int]:
        def xopen(vfs: Any, address: int | None, file: int, flags: int, out: Any) -> int:
            recording = self.current
            path = ctypes.string_at(address) if address else b""
            name = recording.name_of(os.fsdecode(path)) if recording else None
            is_new = not os.path.exists(path)
            result = own(vfs, address, file, flags, out)
            if result == 0 and recording is not None and name is not None:
                self._labels[file] = recording.label(name, is_new=is_new)
                self._watch(file)
            return result

        return xopen

    def _deleter(self, own: Callable[..., int]) -> Callable[..., int]:
        def xdelete(vfs: Any, path: bytes, sync_folder: int) -> int:
            name = self.current.name_of(os.fsdecode(path)) if self.current else None
            # Noted first, since the folder may be synced before the call returns.
            if self.current and name is not None and os.path.exists(path):
                self.current.delete(name)
            return own(vfs, path, sync_folder)

        return xdelete

    def _directory_opener(self, own: Callable[..., int]) -> Callable[..., int]:
        def open_directory(path: bytes, descriptor: Any) -> int:
            # SQLite opens a folder for nothing but to sync it, which it does next.
            if self.current and self.current.name_of(os.fsdecode(path)) is not None:
                self.current.note(FolderForced())
            return own(path, descriptor)

        return open_directory

    def _watch(self, address: int) -> None:
        file = _File.from_address(address)
        own = ctypes.addressof(file.pMethods.contents)
        if own not in self._methods:
            self._methods[own] = self._watching(_Methods.from_address(own))
        file.pMethods = ctypes.pointer(self._methods[own])

    def _watching(self, own: _Methods) -> _Methods:
        own_close: Callable[[int], int] = _Close(own.xClose)
        own_write: Callable[[int, int, int, int], int] = _Write(own.xWrite)
        own_truncate: Callable[[int, int], int] = _Truncate(own.xTruncate)
        own_sync: Callable[[int, int], int] = _Sync(own.xSync)

        def xclose(file: int) -> int:
            self._labels.pop(file, None)
            return own_close(file)

        def xwrite(file: int, data: int, size: int, offset: int) -> int:
            result = own_write(file, data, size, offset)
            if result == 0 and self.current:
                self.current.note(Written(self._labels[file], offset, ctypes.string_at(data, size)))
            return result

        def xtruncate(file: int, size: int) -> int:
            result = own_truncate(file, size)
            if result == 0 and self.current:
                self.current.note(Resized(self._labels[file], size))
            return result

        def xsync(file: int, flags: int) -> int:
            # Noted first: it forces what was written before it began.
            if self.current:
                self.current.note(Forced(self._labels[file]))
            return own_sync(file, flags)

        watching = _Methods.from_buffer_copy(own)
        functions = (_Close(xclose), _Write(xwrite), _Truncate(xtruncate), _Sync(xsync))
        self._kept.append(functions)
        fields = ("xClose", "xWrite", "xTruncate", "xSync")
        for field, function in zip(fields, functions, strict=True):
            setattr(watching, field, ctypes.cast(function, _Pointer))
        return watching
