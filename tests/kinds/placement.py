"""Where a grove's records are in these tests: on every kind, and on every two of them together."""

import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any, Final, NamedTuple

from faults.footprints import Footprints
from grove_sm.commit.contract import Journal, Participant
from grove_sm.operations.layout import COLLECTIONS
from tests.kinds import KINDS
from tests.kinds.kind import JournalKind, Kind, Place
from tests.kinds.memory import MEMORY
from tests.kinds.sqlite import SQLITE

JOURNAL: Final = "journal"


class Layout(NamedTuple):
    """On which kind of journal, and on which store of which kind, each collection is.

    Attributes:
        name: what tests and reports call it.
        journal: the kind whose journal it is.
        stores: for each collection the label of its store; those of one label share it.
        kinds: the kind of each store, by label.
    """

    name: str
    journal: Kind
    stores: Mapping[str, str]
    kinds: Mapping[str, Kind]

    @property
    def is_apart(self) -> bool:
        """Whether each collection has a store of its own."""
        return len(self.kinds) == len(self.stores)

    @property
    def is_mixed(self) -> bool:
        """Whether its stores are of two kinds."""
        return len({kind.name for kind in self.kinds.values()}) > 1

    @property
    def is_quick(self) -> bool:
        """Whether all of its kinds are."""
        return all(kind.is_quick for kind in self._kinds)

    @property
    def histories(self) -> float:
        """How many random histories it gets, as a share of what memory gets."""
        return min(kind.histories for kind in self._kinds) * (1.0 if self.is_apart else 0.5)

    @property
    def is_long(self) -> bool:
        """Whether `make long` tests it: what a slow kind adds shows beside memory, or alone."""
        return self.is_mixed and not self.is_quick

    @property
    def is_in_memory(self) -> bool:
        """Whether all of it is, so that it is quickly saved."""
        return {kind.name for kind in self._kinds} == {MEMORY.name}

    @property
    def missing(self) -> str:
        """What is missing here to use it; empty if nothing is."""
        return next(filter(None, (kind.missing() for kind in self._kinds)), "")

    @property
    def _kinds(self) -> tuple[Kind, ...]:
        return (self.journal, *self.kinds.values())

    def on(self, journal: Kind) -> "Layout":
        """The same stores, with a journal of another kind."""
        return self._replace(name=f"{self.name}-on-{journal.name}", journal=journal)

    def place(self, folder: Path) -> "Placement":
        """An empty placement, in an empty folder."""
        return Placement(self, folder)


class Placement:
    """A journal and a store for each collection, opened anew by every simulated process.

    Attributes:
        name: its layout's.
        is_in_memory: as its layout is.
        footprints: what steps on it touch.
        parts: the place of each store by label, and of the journal.
    """

    def __init__(self, layout: Layout, folder: Path) -> None:
        self.name = layout.name
        self.is_in_memory = layout.is_in_memory
        self._layout = layout
        self._journal = _journal_of(layout.journal).place(folder, JOURNAL)
        self._stores = {label: kind.place(folder, label) for label, kind in layout.kinds.items()}
        self.footprints: Footprints = _journal_of(layout.journal).footprints
        self.parts: Mapping[str, Place[Any]] = {JOURNAL: self._journal, **self._stores}

    def open_journal(self) -> Journal:
        """The journal, as one more coordinator."""
        return self._journal.open()

    def open_stores(self) -> Mapping[str, Participant]:
        """The store of each collection; one object for those that share a place."""
        opened = {label: place.open() for label, place in self._stores.items()}
        return {collection: opened[label] for collection, label in self._layout.stores.items()}

    def label(self, collection: str) -> str:
        """What effects call the store of a collection."""
        return self._layout.stores[collection]

    def save(self) -> Mapping[str, Any]:
        """Everything that it holds now, by part."""
        return {label: part.save() for label, part in self.parts.items()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Have it hold what was saved. Nobody may have it open."""
        for label, part in self.parts.items():
            part.restore(saved[label])

    def fingerprint(self) -> Hashable:
        """What it holds, but for who has opened it: equal if recovery could see no difference."""
        return tuple(part.fingerprint() for part in self.parts.values())


def _journal_of(kind: Kind) -> JournalKind:
    assert kind.journal is not None, f"{kind.name} keeps no journals"
    return kind.journal


def separate(kind: Kind) -> Layout:
    """A store for each collection."""
    return Layout(
        kind.name,
        _with_journal(kind),
        {collection: collection for collection in COLLECTIONS},
        dict.fromkeys(COLLECTIONS, kind),
    )


def shared(kind: Kind) -> Layout:
    """One store for all collections."""
    stores = dict.fromkeys(COLLECTIONS, "stores")
    return Layout(f"{kind.name}-shared", _with_journal(kind), stores, {"stores": kind})


def mixed(first: Kind, second: Kind) -> Layout:
    """A store of each kind, every other collection in either, so that most operations need both.

    The journal is of the second kind, or else of the first, if these have any.
    """
    turns = [first.name, second.name]
    stores = {collection: turns[n % 2] for n, collection in enumerate(COLLECTIONS)}
    kinds = {first.name: first, second.name: second}
    return Layout(f"{first.name}-and-{second.name}", _with_journal(second, first), stores, kinds)


def _with_journal(*kinds: Kind) -> Kind:
    return next(kind for kind in (*kinds, *KINDS) if kind.journal)


def _layouts() -> Iterator[Layout]:
    for kind in KINDS:
        if kind.is_quick or EVERYWHERE:
            yield separate(kind)
        elif kind.journal:
            yield separate(MEMORY).on(kind)
        yield shared(kind)
    for first, second in combinations(KINDS, 2):
        yield mixed(first, second)


def _on_every_journal(layouts: Sequence[Layout]) -> Iterator[Layout]:
    yield from layouts
    for layout, journal in product(layouts, KINDS):
        if journal.journal and journal is not layout.journal:
            yield layout.on(journal)


EVERYWHERE: Final = os.environ.get("GROVE_PLACEMENTS") == "all"
"""Whether every operation is to be tried on all placements that there are, which takes long."""

LAYOUTS: Final = tuple(_on_every_journal([*_layouts()]) if EVERYWHERE else _layouts())
"""Every kind, apart (if it is quick) and shared, then each two of them together. A kind of journal
that is not quick has stores in memory too. On request, all of them on every kind of journal."""

IN_MEMORY: Final = separate(MEMORY)
ON_FILES: Final = separate(SQLITE)
