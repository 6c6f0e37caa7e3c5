"""Every planted defect can be planted, in the code as it is now."""

import re
from pathlib import Path

import pytest

from faults.mutants.copies import copied
from faults.mutants.mutant import ROOT, Mutant, UnusableMutantError, mutants, read, usable

PATCH = """\
Two is three.

Breaks: P1, P8

--- a/module.py
+++ b/module.py
@@ -1,3 +1,3 @@
 one = 1
-two = 2
+two = 3
 three = 3
"""
SOURCE = "zero = 0\none = 1\ntwo = 2\nthree = 3\n"


@pytest.fixture
def made(tmp_path: Path) -> Mutant:
    return _read(tmp_path, PATCH)


def _read(folder: Path, patch: str) -> Mutant:
    path = folder / "two-is-three.patch"
    path.write_text(patch)
    return read(path)


def test_there_are_enough() -> None:
    assert len(mutants()) >= 32
    assert len({each.defect for each in mutants()}) == len(mutants())


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_a_patch_fits_the_code(mutant: Mutant) -> None:
    mutant.check()
    assert all(file.path.startswith("grove_sm/") for file in mutant.files)


def test_the_promises_are_the_documents() -> None:
    promised = set(re.findall(r"^## (P\d) ", (ROOT / "docs/promises.md").read_text(), re.M))
    assert {promise for each in mutants() for promise in each.promises} <= promised


def test_a_patch_is_in_words_and_changes_what_it_says(made: Mutant, tmp_path: Path) -> None:
    assert (made.name, made.defect, made.promises) == ("two-is-three", "Two is three", ("P1", "P8"))
    (tmp_path / "module.py").write_text(SOURCE)
    made.apply(tmp_path)
    assert (tmp_path / "module.py").read_text() == SOURCE.replace("two = 2", "two = 3")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (SOURCE.replace("two = 2", "two = 1 + 1"), "not there any more"),
        (SOURCE.replace("one = 1\n", "one = 1\n\n"), "not there any more"),
        (SOURCE + SOURCE, "there 2 times"),
        (None, "there is no module.py"),
    ],
)
def test_a_patch_that_does_not_fit_is_told_with_what_to_do(
    made: Mutant, tmp_path: Path, source: str | None, told: str
) -> None:
    if source is not None:
        (tmp_path / "module.py").write_text(source)
    with pytest.raises(UnusableMutantError, match=told) as raised:
        made.apply(tmp_path)
    for part in ("faults/mutants/two-is-three.patch", "git diff", "module.py"):
        assert part in str(raised.value)
    assert source is None or (tmp_path / "module.py").read_text() == source


@pytest.mark.parametrize(
    ("patch", "told"),
    [
        (PATCH.replace("Breaks: P1, P8", ""), "begin with the defect"),
        (PATCH.replace("P1, P8", "P1, much"), "begin with the defect"),
        (PATCH.replace("Two is three.", ""), "begin with the defect"),
        (PATCH.partition("---")[0], "changes nothing"),
        (PATCH.replace("-1,3 +1,3", "-1,9 +1,9"), "no unified diff"),
    ],
)
def test_a_patch_that_cannot_be_read_is_told(tmp_path: Path, patch: str, told: str) -> None:
    with pytest.raises(UnusableMutantError, match=f"two-is-three.*{told}"):
        _read(tmp_path, patch)


def test_who_asks_for_what_is_not_there_is_told_what_is() -> None:
    with pytest.raises(UnusableMutantError, match="decision-not-forced"):
        usable("no-such-mutant")


def test_only_a_copy_is_changed() -> None:
    mutant = usable("decision-not-forced")
    (file,) = mutant.files
    before = (ROOT / file.path).read_text()
    with copied(mutant) as root:
        assert (root / file.path).read_text() != before
        assert (root / "tests/mutants" / Path(__file__).name).is_file()
    assert not root.exists()
    assert (ROOT / file.path).read_text() == before
