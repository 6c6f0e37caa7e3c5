"""What the suites ask of a kind of store or journal to give it the whole treatment.

Nothing here knows files: state is saved, put back and compared by whatever means a kind has.
"""

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from faults.footprints import Footprints
from grove_sm.commit.contract import Journal, Participant

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Place(Protocol[T_co]):
    """Where one store or one journal is."""

    def open(self) -> T_co:
        """It, once more, as another process would open it."""

    def save(self) -> Any:
        """Everything that it holds, as `restore` takes it; as visible, forced or not.

        What is saved stays as it is, whatever happens here afterwards.
        """

    def restore(self, saved: Any) -> None:
        """Have it hold what was saved here, or in another place of its kind, and nothing else.

        Nobody has it open then; of a journal, nobody lives afterwards who had it open when it
        was saved.
        """

    def fingerprint(self) -> Hashable:
        """What it holds, but for who has opened it: equal if recovery could see no difference."""


class Around(Generic[T]):
    """A place whose every opener gets what `wrap` puts around what is inside."""

    def __init__(self, inner: Place[T], wrap: Callable[[T], T]) -> None:
        self._wrap = wrap
        self._open = inner.open
        self.save = inner.save
        self.restore = inner.restore
        self.fingerprint = inner.fingerprint

    def open(self) -> T:
        return self._wrap(self._open())


StorePlace = Place[Participant]
JournalPlace = Place[Journal]


class JournalKind(NamedTuple):
    """How a kind keeps a journal.

    Attributes:
        place: an empty one, in a folder that it may use, of this name.
        footprints: what steps on it touch, for interleavings.
    """

    place: Callable[[Path, str], JournalPlace]
    footprints: Footprints


def _nothing_is_missing() -> str:
    return ""


class Kind(NamedTuple):
    """One kind of store, and of journal if there is one.

    Attributes:
        name: short, in lower case; test ids and labels have it.
        place: an empty store, in a folder that it may use, of this name.
        journal: its journals; without, its stores are placed beside the first kind's that has one.
        is_on_disk: whether all that it holds is in files of the folder, written by this process, so
            that its writes can be recorded, the power cut, and a place made where there was one.
        is_quick: whether it is opened, saved and put back within a millisecond or two, and so tried
            with everything; otherwise with what is at the core.
        histories: how many random histories it gets, as a share of what memory gets.
        missing: tells what is missing here to run it; empty if nothing is.
    """

    name: str
    place: Callable[[Path, str], StorePlace]
    journal: JournalKind | None = None
    is_on_disk: bool = False
    is_quick: bool = True
    histories: float = 0.15
    missing: Callable[[], str] = _nothing_is_missing
