"""Copies of the checkout, each with a defect, and having child processes use one."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from faults.mutants.mutant import ROOT, Mutant, usable

_PARTS: Final = ("grove_sm", "models", "faults", "stateful_tests", "tests", "docs")
_SETTINGS: Final = ("pyproject.toml", "README.md", "Makefile")
# Compiled code is as good in a copy; what is just being written is not there for long.
_LEFT_OUT: Final = shutil.ignore_patterns(".*", "*.pyc.*")


@contextmanager
def copied(found: Mutant | None) -> Iterator[Path]:
    """A copy of the checkout for the block, with a defect; None for the code as it is.

    Raises UnusableMutantError if the patch does not fit.
    """
    # What a killed process still writes must not keep it from being removed.
    with TemporaryDirectory(prefix="grove-mutant-", ignore_cleanup_errors=True) as name:
        root = Path(name)
        for part in _PARTS:
            shutil.copytree(ROOT / part, root / part, ignore=_LEFT_OUT)
        for part in _SETTINGS:
            shutil.copy2(ROOT / part, root / part)
        if found is not None:
            found.apply(root)
        yield root


@contextmanager
def planted(name: str | None) -> Iterator[None]:
    """Within the block, a Python process that `multiprocessing` spawns has this defect, or none.

    This process itself does not have it. Raises UnusableMutantError.
    """
    if name is None:
        yield
        return
    with copied(usable(name)) as root:
        # A spawned child begins with its parent's path.
        sys.path.insert(0, str(root))
        try:
            yield
        finally:
            sys.path.remove(str(root))
