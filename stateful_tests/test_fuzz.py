"""The nightly search: it finds, keeps, repeats and survives."""

import importlib
import importlib.util
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import escape

import grove_sm
from grove_sm.lifecycles import LIFECYCLES
from stateful_tests.fuzz.coverage import can_strike
from stateful_tests.fuzz.failures import Failure, Signature
from stateful_tests.fuzz.orders import Batch
from stateful_tests.fuzz.playing import PLACES, play
from stateful_tests.fuzz.search import Bounds, Ending, Progress, Search
from stateful_tests.fuzz.shortening import shorten
from stateful_tests.fuzz.steps import RULES, Step
from stateful_tests.tally import Tally
from tests.cli.running import Commands

_SVG = re.compile(r"<svg.*?</svg>", re.DOTALL)
_TEXT = "{http://www.w3.org/2000/svg}text"
_DEFECT = "reader-settles-nothing"
_DEFECT_AT_ONCE = "amount-not-reserved"


@pytest.fixture
def fuzz(tmp_path: Path) -> Callable[..., str]:
    """Runs the command in one worker, to end with this status; what it printed."""
    commands = Commands(tmp_path)

    def run(*arguments: str, status: int) -> str:
        result = commands.run("fuzz", *arguments, status=status, grove=False)
        return result.output

    return run


def test_what_is_found_fails_again_for_as_long_as_it_is_there(
    fuzz: Callable[..., str], tmp_path: Path
) -> None:
    out = tmp_path / "report"
    bounds = ("--histories", "24", "--workers", "1", "--seed", "3")
    told = fuzz(*bounds, "--out", str(out), "--plant", _DEFECT, status=1)
    assert "seed 3" in told
    summary = json.loads((out / "summary.json").read_text())
    for listed in summary["failures"]:
        assert listed["isRepeated"]
        assert listed["isShrunk"]
        assert listed["steps"] <= 3
        assert listed["file"] in told
    file = str(out / "failure-1.json")
    again = fuzz("--replay", file, "--plant", _DEFECT, status=1)
    failure = Failure.read(Path(file))
    assert failure.signature.error in again
    assert all(line in again for line in failure.story)
    assert "does not fail any more" in fuzz("--replay", file, status=0)
    document = json.loads(fuzz("--replay", file, "--json", status=0))
    assert document["fails"] is False
    failures = [Failure.read(path) for path in sorted(out.glob("failure-*.json"))]
    assert len(failures) == len(summary["failures"])
    _check_page((out / "report.html").read_text(), failures)


def _check_page(page: str, failures: list[Failure]) -> None:
    """It shows every lifecycle with every transition, and every failure; and needs nothing else."""
    pictures = [ElementTree.fromstring(found) for found in _SVG.findall(page)]  # noqa: S314
    drawn = {picture.attrib["aria-label"]: picture for picture in pictures}
    for lifecycle in LIFECYCLES:
        shown = [str(text.text) for text in drawn[f"lifecycle {lifecycle.name}"].iter(_TEXT)]
        assert {*lifecycle.states} <= {*shown}
        triggers = Counter(trigger for trigger, _, _ in lifecycle.moves)
        for trigger, count in triggers.items():
            labels = [text for text in shown if re.fullmatch(rf"{trigger}( [\d,]+)?", text)]
            # A state may be called like a trigger.
            assert len(labels) - (trigger in lifecycle.states) == count
    assert len(pictures) - len(LIFECYCLES) == sum(bool(failure.events) for failure in failures)
    for failure in failures:
        assert all(escape(line) in page for line in failure.story)
    assert "<script" not in page
    assert re.findall(r"(?:src|href)=|url\(", page) == []


def test_a_search_ends_when_no_history_can_begin(fuzz: Callable[..., str], tmp_path: Path) -> None:
    out = tmp_path / "report"
    bounds = ("--minutes", "5", "--workers", "1", "--out", str(out))
    assert "no history can begin" in fuzz(*bounds, "--plant", _DEFECT_AT_ONCE, status=1)
    file = str(out / "failure-1.json")
    assert "ImpossibleError" in fuzz("--replay", file, "--plant", _DEFECT_AT_ONCE, status=1)
    fuzz("--replay", file, status=0)


_MAIN = "from grove_sm.cli import main; main()"
_FEW = ["fuzz", "--json", "--seed", "7", "--workers", "1", "--histories", "30", "--steps", "8"]


def _run(out: Path, hash_seed: int) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", _MAIN, *_FEW, "--out", str(out)],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        cwd=out.parent,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    summary = json.loads(done.stdout)
    del summary["times"], summary["options"]["out"], summary["options"]["database"]
    return summary


def test_a_seed_searches_the_same_in_another_process(tmp_path: Path) -> None:
    first = _run(tmp_path / "first", hash_seed=1)
    assert first["histories"] >= 30
    assert first["failures"] == []
    assert _run(tmp_path / "second", hash_seed=2) == first
    assert {path.name for path in tmp_path.iterdir()} == {"first", "second"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--minutes"),
        (("--minutes", "nan"), "--minutes"),
        (("--minutes", "-1"), "--minutes"),
        (("--histories", "0"), "--histories"),
        (("--histories", "1", "--workers", "0"), "--workers"),
        (("--histories", "1", "--plant", "no such"), "there is no such defect"),
        (("--replay", "no-such-file.json"), "cannot be read"),
        (("--replay", "{broken}"), "no JSON"),
        (("--replay", "{foreign}"), "no failure"),
        (("--histories", "1", "--out", "{full}"), "something in it"),
    ],
)
def test_wrong_arguments_are_refused(
    fuzz: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    told: str,
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    full = tmp_path / "full"
    full.mkdir()
    (full / "broken.json").write_text("{")
    (full / "foreign.json").write_text('{"format": 0}')
    names = {"full": full, "broken": full / "broken.json", "foreign": full / "foreign.json"}
    given_ = [argument.format(**names) for argument in arguments]
    assert told in fuzz(*given_, status=2)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_without_the_harness_it_says_what_to_do(
    fuzz: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(grove_sm, "__file__", str(tmp_path / "grove_sm" / "__init__.py"))
    assert "make nightly" in fuzz("--histories", "1", status=2)


def test_without_hypothesis_it_says_what_to_install(
    fuzz: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.setattr(importlib, "import_module", lambda _: fail("hypothesis"))
    assert "needs hypothesis" in fuzz("--histories", "1", status=2)


def test_steps_of_another_version_are_told(fuzz: Callable[..., str], tmp_path: Path) -> None:
    failure = _failure([Step("pass_time", {"seconds": 1.0})])
    file = tmp_path / "failure.json"
    failure.write(file)
    assert Failure.read(file) == failure
    file.write_text(file.read_text().replace("pass_time", "travel"))
    told = fuzz("--replay", str(file), status=2)
    assert "travel" in told
    assert "hypothesis" in told


@pytest.mark.parametrize(
    ("sent", "kind"),
    [(signal.SIGKILL, "died"), (signal.SIGSTOP, "hung")],
    ids=["killed", "stopped"],
)
def test_a_worker_that_is_lost_is_found_and_replaced(
    tmp_path: Path, sent: signal.Signals, kind: str
) -> None:
    search = _search(tmp_path, Bounds(histories=30, limit=3.0))
    lost: list[int] = []

    def lose_one(progress: Progress) -> None:
        if progress.executed and not lost:
            (child,) = multiprocessing.active_children()
            assert child.pid is not None
            lost.append(child.pid)
            os.kill(child.pid, sent)

    assert search.run(lose_one) == "all histories have run"
    assert lost
    ((failure, file),) = search.progress.failures
    assert (failure.kind, failure.seed, failure.is_repeated) == (kind, 5, None)
    assert Failure.read(file) == failure
    assert play(PLACES[failure.placement], failure.parsed()).error is None
    assert search.progress.executed > failure.histories
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("bounds", "ending"),
    [(Bounds(minutes=0.05), "time is up"), (Bounds(minutes=5.0), "interrupted")],
)
def test_a_search_ends_in_good_order(tmp_path: Path, bounds: Bounds, ending: Ending) -> None:
    search = _search(tmp_path, bounds)

    def interrupt(progress: Progress) -> None:
        if ending == "interrupted" and progress.executed:
            search.interrupt()

    assert search.run(interrupt) == ending
    assert search.progress.failures == []
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("name", RULES)
def test_a_step_can_be_written_down_and_read(name: str) -> None:
    @settings(max_examples=20, database=None)
    @given(st.fixed_dictionaries(RULES[name].arguments))
    def check(arguments: dict[str, Any]) -> None:
        step = Step(name, arguments)
        assert Step.from_document(json.loads(json.dumps(step.to_document()))) == step

    check()


@pytest.mark.parametrize(
    ("kind", "effect", "can"),
    [
        ("dies before", "decide commit", True),
        ("error", "decide commit", False),
        ("error", "apply claims", True),
        ("late", "apply claims", True),
        ("late", "validate claims", False),
        ("duplicate", "hold", False),
        ("duplicate", "release", True),
        ("clock jumps on", "decide abort", True),
        ("outage: disk full", "validate claims", False),
        ("outage: unreachable", "validate claims", True),
        ("outage: unreachable", "leave", True),
    ],
)
def test_which_fault_can_strike_where(kind: str, effect: str, can: bool) -> None:
    assert can_strike(kind, effect) is can


def test_every_layout_has_its_turn() -> None:
    """As often as its share asks for; and what is quickest comes first."""
    turns = [Batch(number, 1, Tally()).placement for number in range(1024)]
    assert set(turns) == set(PLACES)
    assert turns[0] == max(PLACES.values(), key=lambda layout: layout.histories).name
    counts = Counter(turns)
    total = sum(layout.histories for layout in PLACES.values())
    for name, layout in PLACES.items():
        assert abs(counts[name] / len(turns) - layout.histories / total) < 0.01


def test_a_history_that_does_not_fail_is_not_shortened() -> None:
    steps = [Step("pass_time", {"seconds": 1.0})]
    assert shorten(PLACES["memory"], steps, lambda: False) == (steps, False)


def _search(folder: Path, bounds: Bounds) -> Search:
    return Search(
        seed=5, workers=1, steps=5, folder=folder, database=folder / "database", bounds=bounds
    )


def _failure(steps: list[Step]) -> Failure:
    return Failure(
        kind="error",
        signature=Signature("AssertionError", "nowhere"),
        message="",
        placement="memory",
        steps=tuple(step.to_document() for step in steps),
        is_shrunk=True,
        is_repeated=True,
        seed=1,
        worker=0,
        batch=0,
        histories=1,
    )
