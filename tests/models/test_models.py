"""TLC on every quick configuration: what has to hold does, and what has to fail does, as told.

`make models` checks the same, but for the page and the stories.
"""

import re
from pathlib import Path
from typing import Final

import pytest

from models.tla.configuration import Configuration
from models.tla.configurations import ALL, BROKEN, HOLDING
from models.tla.run import COUNTEREXAMPLES, check, transcript, transcript_path

_QUICK: Final = [configuration for configuration in HOLDING if configuration.size == "quick"]
_PAGE: Final = Path(__file__).parents[2] / "docs" / "models.md"
_ROW: Final = re.compile(r"^\| `([\w-]+)` \|.*?\| ([\d,]+) \| (\d+) \|$", re.MULTILINE)


def _by_name(configuration: Configuration) -> str:
    return configuration.name


def _documented() -> dict[str, tuple[int, int]]:
    """Distinct states and depth of each configuration, as docs/models.md has them."""
    rows = _ROW.findall(_PAGE.read_text(encoding="utf-8"))
    return {name: (int(states.replace(",", "")), int(depth)) for name, states, depth in rows}


@pytest.mark.slow
@pytest.mark.parametrize("configuration", _QUICK, ids=_by_name)
def test_what_has_to_hold_holds_in_as_many_states_as_the_page_says(
    configuration: Configuration,
) -> None:
    verdict = check(configuration)
    assert verdict.passed, verdict.error or verdict.story
    assert verdict.search is not None
    found = verdict.search.distinct, verdict.search.depth
    assert found == _documented()[configuration.name]


@pytest.mark.slow
@pytest.mark.parametrize("configuration", BROKEN, ids=_by_name)
def test_a_rule_that_is_left_out_is_missed_as_its_transcript_tells(
    configuration: Configuration,
) -> None:
    verdict = check(configuration)
    assert verdict.passed, verdict.error or "no state breaks what is checked"
    told = transcript_path(configuration).read_text(encoding="utf-8")
    assert transcript(verdict) == told, "run: python -m models rewrite, and read what has changed"


def test_each_transcript_is_of_a_variant_and_each_configuration_on_the_page() -> None:
    assert set(COUNTEREXAMPLES.iterdir()) == {transcript_path(variant) for variant in BROKEN}
    rows = re.findall(r"^\| `([\w-]+)` \|", _PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {configuration.name for configuration in HOLDING} == set(rows) == set(_documented())
    assert len({configuration.name for configuration in ALL}) == len(ALL)
