"""A kind that is named in the one list is picked up by every suite, and put through them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

_ROOT: Final = Path(__file__).parents[2]

_THROW_AWAY: Final = '''
"""A plugin for pytest: a variant of the SQLite store, which is asked for its votes from afar."""

from grove_sm.stores.sqlite import SQLiteStore
from tests.kinds import KINDS
from tests.kinds.kind import Kind
from tests.kinds.sqlite import SQLITE, SQLitePlace


class ThrowAwayStore(SQLiteStore):
    local = False


def place(folder, name):
    return SQLitePlace(folder / f"{name}.thrown-away", ThrowAwayStore)


KINDS.append(Kind("throwaway", place, SQLITE.journal, is_on_disk=True))
'''

_SUITES: Final = {
    "tests/conformance/test_kinds.py": ["throwaway"],
    "tests/conformance/test_stores.py": ["throwaway"],
    "tests/conformance/test_pages.py": ["throwaway"],
    "tests/conformance/test_journals.py": ["throwaway"],
    "tests/conformance/test_two_step_holds.py": ["throwaway"],
    "tests/conformance/test_marks_taken_back.py": ["throwaway"],
    "tests/crash/test_enumeration.py": [
        "-throwaway",
        "-throwaway-shared",
        "-memory-and-throwaway",
        "-sqlite-and-throwaway",
    ],
    "tests/crash/test_interleavings.py": ["-throwaway", "-throwaway-shared"],
    "tests/crash/test_zombies.py": ["throwaway-", "throwaway-shared-"],
    "tests/power/test_power_cuts.py": ["[throwaway]", "[throwaway-shared]"],
    "stateful_tests/test_history.py": ["[throwaway]", "[throwaway-shared]"],
}
"""Each suite, and what the names of the tests have in them that it makes of a kind."""

_SOME: Final = (
    "tests/conformance/test_stores.py::test_a_repeated_apply_changes_nothing[throwaway]",
    "tests/conformance/test_kinds.py::test_a_store_is_put_back_as_it_was[throwaway]",
    "tests/crash/test_enumeration.py::test_every_crash_leaves_all_or_nothing"
    "[grant credits-two steps-throwaway-shared]",
    "tests/crash/test_zombies.py::test_whoever_meets_a_dead_undecided_holder_aborts_it"
    "[throwaway-after hold]",
    "stateful_tests/test_history.py::test_every_history_is_one_of_whole_operations[throwaway]",
    "stateful_tests/test_fuzz.py::test_every_layout_has_its_turn",
)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Where the plugin is found."""
    (tmp_path / "throw_away.py").write_text(_THROW_AWAY)
    return {
        **os.environ,
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{_ROOT}",
        "HYPOTHESIS_PROFILE": "dev",
    }


def _run(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "throw_away", "-p", "no:cacheprovider", *arguments],
        env=environment,
        check=False,
        cwd=_ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_suite_picks_it_up(environment: dict[str, str]) -> None:
    collected = _run(environment, "--collect-only", "-q", *_SUITES).splitlines()
    for suite, names in _SUITES.items():
        tests = [line for line in collected if line.startswith(suite)]
        for name in names:
            assert any(name in test for test in tests), f"{suite} has no test of {name!r}"


@pytest.mark.long
def test_it_is_put_through_them(environment: dict[str, str]) -> None:
    assert f"{len(_SOME)} passed" in _run(environment, "-q", "--timeout=600", *_SOME)
