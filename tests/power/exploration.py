"""Record a session, cut the power everywhere, and look at every disk that this may leave."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

from faults.power import Cut, Disk, Film, Survivors
from faults.recording import Marked, Recording, Trace, recording

from .sessions import Life, Session, expected_of

ACKNOWLEDGED: Final = "acknowledged"
_QUICK: Final = Path("/dev/shm")  # noqa: S108 - where it exists, forcing a file costs nothing


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """An empty folder, in memory where possible, that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(dir=_QUICK if _QUICK.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


class Exploration:
    """One session's power cuts.

    Attributes:
        trace: what the session did to its files.
        disks: the digest of every disk that was examined.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.disks: set[bytes] = set()
        with scratch_folder() as folder:
            self.expected = expected_of(session.operations, folder)
        self.trace = self._record()
        self._film = Film(self.trace)

    def cut_everywhere(self, seed: int, draws: int) -> None:
        """Examine what cuts of the session leave. Raises AssertionError, with the schedule."""
        for cut in self._film.cuts(seed, draws):
            self.examine(cut)

    def cut_recoveries(self, seed: int, draws: int, *, recoveries: int, each: int) -> None:
        """Examine what cuts of recoveries leave, after another cut or after a kill."""
        rng = Random(f"{seed}")
        cuts = self._film.cuts(seed, draws)
        points = range(len(self.trace.events))
        for _ in range(recoveries):
            first = rng.choice(cuts)
            self._cut_again(self.recovery_after(first), first, rng, draws, each)
            point = rng.choice(points)
            self._cut_again(self.recovery_of_killed(point), point, rng, draws, each)

    def examine(self, cut: Cut, film: Film | None = None) -> None:
        """Cut the power, and look at what that leaves: of the session, or of another trace."""
        film = film or self._film
        trace = film.trace
        disk, digest = film.moment(cut.point).disk(cut.survivors)
        self.disks.add(digest)
        try:
            self._check(disk, _acknowledged(trace, cut.point))
        except Exception as error:
            last = [f"  {event}" for event in trace.events[max(0, cut.point - 5) : cut.point]]
            error.add_note("\n".join([f"{self.session.name}: {cut}", repr(cut), "after", *last]))
            raise

    def recovery_after(self, cut: Cut) -> Trace:
        """What a recovery does to the disk that a cut has left."""
        with scratch_folder() as folder:
            write_disk(folder, self._film.disk(cut))
            with recording(folder) as record:
                for _ in range(_acknowledged(self.trace, cut.point)):
                    record.mark(ACKNOWLEDGED)
                self._recover(folder)
            return _verified(record, folder)

    def recovery_of_killed(self, point: int) -> Trace:
        """The session until it is killed, and then what a recovery does; the power stays on."""
        until_then = Trace(self.trace.start, self.trace.events[:point])
        with scratch_folder() as folder:
            write_disk(folder, self._film.disk(Cut(point, Survivors("everything"))))
            with recording(folder, since=until_then) as record:
                self._recover(folder)
            return _verified(record, folder)

    def _record(self) -> Trace:
        place = self.session.place
        with scratch_folder() as folder:
            if self.session.is_prepared:
                Life(place, folder).grove.close()
            results = iter(self.expected.results)
            with recording(folder) as record:
                life = Life(place, folder)
                for step in self.session.steps:
                    match step:
                        case "flush":
                            life.grove.flush()
                        case "trim":
                            life.trim()
                        case "reopen":
                            life.grove.abandon()
                            life = Life(place, folder)
                        case operation:
                            assert life.do(operation) == next(results)
                            record.mark(ACKNOWLEDGED)
                assert life.read() == self.expected.whole[-1]
                life.grove.close()
            return _verified(record, folder)

    def _recover(self, folder: Path) -> None:
        life = Life(self.session.place, folder)
        life.trim()
        life.grove.abandon()

    def _cut_again(
        self, trace: Trace, first: Cut | int, rng: Random, draws: int, each: int
    ) -> None:
        begin = first if isinstance(first, int) else _acknowledged(self.trace, first.point)
        points = range(begin, len(trace.events) + 1)
        film = Film(trace)
        cuts = film.cuts(rng.getrandbits(32), draws, points)
        try:
            for cut in sorted(rng.sample(cuts, min(each, len(cuts)))):
                self.examine(cut, film)
        except Exception as error:
            how = f"killed after {first} events" if isinstance(first, int) else f"{first!r}"
            error.add_note(f"in a recovery; before it: {how}")
            raise

    def _check(self, disk: Disk, acknowledged: int) -> None:
        place, operations = self.session.place, self.session.operations
        whole = self.expected.whole
        with scratch_folder() as folder:
            write_disk(folder, disk)
            life, other = Life(place, folder), Life(place, folder)
            again = other.grove.recovery
            assert life.grove.recovery.in_doubt == life.grove.recovery.corrupt == []
            assert again.rolled_forward == again.rolled_back == again.in_doubt == []
            seen = other.read()
            assert seen in whole, "a part of an operation is there"
            # Of the one that was going on, either.
            assert seen in whole[acknowledged : acknowledged + 2], "an operation was lost"
            retried = [life.do(operation) for operation in operations]
            assert retried == self.expected.results, "a retry has another result"
            life.grove.flush()
            assert other.read() == whole[-1], "a retry has another effect"
            assert other.grove.audit().violations == ()
            life.grove.close()
            other.grove.close()


def write_disk(folder: Path, disk: Disk) -> None:
    """Put a disk's files into an empty folder."""
    for name, content in disk.items():
        (folder / name).write_bytes(content)


def _acknowledged(trace: Trace, point: int) -> int:
    return sum(event == Marked(ACKNOWLEDGED) for event in trace.events[:point])


def _verified(record: Recording, folder: Path) -> Trace:
    """The trace, once it is certain that it accounts for every byte in the folder."""
    end = Film(record.trace).disk(Cut(len(record.trace.events), Survivors("everything")))
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.stat().st_size}
    assert {name: content for name, content in end.items() if content} == found
    return record.trace
