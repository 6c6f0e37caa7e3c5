"""A planted defect: what is wrong in words, and the patch that makes it so."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from unidiff.errors import UnidiffParseError
from unidiff.patch import Hunk, Line, PatchedFile, PatchSet

FOLDER: Final = Path(__file__).parent
ROOT: Final = FOLDER.parents[1]
_SUFFIX: Final = ".patch"
_BREAKS: Final = "Breaks: "
_PROMISE: Final = re.compile(r"P[1-9]")


class UnusableMutantError(ValueError):
    """There is no such mutant, or its patch is unreadable or does not fit; the text says more."""


class Mutant(NamedTuple):
    """A small, plausible defect of the library.

    Attributes:
        name: of its file.
        defect: what is wrong, in a sentence.
        promises: those of docs/promises.md that it breaks, such as `P1`.
        files: what is changed in each file.
    """

    name: str
    defect: str
    promises: tuple[str, ...]
    files: Sequence[PatchedFile]

    def apply(self, root: Path) -> None:
        """Change the source below a folder so that it has the defect.

        Line numbers are not minded, so that a change elsewhere in a file breaks no patch. Raises
        UnusableMutantError, and changes nothing, if what a hunk replaces does not stand there once.
        """
        for path, text in self._applied(root).items():
            path.write_text(text, encoding="utf-8")

    def check(self) -> None:
        """Raise UnusableMutantError if it does not fit the source of this checkout."""
        self._applied(ROOT)

    def _applied(self, root: Path) -> dict[Path, str]:
        return {root / file.path: self._changed(file, root / file.path) for file in self.files}

    def _changed(self, file: PatchedFile, path: Path) -> str:
        if not path.is_file():
            raise self._unfit(f"there is no {file.path}")
        text = "\n" + path.read_text(encoding="utf-8")
        for hunk in file:
            before, after = _lines(hunk.source_lines()), _lines(hunk.target_lines())
            found = text.count(before)
            if found != 1:
                times = "not there any more" if not found else f"there {found} times"
                raise self._unfit(f"what it replaces in {file.path} is {times}:\n{_shown(hunk)}")
            text = text.replace(before, after)
        return text[1:]

    def _unfit(self, why: str) -> UnusableMutantError:
        return UnusableMutantError(
            f"{_place(self.name)} does not fit the source: {why}\n"
            "Make the same defect in the code as it is now and write the diff anew (git diff -U1), "
            "with enough lines around it to be the only place; or remove the patch, if the code "
            "cannot have the defect any more."
        )


@cache
def mutants() -> Sequence[Mutant]:
    """Every mutant, by name. Raises UnusableMutantError."""
    return tuple(read(path) for path in sorted(FOLDER.glob(f"*{_SUFFIX}")))


def usable(name: str) -> Mutant:
    """The mutant of this name, whose patch fits. Raises UnusableMutantError."""
    known = {each.name: each for each in mutants()}
    if name not in known:
        raise UnusableMutantError(f"there is no such defect; there are: {', '.join(known)}")
    known[name].check()
    return known[name]


def read(path: Path) -> Mutant:
    """The mutant of a patch. Raises UnusableMutantError."""
    text = path.read_text(encoding="utf-8")
    words, _, promises = text.partition("\n--- ")[0].rpartition(_BREAKS)
    found = tuple(promises.strip().split(", "))
    if not words.strip() or not all(map(_PROMISE.fullmatch, found)):
        raise UnusableMutantError(
            f"{_place(path.stem)} has to begin with the defect in a sentence, and then "
            f"{_BREAKS}P1, P2 with the promises that it breaks"
        )
    try:
        files = PatchSet(text)
    except UnidiffParseError as error:
        raise UnusableMutantError(f"{_place(path.stem)} is no unified diff: {error}") from error
    if not files:
        raise UnusableMutantError(f"{_place(path.stem)} changes nothing")
    return Mutant(path.stem, " ".join(words.split()).removesuffix("."), found, files)


def _place(name: str) -> str:
    return f"{FOLDER.relative_to(ROOT)}/{name}{_SUFFIX}"


def _lines(lines: Iterable[Line]) -> str:
    return "\n" + "".join(line.value for line in lines)


def _shown(hunk: Hunk) -> str:
    return "".join(str(line) for line in hunk)
