"""Runs a scenario in a process of its own, which may have disks of its own."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
_PREFIXES: Final = (("unshare", "--mount"), ("unshare", "--user", "--map-root-user", "--mount"))


def run(scenario: str, *arguments: object, prefix: tuple[str, ...] = (), cwd: Path = ROOT) -> str:
    """Run a module of `scenarios` to its end; its output, if it did not fail."""
    command = [*prefix, sys.executable, "-m", f"tests.environment.scenarios.{scenario}"]
    finished = subprocess.run(
        [*command, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if finished.returncode:
        pytest.fail(f"{scenario} failed\n{finished.stdout}\n{finished.stderr}", pytrace=False)
    return finished.stdout


def run_with_mounts(scenario: str, *arguments: object) -> str:
    """As `run`, where the scenario may mount file systems that nobody else sees."""
    prefix = _mounting_prefix()
    if prefix is None:
        pytest.skip("this system lets neither us nor a user namespace mount a tmpfs")
    return run(scenario, *arguments, prefix=prefix)


@cache
def _mounting_prefix() -> tuple[str, ...] | None:
    for prefix in _PREFIXES:
        try:
            tried = subprocess.run(
                [*prefix, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt"],
                capture_output=True,
                timeout=30,
                check=False,
            )
        except OSError:
            continue
        if tried.returncode == 0:
            return prefix
    return None
