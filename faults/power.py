"""The disks that a power cut could have left, at any point of a recorded trace.

What was forced has survived. Of what was not, each file keeps any part, independently of the
others: nothing, everything, the first so many writes, any set of them, or any of their 512-byte
sectors, with or without the length that the file had. A name that appeared in the folder, or
vanished from it, may not have done so until the folder was forced. (Pillai et al., "All File
Systems Are Not Created Equal", OSDI 2014, and SQLite's crash tests do it alike.)
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from random import Random
from typing import Final, Literal, NamedTuple

from blake3 import blake3

from faults.recording import (
    Event,
    FolderForced,
    Forced,
    Linked,
    Marked,
    Resized,
    Trace,
    Unlinked,
    Written,
)

SECTOR: Final = 512

Disk = Mapping[str, bytes]
"""The content of each file of the folder, by name."""

Change = Written | Resized


class Survivors(NamedTuple):
    """Which part of what was not forced is still there.

    `nothing`; `everything`; `only` or `all but` what concerns one file; or `drawn` with a seed,
    independently for each file and name.
    """

    rule: Literal["nothing", "everything", "only", "all but", "drawn"]
    file: str = ""
    seed: int = 0

    def __str__(self) -> str:
        return {
            "only": f"only {self.file}",
            "all but": f"all but {self.file}",
            "drawn": f"drawn with seed {self.seed}",
        }.get(self.rule, self.rule)


class Cut(NamedTuple):
    """A power cut, once so many events of the trace had happened. Its repr repeats it."""

    point: int
    survivors: Survivors

    def __str__(self) -> str:
        return f"power cut after {self.point} events; of what was not forced: {self.survivors}"


class _File:
    """A file's forced content, and the changes since."""

    def __init__(self, content: bytes = b"") -> None:
        self.changes: list[Change] = []
        self._set(content)

    def _set(self, content: bytes) -> None:
        self.content = content
        self.digest = blake3(content).digest()

    def force(self) -> None:
        if self.changes:
            self._set(_changed(self.content, self.changes))
            self.changes = []


class Moment:
    """A folder at one point of a trace: what is forced, and what is not.

    Every content is bytes, and names and files are those of the trace.
    """

    def __init__(self, start: Disk) -> None:
        self._files = {name: _File(content) for name, content in start.items()}
        self._names: dict[str, list[str | None]] = {name: [name] for name in start}

    def advance(self, event: Event) -> None:
        """Go on by one event."""
        match event:
            case Written(file) | Resized(file):
                self._files[file].changes.append(event)
            case Forced(file):
                self._files[file].force()
            case Linked(name, file):
                self._files[file] = _File()
                self._names.setdefault(name, [None]).append(file)
            case Unlinked(name):
                self._names[name].append(None)
            case FolderForced():
                self._names = {name: history[-1:] for name, history in self._names.items()}
            case Marked():
                pass

    @property
    def unforced(self) -> tuple[str, ...]:
        """The files that have something to lose."""
        named = {f for history in self._names.values() if len(history) > 1 for f in history if f}
        return tuple(sorted(named | {name for name, file in self._files.items() if file.changes}))

    def disk(self, survivors: Survivors) -> tuple[Disk, bytes]:
        """What is left, and a digest of it."""
        rng = Random(f"{survivors.seed}")
        disk: dict[str, bytes] = {}
        digests = []
        for name, history in sorted(self._names.items()):
            label = _name_left(history, survivors, rng)
            if label is not None:
                file = self._files[label]
                content = _content_left(label, file, survivors, rng)
                digest = file.digest if content is file.content else blake3(content).digest()
                disk[name] = content
                digests.append(name.encode() + b"\0" + digest)
        return disk, blake3(b"".join(digests)).digest()


class Film:
    """A trace, moment by moment."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self._rewind()

    def _rewind(self) -> None:
        self._point = 0
        self._moment = Moment(self.trace.start)

    def moment(self, point: int) -> Moment:
        """The moment after so many events; quick if it is not before the last one asked for."""
        if point < self._point:
            self._rewind()
        for event in self.trace.events[self._point : point]:
            self._moment.advance(event)
        self._point = point
        return self._moment

    def disk(self, cut: Cut) -> Disk:
        """What a power cut leaves."""
        return self.moment(cut.point).disk(cut.survivors)[0]

    def cuts(self, seed: int, draws: int, points: Iterable[int] | None = None) -> list[Cut]:
        """Cuts that leave distinct disks.

        Of several that leave the same disk it is the latest, when most had been promised.

        Args:
            seed: of what is drawn.
            draws: how many disks to draw at each point, besides the plain ones.
            points: where to cut; by default everywhere.
        """
        latest: dict[bytes, Cut] = {}
        for point in points if points is not None else range(len(self.trace.events) + 1):
            moment = self.moment(point)
            for survivors in _choices(moment.unforced, Random(f"{seed}/{point}"), draws):
                latest[moment.disk(survivors)[1]] = Cut(point, survivors)
        return sorted(latest.values())


def _choices(unforced: Sequence[str], rng: Random, draws: int) -> Iterator[Survivors]:
    yield Survivors("nothing")
    if unforced:
        yield Survivors("everything")
    if len(unforced) > 1:
        for file in unforced:
            yield Survivors("only", file)
            yield Survivors("all but", file)
    for _ in range(draws if unforced else 0):
        yield Survivors("drawn", seed=rng.getrandbits(32))


def _name_left(history: Sequence[str | None], survivors: Survivors, rng: Random) -> str | None:
    match survivors.rule:
        case "nothing":
            return history[0]
        case "everything":
            return history[-1]
        case "drawn":
            return rng.choice(history)
        case rule:
            return history[-1 if (survivors.file in history) == (rule == "only") else 0]


def _content_left(label: str, file: _File, survivors: Survivors, rng: Random) -> bytes:
    if not file.changes:
        return file.content
    match survivors.rule:
        case "nothing":
            return file.content
        case "everything":
            return _changed(file.content, file.changes)
        case "drawn":
            return _drawn(file, rng)
        case rule:
            is_kept = (label == survivors.file) == (rule == "only")
            return _changed(file.content, file.changes) if is_kept else file.content


def _drawn(file: _File, rng: Random) -> bytes:
    left = _changed(file.content, rng.choice(_WAYS)(file.changes, rng))
    whole = len(_changed(file.content, file.changes))
    # The length may have reached the disk before the data has.
    return left.ljust(whole, b"\0") if rng.random() < 0.25 else left


def _none(changes: Sequence[Change], rng: Random) -> Sequence[Change]:
    return ()


def _all(changes: Sequence[Change], rng: Random) -> Sequence[Change]:
    return changes


def _first(changes: Sequence[Change], rng: Random) -> Sequence[Change]:
    return changes[: rng.randint(0, len(changes))]


def _first_torn(changes: Sequence[Change], rng: Random) -> Sequence[Change]:
    count = rng.randrange(len(changes))
    return [*changes[:count], *_some(_sectors(changes[count : count + 1]), rng)]


def _some(changes: Sequence[Change], rng: Random) -> Sequence[Change]:
    share = rng.random()
    return [change for change in changes if rng.random() < share]


def _torn(changes: Sequence[Change], rng: Random) -> Sequence[Change]:
    return _some(_sectors(changes), rng)


_WAYS: Final[Sequence[Callable[[Sequence[Change], Random], Sequence[Change]]]] = (
    _none,
    _all,
    _first,
    _first_torn,
    _some,
    _torn,
)


def _sectors(changes: Sequence[Change]) -> list[Change]:
    """The same changes, each write cut where the disk's sectors end."""
    pieces: list[Change] = []
    for change in changes:
        if isinstance(change, Resized):
            pieces.append(change)
            continue
        begin, end = change.offset, change.offset + len(change.data)
        bounds = [begin, *range(begin - begin % SECTOR + SECTOR, end, SECTOR), end]
        for low, high in pairwise(bounds):
            pieces.append(Written(change.file, low, change.data[low - begin : high - begin]))
    return pieces


def _changed(content: bytes, changes: Sequence[Change]) -> bytes:
    left = bytearray(content)
    for change in changes:
        if isinstance(change, Resized):
            del left[change.size :]
            left.extend(bytes(change.size - len(left)))
        else:
            left.extend(bytes(max(0, change.offset - len(left))))
            left[change.offset : change.offset + len(change.data)] = change.data
    return bytes(left)
