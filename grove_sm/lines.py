"""Files of lines: read a line at a time, and written as a whole or not at all."""

import codecs
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from grove_sm.domain.errors import ValidationError
from grove_sm.sqlite_file import sync_folder

MAX_LINE_BYTES: Final = 64 * 1024 * 1024


class Line(NamedTuple):
    """A line of a file.

    Attributes:
        number: counted from 1.
        text: without the line's end; where it is too long, one byte more than is allowed.
        is_whole: whether it is not too long.
        end: how many bytes of the file have been read with it.
    """

    number: int
    text: bytes
    is_whole: bool
    end: int


def read_lines(file: BinaryIO, max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[Line]:
    """The lines of a file, empty ones included, without a byte order mark.

    Raises ValidationError if the file cannot be read on.
    """
    number = end = 0
    try:
        while text := file.readline(max_line_bytes + 1):
            number += 1
            end += len(text)
            is_whole = len(text) <= max_line_bytes or text.endswith(b"\n")
            rest = b"" if is_whole else text
            while rest and not rest.endswith(b"\n"):
                rest = file.readline(max_line_bytes)
                end += len(rest)
            if is_whole:
                text = text.rstrip(b"\r\n")
                text = text.removeprefix(codecs.BOM_UTF8) if number == 1 else text
            yield Line(number, text, is_whole, end)
    except OSError as error:
        rule = f"must be readable to its end: {error.strerror or error}"
        raise ValidationError(field="file", rule=rule) from error


@contextmanager
def open_to_read(path: str | Path, field: str = "file") -> Iterator[BinaryIO]:
    """A file to read from. Raises ValidationError, on `field`, if it cannot be opened."""
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed below; only its opening may be refused
    except (OSError, ValueError) as error:
        raise _unusable(field, "read", path, error) from error
    with file:
        yield file


@contextmanager
def open_to_replace(
    path: str | Path, may_replace: Callable[[bytes], bool], field: str = "file"
) -> Iterator[BinaryIO]:
    """A file to write to, which stands at its path once the block has ended, whole and durable.

    If the block raises, whatever stood there stands there still. A pipe or a device is written to
    as it is.

    Args:
        path: where; a link is followed.
        may_replace: whether a file that begins with this line may be replaced; an empty one may.
        field: what errors call the path.

    Raises ValidationError if it cannot be made there, or what is there is not to be replaced;
    OSError if writing fails.
    """
    try:
        target = Path(path).resolve()
        mode = _mode_of(target)
        is_stream = mode is not None and not stat.S_ISREG(mode)
        if mode is not None and not is_stream:
            _require_replaceable(target, may_replace, field)
        draft = target.with_name(f".{target.name}.{os.getpid()}.part")
        file = target.open("wb") if is_stream else draft.open("xb")
    except (OSError, ValueError) as error:
        raise _unusable(field, "written", path, error) from error
    if is_stream:
        with file:
            yield file
        return
    try:
        with file:
            if mode is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def _mode_of(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _require_replaceable(path: Path, may_replace: Callable[[bytes], bool], field: str) -> None:
    with path.open("rb") as file:
        first = file.readline(MAX_LINE_BYTES)
    if first and not may_replace(first.rstrip(b"\r\n")):
        rule = "must be a new file, or one of the same kind: another one is not overwritten"
        raise ValidationError(field=field, rule=rule, value=str(path))


def _unusable(field: str, how: str, path: object, error: Exception) -> ValidationError:
    reason = getattr(error, "strerror", None) or error
    rule = f"must be a file that can be {how}: {reason}"
    return ValidationError(field=field, rule=rule, value=str(path))
