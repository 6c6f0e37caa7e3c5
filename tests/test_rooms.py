"""Imports go one way, and the pure rooms stay pure."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import grove_sm
from grove_sm.commit.contract import Hold, Journal, Participant, Snapshot
from grove_sm.journal.hold import DecidedHold
from grove_sm.journal.memory import MemoryJournal
from grove_sm.journal.postgres import PostgresJournal
from grove_sm.journal.sqlite import SQLiteJournal
from grove_sm.stores.memory import MemorySnapshot, MemoryStore
from grove_sm.stores.nexus import NexusStore
from grove_sm.stores.nexus_reading import NexusSnapshot
from grove_sm.stores.postgres import PostgresStore
from grove_sm.stores.postgres_reading import PostgresSnapshot
from grove_sm.stores.reading import SQLiteReads
from grove_sm.stores.sqlite import SQLiteStore
from grove_sm.tracing import TracedHold, TracedJournal, TracedStore

ROOT: Final = Path(grove_sm.__file__).parent
MODULES: Final = sorted(ROOT.rglob("*.py"))

LEVELS: Final = {
    "blocking": 0,
    "domain": 0,
    "lifecycles": 1,
    "operations": 2,
    "commit": 3,
    "sqlite_file": 4,
    "lines": 5,
    "nexus": 4,
    "postgres": 4,
    "urls": 4,
    "journal": 5,
    "stores": 5,
    "connect": 6,
    "settings": 6,
    "tracing": 6,
    "results": 6,
    "views": 7,
    "opening": 7,
    "transactions": 7,
    "requests": 7,
    "calls": 8,
    "grove": 9,
    "aio": 10,
    "": 11,  # the package itself, which names what is public
    "importing": 12,
    "demo": 13,
    "doctor": 13,
    "cli": 14,
}
"""Each room, or module on its own, and how far up it is; what is level knows nothing of the other.
"""

PURE: Final = (
    "domain",
    "lifecycles",
    "operations",
    "commit/machine.py",
    "commit/redo.py",
    "commit/record.py",
    "commit/replay.py",
    "commit/txid.py",
    "commit/intervention.py",
    "commit/contract.py",
)
ALLOWED: Final = frozenset(
    {
        "blake3",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "datetime",
        "enum",
        "functools",
        "hashlib",
        "itertools",
        "json",
        "math",
        "pydantic",
        "pydantic_core",
        "re",
        "rfc8785",
        "transitions",
        "types",
        "typing",
        "unicodedata",
    }
)
"""What a pure room may import from outside: nothing that does I/O, reads a clock or rolls dice."""

IMPURE_CALLS: Final = frozenset(
    {"open", "print", "input", "eval", "exec", "__import__", "now", "utcnow", "today", "id"}
)


def room_of(module: str) -> str:
    """The room of a dotted module of the package."""
    _, _, rest = module.partition(".")
    room = rest.partition(".")[0]
    return room if room in LEVELS else ""


def imports(path: Path) -> Iterator[str]:
    """The dotted modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module is not None
            if node.module == "grove_sm":
                # `from grove_sm import domain` imports that room, anything else the package.
                yield from (f"grove_sm.{name.name}" for name in node.names)
            else:
                yield node.module


def is_pure(path: Path) -> bool:
    name = path.relative_to(ROOT).as_posix()
    return any(name == pure or name.startswith(f"{pure}/") for pure in PURE)


PURE_MODULES: Final = [path for path in MODULES if is_pure(path)]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_module_has_a_room() -> None:
    rooms = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in MODULES}
    assert rooms - {"__init__", "__main__"} == set(LEVELS) - {""}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_one_way(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    room = own if own in LEVELS else ""
    for module in imports(path):
        if module.partition(".")[0] == "grove_sm" and room_of(module) != room:
            assert LEVELS[room_of(module)] < LEVELS[room], f"it imports {module}"


HARNESS: Final = ("faults", "models", "stateful_tests", "tests")
KNOWS_THE_HARNESS: Final = {"cli/fuzz.py"}
"""Modules that look for the test harness when they are run; none needs it to be imported."""


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_package_does_not_need_its_tests(path: Path) -> None:
    outside = {module.partition(".")[0] for module in imports(path)}
    assert outside.isdisjoint(HARNESS)
    named = any(
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.partition(".")[0] in HARNESS[1:]
        for node in ast.walk(ast.parse(path.read_text()))
    )
    assert named == (name_of(path) in KNOWS_THE_HARNESS)


@pytest.mark.parametrize("path", PURE_MODULES, ids=name_of)
def test_a_pure_room_imports_nothing_impure(path: Path) -> None:
    outside = {module.partition(".")[0] for module in imports(path)} - {"grove_sm"}
    assert outside <= ALLOWED
    for module in imports(path):
        if module.startswith("grove_sm.commit"):
            assert is_pure(ROOT / f"{module.removeprefix('grove_sm.').replace('.', '/')}.py")


@pytest.mark.parametrize("path", PURE_MODULES, ids=name_of)
def test_a_pure_room_calls_nothing_impure(path: Path) -> None:
    called = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name):
                called.add(function.id)
            elif isinstance(function, ast.Attribute):
                called.add(function.attr)
    assert called & IMPURE_CALLS == set()


def test_every_pure_room_is_there() -> None:
    for pure in PURE:
        assert (ROOT / pure).exists()


# These assignments are checked by mypy: each kind has the methods, with the types, of its contract.
STORES: Final[tuple[type[Participant], ...]] = (
    MemoryStore,
    NexusStore,
    PostgresStore,
    SQLiteStore,
    TracedStore,
)
JOURNALS: Final[tuple[type[Journal], ...]] = (
    MemoryJournal,
    PostgresJournal,
    SQLiteJournal,
    TracedJournal,
)
HOLDS: Final[tuple[type[Hold], ...]] = (DecidedHold, TracedHold)
SNAPSHOTS: Final[tuple[type[Snapshot], ...]] = (
    MemorySnapshot,
    NexusSnapshot,
    PostgresSnapshot,
    SQLiteReads,
)


@pytest.mark.parametrize(
    ("kind", "contract"),
    [
        *((kind, Participant) for kind in STORES),
        *((kind, Journal) for kind in JOURNALS),
        *((kind, Snapshot) for kind in SNAPSHOTS),
    ],
)
def test_a_kind_has_all_that_its_contract_names(kind: type, contract: type) -> None:
    named = {name for name in vars(contract) if not name.startswith("_")}
    assert named
    assert named <= set(dir(kind))


@pytest.mark.parametrize("contract", [Participant, Journal, Hold, Snapshot])
def test_a_contract_says_what_each_method_promises(contract: type) -> None:
    for name, member in vars(contract).items():
        if not name.startswith("_"):
            assert member.__doc__, name
