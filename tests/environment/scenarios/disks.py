"""Disks that a scenario may fill and make read-only."""

import contextlib
import hashlib
import subprocess
from pathlib import Path

_BLOCK = 4096


class Disk:
    """A small file system in memory, mounted for this process alone."""

    def __init__(self, folder: Path, kilobytes: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs")
        self._filler = folder / "filler"

    def fill(self, *, but_for: int = 0) -> None:
        """Take all free space but for so many kilobytes."""
        with self._filler.open("ab", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(_BLOCK))
            file.truncate(max(0, self._filler.stat().st_size - but_for * 1024))

    def free(self) -> None:
        """Give back what was taken."""
        self._filler.unlink()

    def make_read_only(self) -> None:
        """Allow no more writing; no file may be open for it."""
        self._mount("-o", "remount,ro")

    def make_writable(self) -> None:
        """Allow it again."""
        self._mount("-o", "remount,rw")

    def wipe(self) -> None:
        """Delete every file."""
        for path in self.folder.iterdir():
            path.unlink()

    def contents(self) -> dict[str, str]:
        """Every file but the filler."""
        return {
            path.name: hashlib.blake2b(path.read_bytes()).hexdigest()
            for path in sorted(self.folder.iterdir())
            if path != self._filler
        }

    def _mount(self, *options: str) -> None:
        subprocess.run(["mount", *options, str(self.folder)], check=True)
