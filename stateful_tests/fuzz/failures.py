"""A history that failed, as a file that holds all that is needed to have it fail again."""

import json
import platform
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError

from stateful_tests.fuzz.steps import Step, UnknownStepError
from stateful_tests.fuzz.watching import Event

FORMAT: Final = 1

_ROOT: Final = Path(__file__).parents[2]
_OURS: Final = ("grove_sm", "faults", "models", "stateful_tests", "tests")
_DRIVER: Final = Path(__file__).parent

Kind = Literal["error", "died", "hung"]


class Signature(NamedTuple):
    """What tells failures apart: the type of the error, and where it was raised, and from where."""

    error: str
    place: str


def signature_of(error: BaseException) -> Signature:
    """The signature of an error that was caught."""
    return Signature(type(error).__name__, " < ".join(reversed(_places(error.__traceback__)[-2:])))


def _places(tb: TracebackType | None) -> list[str]:
    found = []
    for frame in traceback.extract_tb(tb):
        path = Path(frame.filename)
        if path.is_relative_to(_ROOT) and not path.is_relative_to(_DRIVER):
            relative = path.relative_to(_ROOT)
            if relative.parts[0] in _OURS:
                found.append(f"{relative.as_posix()}:{frame.lineno} {frame.name}")
    return found


def versions() -> dict[str, str]:
    """Of what a failure may depend on."""
    found = {"python": platform.python_version()}
    for name in ("grove-sm", "hypothesis"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found


class BrokenFileError(ValueError):
    """A failure's file cannot be used; the text says why."""


@dataclass(frozen=True)
class Failure:
    """A failure.

    Attributes:
        kind: whether an error was raised, or the worker died, or did not come to an end.
        placement: the name of the placement that it happened on.
        steps: what the history did, the failing step last, as JSON objects.
        is_shrunk: whether the search for a shorter one came to its end.
        is_repeated: whether the steps by themselves failed again at once; None if not tried.
        seed, worker, batch, histories: what it was found with, and after how many histories.
        planted: the defect that was planted, if any.
        story: what happened, in words.
        events: what happened, effect by effect.
        versions: see `versions`.
    """

    kind: Kind
    signature: Signature
    message: str
    placement: str
    steps: tuple[dict[str, Any], ...]
    is_shrunk: bool
    is_repeated: bool | None
    seed: int
    worker: int
    batch: int
    histories: int
    planted: str | None = None
    story: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    versions: dict[str, str] = field(default_factory=versions)
    format: int = FORMAT

    def parsed(self) -> Sequence[Step]:
        """The steps. Raises BrokenFileError if this version has others."""
        try:
            return [Step.from_document(document) for document in self.steps]
        except UnknownStepError as error:
            made = ", ".join(f"{name} {number}" for name, number in self.versions.items())
            raise BrokenFileError(f"it was written with {made}, for other steps: {error}") from None

    def write(self, path: Path) -> None:
        """Write the file."""
        document = _ADAPTER.dump_python(self, mode="json")
        path.write_text(json.dumps(document, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Failure":
        """From a file. Raises BrokenFileError."""
        try:
            document = json.loads(path.read_bytes())
        except OSError as error:
            raise BrokenFileError(f"it cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise BrokenFileError(f"it is no JSON: {error}") from None
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise BrokenFileError(f"it is no failure of format {FORMAT}")
        try:
            failure = _ADAPTER.validate_json(json.dumps(document))
        except ValidationError as error:
            raise BrokenFileError(str(error)) from None
        failure.parsed()
        return failure


_ADAPTER: Final = TypeAdapter(Failure)
