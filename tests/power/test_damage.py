"""Damage is reported, and is never read as a record or passed over."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any, Final

import pytest

from faults.damage import Damage, draw
from faults.power import Disk
from grove_sm import Agent, Grove
from grove_sm.domain.errors import GroveError
from grove_sm.operations import audit as auditing
from grove_sm.stores.reading import SQLiteReads
from tests.counts import RecordProperty, counted

from .exploration import scratch_folder, write_disk
from .sessions import MEMORY, OPERATIONS, SEPARATE, SHARED, Life, Place
from .test_power_cuts import SEED

pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")

_DAMAGES: Final = 120
_AFTERWARDS: Final = Agent(agent_id="coder-3", role="coder")

Key = tuple[str, str]
"""A view and a record's id in it."""

_VIEWS: Final[Mapping[str, Callable[[Grove], Mapping[str, Any]]]] = {
    "contributions": lambda grove: {c.cid: c for c in grove.contributions.list()},
    "handoffs": lambda grove: {h.handoff_id: h for h in grove.handoffs.list()},
    "claims": lambda grove: {c.claim_id: c for c in grove.claims.list()},
    "bounties": lambda grove: {b.bounty_id: b for b in grove.bounties.list()},
    "credits": lambda grove: {"sponsor-1": grove.credits.balance("sponsor-1")},
}


class Truth:
    """What was ever true: each record's documents, the last one last."""

    def __init__(self) -> None:
        self.documents: defaultdict[Key, list[str]] = defaultdict(list)
        with scratch_folder() as folder:
            life = Life(MEMORY, folder)
            for operation in OPERATIONS:
                life.do(operation)
                for name, view in _VIEWS.items():
                    for record_id, record in view(life.grove).items():
                        self.documents[name, record_id].append(record.to_json())
            life.grove.close()

    def is_last(self, key: Key, document: str | None) -> bool:
        """Whether this is what a reader should find."""
        return self.documents[key][-1] == document


def _make(place: Place, state: str) -> Disk:
    """A disk with every operation done: `unfinished`, with the redo of all still in the journal;
    `finished`, in the logs of the stores alone; or `checkpointed`, in their files alone."""
    with scratch_folder() as folder:
        life = Life(place, folder)
        for operation in OPERATIONS:
            life.do(operation)
        if state != "unfinished":
            life.grove.flush()
        if state == "checkpointed":
            life.grove.close()
        disk = {
            path.name: path.read_bytes()
            for path in folder.iterdir()
            if path.suffix in (".db", ".db-wal")
        }
        life.grove.abandon()
        return disk


class Reader:
    """Somebody who uses a damaged grove, and what it is told.

    Attributes:
        errors: every refusal.
        found: each record that was returned.
        complete: views that raised no error.
        was_opened: whether the grove could be opened at all.
        is_audit_ok: whether the audit found nothing.
    """

    def __init__(self, damage: Damage, place: Place, disk: Disk) -> None:
        self.errors: list[GroveError] = []
        self.found: dict[Key, str] = {}
        self.complete: set[str] = set()
        self.was_opened = False
        self.is_audit_ok = False
        with scratch_folder() as folder:
            write_disk(folder, damage.harm(disk))
            with self._noting():
                life = Life(place, folder)
                self.was_opened = True
                self._use(life.grove)

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except GroveError as error:
            self.errors.append(error)

    def _use(self, grove: Grove) -> None:
        for name, view in _VIEWS.items():
            with self._noting():
                for record_id, record in view(grove).items():
                    self.found[name, record_id] = record.to_json()
                self.complete.add(name)
        with self._noting():
            self.is_audit_ok = grove.audit().ok
        with self._noting():
            grove.contribute(kind="work", summary="Afterwards", agent=_AFTERWARDS)
        with self._noting():
            grove.close()


def _check(damage: Damage, place: Place, disk: Disk, truth: Truth) -> None:
    reader = Reader(damage, place, disk)
    for key, document in reader.found.items():
        assert key[0] == "credits" or key in truth.documents, "a record that never was"
        is_account_gone = key[0] == "credits" and '"available":0,"reserved":0' in document
        assert document in truth.documents[key] or is_account_gone, "a wrong record"
    is_lost = any(
        key[0] in reader.complete and not truth.is_last(key, reader.found.get(key))
        for key in truth.documents
    )
    if reader.was_opened:
        assert not (is_lost and reader.is_audit_ok), "a silent loss"
    for error in reader.errors:
        assert damage.file.removesuffix("-wal") in str(error), "it does not say where"


def _damage(place: Place, state: str, truth: Truth, count: int) -> Iterator[Damage]:
    """Have so many damages done and looked at; each that was."""
    disk = _make(place, state)
    rng = Random(f"{SEED}/{place.name}/{state}")
    for damage in dict.fromkeys(draw(disk, rng) for _ in range(count)):
        try:
            _check(damage, place, disk, truth)
        except Exception as error:
            error.add_note(f"{place.name}, {state}: {damage}\n{damage!r}")
            raise
        yield damage


@pytest.fixture(scope="module")
def truth() -> Truth:
    return Truth()


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


@pytest.mark.parametrize("state", ["unfinished", "finished", "checkpointed"])
@pytest.mark.parametrize("place", [SEPARATE, SHARED], ids=lambda place: place.name)
def test_damage(place: Place, state: str, truth: Truth, record_property: RecordProperty) -> None:
    done: list[Damage] = []
    with counted(record_property, lambda: len(done), omits_failed=True):
        done.extend(_damage(place, state, truth, _DAMAGES))
    assert len(done) > _DAMAGES // 2
    record_property("damages", len(done))


def test_a_missing_checksum_is_caught(truth: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SQLiteReads, "_check", lambda *_: None)
    # Some of what is wrong is no JSON any more, or no text.
    with pytest.raises((AssertionError, ValueError, TypeError)):
        list(_damage(SHARED, "checkpointed", truth, 1000))


def test_an_audit_that_does_not_ask_the_journal_is_caught(
    truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = auditing._whole
    monkeypatch.setattr(
        auditing, "_whole", lambda collections, _, accounted: whole(collections, {}, accounted)
    )
    with pytest.raises(AssertionError, match="a silent loss"):
        list(_damage(SHARED, "finished", truth, 1000))
