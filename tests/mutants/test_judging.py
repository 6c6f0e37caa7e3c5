"""A planted defect is noticed by a layer or it is not; and what is told of that is so."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from faults.mutants import command, judging
from faults.mutants.copies import copied
from faults.mutants.judging import Judging
from faults.mutants.layers import LAYERS, Layer
from faults.mutants.mutant import ROOT, Mutant, mutants, usable
from faults.mutants.page import Page
from faults.mutants.results import SOUND, Result
from faults.mutants.trial import InterruptedTrialError, Ran, run

_NOTICES = Layer("notices", "tests", ("a failing test",))
_OVERLOOKS = Layer("overlooks", "tests", ("a passing test",))
_OVERLOOKS_AT_FIRST = Layer("at first", "tests", ("a passing test",), ("a failing test",))
_CANNOT_BE_RUN = Layer("nothing", "tests", ("no test",))
_DEFECT = "lease-that-ends-now-holds"

RAN = {
    "a failing test": Ran(3, "a test", "its error"),
    "a passing test": Ran(5),
    "no test": Ran(trouble="there is none"),
}


class Audience:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.going: list[tuple[str, int]] = []
        self.results: list[Result] = []

    def goes_on(self, mutant: Mutant | None, layer: Layer, ran: Ran) -> None:
        self.going.append((layer.name, ran.runs))

    def ended(self, result: Result) -> None:
        self.results.append(result)


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Has one mutant, or the library as it is, judged by layers of told tests."""

    def told(
        root: Path,
        selected: Sequence[str],
        stopping: threading.Event,
        tell: Callable[[Ran], object],
    ) -> Ran:
        tell(Ran(1))
        return RAN[selected[0]]

    def run_judging(
        layers: Sequence[Layer], name: str | None = _DEFECT, *, is_every: bool = False
    ) -> Result:
        audience = Audience()
        mutant = None if name is None else usable(name)
        (result,) = Judging(layers, is_every, workers=1).judge([mutant], audience)
        assert audience.results == [result]
        assert [layer for layer, _ in audience.going[:1]] == [layers[0].name]
        return result

    monkeypatch.setattr(judging, "run", told)
    return run_judging


def _command(*arguments: str, status: int) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "faults.mutants", *arguments],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        pytest.param("decision-not-forced", "power", marks=pytest.mark.long),
        ("keys-released-before-apply", "transcripts"),
    ],
)
def test_a_mutant_is_caught(name: str, layer: str) -> None:
    told = _command("--mutant", name, "--layer", layer, "--json", status=0)
    document: dict[str, Any] = json.loads(told)
    assert (document["caught"], document["of"], document["sound"]) == (1, 1, [])
    (mutant,) = document["mutants"]
    assert (mutant["name"], mutant["isCaught"]) == (name, True)
    (found,) = mutant["layers"].values()
    assert found["test"].startswith(f"tests/{layer}/")
    assert found["error"]
    assert found[next(each.runs for each in LAYERS if each.name == layer)] >= 1


def test_the_first_layer_that_notices_is_the_last_that_is_asked(
    judge: Callable[..., Result],
) -> None:
    result = judge([_OVERLOOKS, _NOTICES, _CANNOT_BE_RUN])
    assert result.is_well
    assert result.caught_by == [_NOTICES]
    assert list(result.ran) == [_OVERLOOKS, _NOTICES]
    assert result.line() == f"{_DEFECT}: caught by notices in 3 tests"
    assert result.to_document()["layers"]["overlooks"]["isCaught"] is False


def test_every_layer_is_asked_if_one_wants_that(judge: Callable[..., Result]) -> None:
    result = judge([_NOTICES, _OVERLOOKS, _OVERLOOKS_AT_FIRST], is_every=True)
    assert result.caught_by == [_NOTICES, _OVERLOOKS_AT_FIRST]
    assert [ran.runs for ran in result.ran.values()] == [3, 5, 8]


def test_what_is_slow_is_run_for_what_nothing_quick_has_noticed(
    judge: Callable[..., Result],
) -> None:
    assert judge([_OVERLOOKS_AT_FIRST, _OVERLOOKS]).caught_by == [_OVERLOOKS_AT_FIRST]
    assert judge([_OVERLOOKS_AT_FIRST, _NOTICES]).caught_by == [_NOTICES]


def test_a_survivor_is_told(judge: Callable[..., Result]) -> None:
    result = judge([_OVERLOOKS])
    assert not result.is_well
    assert result.line() == f"{_DEFECT}: nothing was noticed by overlooks"


def test_the_library_as_it_is_has_to_pass(judge: Callable[..., Result]) -> None:
    assert judge([_OVERLOOKS], None).is_well
    failed = judge([_NOTICES], None)
    assert not failed.is_well
    assert failed.line() == f"{SOUND}: caught by notices in 3 tests"


def test_a_layer_that_cannot_be_run_has_not_noticed_anything(judge: Callable[..., Result]) -> None:
    result = judge([_CANNOT_BE_RUN, _NOTICES])
    assert not result.is_well
    assert result.trouble == "nothing: there is none"


def test_tests_that_cannot_be_run_are_told_from_tests_that_fail() -> None:
    with copied(None) as root:
        ran = run(root, ("tests/no_such_test.py",), threading.Event(), print)
    assert not ran.is_caught
    assert "no_such_test" in str(ran.trouble)


def test_an_interrupt_leaves_no_process() -> None:
    stopping = threading.Event()
    with copied(None) as root, pytest.raises(InterruptedTrialError):
        run(root, ("tests",), stopping, lambda _: stopping.set())
    assert not root.exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--mutant", "no-such-mutant"), "there is no such defect"),
        (("--layer", "no-such-layer"), "there is no no-such-layer"),
        (("--write", "README.md"), "no place"),
    ],
)
def test_wrong_arguments_are_refused(arguments: Sequence[str], told: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "faults.mutants", *arguments],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={"COLUMNS": "1000"},
    )
    assert done.returncode == 2
    assert told in done.stderr


def test_the_table_of_a_page_keeps_what_was_not_judged_now(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    begin = "<!-- written by: make mutants WRITE=docs/mutants.md -->"
    path.write_text(f"Before.\n{begin}\n<!-- until here -->\nAfter.\n")
    power = next(layer for layer in LAYERS if layer.name == "power")
    first, second = usable("decision-not-forced"), usable("applied-before-decision")
    Page(path).write([Result(first, {power: Ran(1234, "t", "e")}, 1.0), Result(None, {}, 1.0)])
    left = len(mutants()) - 1
    assert f"\n1 of 1 are caught; {left} are not in the table yet:\n" in path.read_text()
    Page(path).write(
        [
            Result(second, {power: Ran(7)}, 1.0),
            Result(first, {power: Ran(trouble="it could not be run")}, 1.0),
        ]
    )
    Page(path).write([Result(first, {LAYERS[0]: Ran(9)}, 1.0)])
    text = path.read_text()
    assert f"\n1 of 2 are caught; {left - 1} are not in the table yet:\n" in text
    assert f"| `{first.name}`: {first.defect} | P2 | – |  | 1,234 |" in text  # noqa: RUF001
    assert f"| `{second.name}`: {second.defect} | P1 |  |  | – |" in text  # noqa: RUF001
    assert text.startswith("Before.\n")
    assert text.endswith("\nAfter.\n")


def test_what_was_judged_before_an_interrupt_is_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "page.md"
    path.write_text(
        "<!-- written by: make mutants WRITE=docs/mutants.md -->\n<!-- until here -->\n"
    )
    judged = usable("decision-not-forced")

    def interrupted(*_: object) -> Iterator[Result]:
        yield Result(judged, {LAYERS[0]: Ran(1234, "t", "e")}, 1.0)
        raise KeyboardInterrupt

    monkeypatch.setattr(Judging, "judge", interrupted)
    with pytest.raises(typer.Exit) as ended:
        command.judge(write=path)
    assert ended.value.exit_code == command.INTERRUPTED
    assert f"| `{judged.name}`: {judged.defect} | P2 | 1,234 |" in path.read_text()
