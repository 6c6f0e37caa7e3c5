"""Damage to files at rest: flipped bits, blank sectors, cut-off tails."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final, NamedTuple

from faults.power import SECTOR, Disk


class Flipped(NamedTuple):
    """Bits of one byte have changed."""

    file: str
    offset: int
    mask: int

    def __str__(self) -> str:
        return f"byte {self.offset} of {self.file} flipped by {self.mask:#04x}"

    def harm(self, disk: Disk) -> Disk:
        """The disk with this damage."""
        content = bytearray(disk[self.file])
        content[self.offset] ^= self.mask
        return {**disk, self.file: bytes(content)}


class Blanked(NamedTuple):
    """A sector has come back as zeros."""

    file: str
    sector: int

    def __str__(self) -> str:
        return f"sector {self.sector} of {self.file} blanked"

    def harm(self, disk: Disk) -> Disk:
        """The disk with this damage."""
        content = disk[self.file]
        begin = self.sector * SECTOR
        blank = bytes(len(content[begin : begin + SECTOR]))
        return {**disk, self.file: content[:begin] + blank + content[begin + SECTOR :]}


class CutOff(NamedTuple):
    """A file ends early."""

    file: str
    size: int

    def __str__(self) -> str:
        return f"{self.file} cut off after {self.size} bytes"

    def harm(self, disk: Disk) -> Disk:
        """The disk with this damage."""
        return {**disk, self.file: disk[self.file][: self.size]}


Damage = Flipped | Blanked | CutOff
"""Something that has happened to one file. Its repr repeats it."""


def draw(disk: Disk, rng: Random) -> Damage:
    """A damage that changes one of the disk's files, which must not all be empty."""
    file = rng.choice([name for name, content in sorted(disk.items()) if any(content)])
    while True:
        damage = rng.choice(_KINDS)(file, disk[file], rng)
        if damage.harm(disk) != disk:
            return damage


def _flip(file: str, content: bytes, rng: Random) -> Damage:
    # Most of a database is unused, where nothing can go wrong; half the flips hit something.
    used = [offset for offset, byte in enumerate(content) if byte]
    offset = rng.choice(used) if rng.random() < 0.5 else rng.randrange(len(content))
    mask = rng.choice([1 << rng.randrange(8), rng.randrange(1, 256)])
    return Flipped(file, offset, mask)


def _blank(file: str, content: bytes, rng: Random) -> Damage:
    return Blanked(file, rng.randrange(len(content)) // SECTOR)


def _cut_off(file: str, content: bytes, rng: Random) -> Damage:
    sizes = [rng.randrange(len(content)), rng.randrange(len(content)) // SECTOR * SECTOR]
    return CutOff(file, rng.choice(sizes))


_KINDS: Final[Sequence[Callable[[str, bytes, Random], Damage]]] = (_flip, _flip, _blank, _cut_off)
